"""The caller's spoken turns, as the client is told about them."""

from __future__ import annotations

from collections import deque

from voice_host.clients.openai_realtime.conversation import Conversation, Item
from voice_host.clients.openai_realtime.server_events import Event, EventMaker
from voice_host.clients.openai_realtime.session import duration_ms
from voice_host.clients.protocol import AudioFormat


class CallerTurns:
    """Tracks the input audio buffer of one session, and the turn in it.

    The onset of speech over the agent is told only once the agent is cut: clients stop playing when they learn of it.
    """

    def __init__(self, events: EventMaker, conversation: Conversation) -> None:
        self._events = events
        self._conversation = conversation
        self._received_ms = 0.0
        self._committed_ms = 0.0
        self._item_id: str | None = None
        self._onset_ms: float | None = None  # of speech that is under way
        self._told = False  # that speech has started and not stopped
        self._awaited: deque[tuple[str, float]] = deque()  # items whose words are not known yet, and their seconds

    def received(self, audio: bytes, audio_format: AudioFormat) -> None:
        """Note audio of the client."""
        self._received_ms += duration_ms(audio, audio_format)

    @property
    def empty(self) -> bool:
        """Whether no audio has come since the last turn."""
        return self._received_ms <= self._committed_ms

    def clear(self) -> list[Event]:
        """Forget the audio since the last turn."""
        self._committed_ms = self._received_ms
        return [self._events.make("input_audio_buffer.cleared")]

    # --- speech -----------------------------------------------------------------------------------------------------

    def started(self, *, tell: bool) -> list[Event]:
        """Speech was detected. `tell`: whether the client learns of it now."""
        self._onset_ms = self._received_ms
        return self.tell_started() if tell else []

    def tell_started(self) -> list[Event]:
        """Tell the client that the caller speaks, unless it knows."""
        if self._told:
            return []
        self._told = True
        self._item_id = self._item_id or self._events.id("item")
        at_ms = int(self._received_ms if self._onset_ms is None else self._onset_ms)
        name = "input_audio_buffer.speech_started"
        return [self._events.make(name, audio_start_ms=at_ms, item_id=self._item_id)]

    def tell_pending(self) -> list[Event]:
        """Tell of speech that began over the agent, who has finished meanwhile."""
        return [] if self._onset_ms is None else self.tell_started()

    def stopped(self) -> list[Event]:
        """Speech has ended."""
        self._onset_ms = None
        return self.tell_stopped()

    def tell_stopped(self) -> list[Event]:
        """Tell the client that the caller is silent, if it believes that the caller speaks."""
        if not self._told:
            return []
        self._told = False
        name = "input_audio_buffer.speech_stopped"
        return [self._events.make(name, audio_end_ms=int(self._received_ms), item_id=self._item_id)]

    # --- turns ------------------------------------------------------------------------------------------------------

    def taken(self, text: str) -> list[Event]:
        """The host has ended a turn."""
        told = [] if self._item_id is not None else self.tell_started()
        return [*told, *self.committed(), *self.transcribed(text)]

    def committed(self) -> list[Event]:
        """A turn was ended: what the client has sent so far is an item."""
        stopped = self.stopped()
        item = Item(self._item_id or self._events.id("item"), "user", "input_audio")
        self._item_id = None
        self._awaited.append((item.id, round((self._received_ms - self._committed_ms) / 1000, 3)))
        self._committed_ms = self._received_ms
        before = self._conversation.last_id
        committed = self._events.make("input_audio_buffer.committed", previous_item_id=before, item_id=item.id)
        return [*stopped, committed, *self._conversation.add_complete(item)]

    def transcribed(self, text: str) -> list[Event]:
        """The words of the earliest committed turn are known."""
        if not self._awaited:
            return []
        item_id, seconds = self._awaited.popleft()
        if (item := self._conversation.get(item_id)) is not None:
            item.text = text
        name = "conversation.item.input_audio_transcription"
        usage = {"type": "duration", "seconds": seconds}
        delta = self._events.make(f"{name}.delta", item_id=item_id, content_index=0, delta=text)
        completed = self._events.make(
            f"{name}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage
        )
        return [delta, completed] if text else [completed]
