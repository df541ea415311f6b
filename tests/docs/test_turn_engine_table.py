"""docs/architecture.md shows the turn engine: states, events and actions, and what each event does in each state."""

from typing import get_args

from tests.docs.markdown import entries, rows, section
from voice_host.turns.engine import TurnEngine, TurnState
from voice_host.turns.events import (
    CallerSpeechEnded,
    CallerSpeechStarted,
    ConnectionEnded,
    ConnectionResumed,
    HangUpRequested,
    KeyPressed,
    PartialTranscript,
    ReplyAudible,
    ReplyEnded,
    ReplyTextComplete,
    ResetRequested,
    SpeechRequested,
    StopRequested,
    TimePassed,
    TurnAction,
    TurnEvent,
    TurnFinished,
)
from voice_host_sdk import TurnConfig

PAGE = "docs/architecture.md"
EVENTS: list[TurnEvent] = [
    CallerSpeechStarted(),
    CallerSpeechEnded(),
    PartialTranscript("two words"),
    TurnFinished("two words"),
    StopRequested(),
    KeyPressed(),
    ResetRequested(),
    SpeechRequested("One moment."),
    HangUpRequested("goodbye"),
    ReplyAudible(1),
    ReplyTextComplete(1),
    ReplyEnded(1),
    ConnectionEnded(),
    ConnectionResumed(),
    TimePassed(),
]


def engine_in(state: TurnState) -> TurnEngine:
    """Return an engine whose first reply is in `state`."""
    engine = TurnEngine(TurnConfig())
    turn, audible, onset = TurnFinished("two words"), ReplyAudible(1), CallerSpeechStarted()
    steps: dict[TurnState, list[TurnEvent]] = {
        TurnState.LISTENING: [],
        TurnState.THINKING: [turn],
        TurnState.WAITING: [turn, onset],
        TurnState.SPEAKING: [turn, audible],
        TurnState.HOLDING: [turn, audible, onset],
    }
    for event in steps[state]:
        engine.handle(event, 0.0)
    assert engine.state is state
    return engine


def transition(event: TurnEvent, state: TurnState) -> str:
    """Return the cell of the table: the actions, and the state afterwards where it changes."""
    engine = engine_in(state)
    words = ", ".join(type(action).__name__ for action in engine.handle(event, 10.0))
    if engine.state is not state:
        words = f"{words} → `{engine.state.name}`".strip()
    return words or "-"


def test_every_state_event_and_action_is_listed() -> None:
    expected = {state.name for state in TurnState}
    expected |= {cls.__name__ for cls in (*get_args(TurnEvent), *get_args(TurnAction))}
    assert expected <= entries(section(PAGE, "The turn engine"))


def test_the_table_of_transitions_is_what_the_engine_does() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(TurnEvent))
    computed = [[f"`{type(event).__name__}`", *(transition(event, state) for state in TurnState)] for event in EVENTS]
    head, *documented = rows(section(PAGE, "Transitions"))
    assert head[1:] == [f"`{state.name}`" for state in TurnState]
    assert documented == computed
