"""The dialogue manager of the demo model: turns and results of tools in, decisions out. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import product
from typing import Any

from voice_host.models.demo import phrasing, small_talk
from voice_host.models.demo.entities import NO_ANSWERS, Several, yes_or_no
from voice_host.models.demo.intents import CERTAIN, Intent, Intents, Match, is_taken_back_by
from voice_host.models.demo.parameters import CLEAR_KINDS, joined
from voice_host.models.demo.slots import Filled, corrections, fill, takes_back
from voice_host.models.demo.task import Call, Decision, Say, Task
from voice_host.models.demo.utterance import Utterance
from voice_host.models.demo.words import likeness, listed

MAX_MISSES = 3
"""Turns in a row that brought nothing after which a task is dropped."""

MAX_CALLS = 4
"""Calls of one decision: one for each day of a weekend, say."""

_AGAIN = ("another", "again", "also", "too", "same", "second", "as well", "one more")
_PROPOSALS = ("how about", "what about", "is it possible", "would it be possible", "does that work")
_FOLLOW_UP_WORDS = frozenset(
    listed("""
    another again instead make same time change actually sorry wait mean meant rather better switch also then one two
    day days no nope more second different new yeah""")
)


class Dialogue:
    """One conversation so far. The same turns always lead to the same decisions.

    Args:
        title: who the agent says it is; `description` as well.
    """

    def __init__(self, intents: Intents, today: date, *, title: str = "", description: str = "") -> None:
        self._intents = intents
        self._today = today
        self._title = title
        self._description = description
        self._task: Task | None = None
        self._suspended: Task | None = None
        self._last: Task | None = None
        self._done: dict[str, Task] = {}  # the last task of each tool
        self._last_asks = ""  # the result of the last call, if it ends with a question
        self._either: tuple[str, tuple[Intent, ...]] | None = None
        self._names: dict[str, Any] = {}
        self._missed = 0
        self._farewell = False
        self._said = "Hello."

    # --- what the caller says -----------------------------------------------------------------------------------------

    def on_turn(self, text: str) -> Decision:
        """Take a turn of the caller, and decide what to do."""
        decision = self._decide(text)
        if isinstance(decision, Say):
            self._said = decision.text
        return decision

    def _decide(self, text: str) -> Decision:
        if self._either is not None and (chosen := self._chosen(text)) is not None:
            return chosen
        said = Utterance.of(text)
        self._farewell = small_talk.is_farewell(said)
        act = small_talk.act_of(said)
        if act is not None and (decision := self._conversational(act, said)) is not None:
            return decision
        match = self._intents.best_match(said, lambda intent: self._answered(intent, text))
        task = self._task
        if (declined := self._declined(said, task)) is not None:
            return declined
        if self._farewell and not (match and match.score >= CERTAIN and not match.intent.ends_calls):
            return self._say_goodbye()
        if task is not None and not self._is_other_subject(task, match, text):
            return self._confirm(task, said) if task.confirming else self._go_on(task, said)
        corrects = corrections(Utterance.of(text))[0][2] > 0
        unclear = match is None or match.score < CERTAIN or match.rival is not None or corrects
        unclear = unclear or (match is not None and match.intent.needs_offer(Utterance.of(text)))
        if unclear and task is None and (again := self._follow_up(Utterance.of(text))) is not None:
            return again
        if match is not None:
            if task is not None and task.values and not task.is_guess:
                self._suspended = task
            self._task = None
            return self._begin(match, text)
        return self._nothing_to_do(said)

    def _declined(self, said: Utterance, task: Task | None) -> Decision | None:
        """Recognise that the caller declines: "I don't want to book a table", or "cancel the booking" halfway."""
        denied = [said.words[at] for at in said.meaningful() if at in said.negated]
        open_to = [said.words[at] for at in said.meaningful() if at in said.affirmed]
        undoes = task is not None and any(map(task.intent.is_undone_by, open_to))
        if (
            task is not None
            and undoes
            and task.intent.is_about([w for w in open_to if not task.intent.is_undone_by(w)])
        ):
            return self._decline(task.intent)
        if open_to and (task is not None or any(intent.is_about(open_to) for intent in self._intents.all)):
            return None
        intents = [*([task.intent] if task is not None else []), *self._intents.all]
        refused = next((intent for intent in intents if not intent.only_asks and intent.is_about(denied)), None)
        if refused is None:
            return None
        if task is None or task.intent is refused:
            return self._decline(refused)
        return Say(f"All right, I won't {phrasing.task(refused)}. {self._question(task)}")

    def _decline(self, intent: Intent) -> Say:
        self._task = self._suspended = None
        return Say(f"All right, I won't {phrasing.task(intent)}. {phrasing.WHAT_ELSE}")

    def _conversational(self, act: small_talk.Act, said: Utterance) -> Decision | None:
        task = self._task
        again = f" {self._question(task)}" if task is not None else ""
        match act:
            case "start over":
                if task is None:
                    self._last, self._done = None, {}
                    return Say("All right. What can I do for you?")
                self._task = Task(task.intent)
                return self._advance(self._task, "All right, from the start.")
            case "drop":
                if task is None and said.has("cancel"):
                    return None  # what was done is not undone by dropping a task
                if self._farewell:
                    return None
                self._task = self._suspended = None
                return Say(f"All right. {phrasing.WHAT_ELSE}")
            case "repeat":
                return Say(self._said)
            case "wait":
                return Say("Take your time.")
            case "who":
                introduction = phrasing.introduction(self._title, self._description, self._intents.all)
                if said.has("robot", "human", "real", "person", "machine", "ai"):
                    introduction = f"I'm a computer. {introduction}"
                return Say(introduction.removesuffix(" What can I do for you?") + again if again else introduction)
            case "help":
                return Say(phrasing.abilities(self._intents.all) + (again or " What would you like?"))

    def _say_goodbye(self) -> Decision:
        self._task = self._suspended = None
        hang_up = self._intents.farewell()
        return self._advance(Task(hang_up)) if hang_up is not None else Say(phrasing.GOODBYE)

    def _nothing_to_do(self, said: Utterance) -> Decision:
        if (answer := small_talk.pleasantry(said)) is not None:
            return Say(answer)
        if len(said.words) <= 4 and (answered := yes_or_no(said)) is not None:
            return Say(f"All right. {phrasing.WHAT_ELSE}" if answered is False else "What can I do for you?")
        self._missed += 1
        verb = next((said.words[at] for at in said.meaningful() if at in said.affirmed), "")
        return Say(phrasing.not_understood(self._intents.all, self._missed - 1, verb if is_taken_back_by(verb) else ""))

    # --- which tool ---------------------------------------------------------------------------------------------------

    def _answered(self, intent: Intent, text: str) -> float:
        """Return the share of the required parameters for which a turn holds a clear value."""
        if not intent.required or not all(p.kind in (*CLEAR_KINDS, "name") for p in intent.required):
            return 0.0
        filled = fill(Utterance.of(text), intent, {}, self._today)
        known = [p for p in intent.required if p.name in filled.values and p.name not in filled.unsure]
        return len(known) / len(intent.required)

    def _is_other_subject(self, task: Task, match: Match | None, text: str) -> bool:
        """Whether the caller changes the subject instead of answering a question."""
        said = Utterance.of(text)
        if match is None or match.intent is task.intent or not match.intent.is_meant(said):
            return False
        asked = task.intent.parameter(task.asked)
        if match.score < CERTAIN:  # a question is not put off, and answering it does no harm
            answers = fill(Utterance.of(text), task.intent, task.values, self._today, asked=task.asked).changed
            return said.asks_to_know and match.intent.only_asks and task.asked not in answers
        if task.confirming or asked is None or (said.is_question and match.intent.only_asks):
            return True
        if asked.kind in CLEAR_KINDS:
            if self._orders(said, match.intent) and not task.intent.is_named(said):
                return True  # "wake me at seven" is no answer to "how many nights?"
            return asked.name not in fill(said, task.intent, task.values, self._today, asked=asked.name).changed
        named = any(likeness(word, trigger) == 1.0 for word in said.words for trigger in match.intent.trigger)
        return said.is_request or (named and len(said.words) > 2)

    def _orders(self, said: Utterance, intent: Intent) -> bool:
        """Whether a turn is an order, which begins with what a tool does: "call me a taxi"."""
        first = next(iter(said.meaningful()), None)
        return first is not None and first in said.affirmed and intent.is_about([said.words[first]])

    def _begin(self, match: Match, text: str) -> Decision:
        intent = match.intent
        if match.rival is not None and not (intent.only_asks and match.rival.only_asks):
            said = Utterance.of(text)
            acting = [either for either in (intent, match.rival) if not either.only_asks]
            if not (said.is_wish and len(acting) == 1):  # who wishes for something wants it done
                self._either = (text, (intent, match.rival))
                return Say(phrasing.offer([intent, match.rival]))
            task = Task(acting[0], is_guess=True)
            task.take(fill(said, acting[0], {}, self._today))
            return self._advance(task)
        if match.rival is not None and intent.required and not match.rival.required:
            intent = match.rival  # no harm is done by answering with what needs no further question
        said = Utterance.of(text)
        is_guess = (match.score < CERTAIN and not intent.only_asks) or intent.needs_offer(said)
        is_guess = is_guess or (takes_back(said) and not intent.only_asks)
        task = Task(intent, is_guess=is_guess)
        last = self._done.get(intent.tool.name)
        if last is not None and said.has(*_AGAIN):
            return self._repeat(last, fill(said, intent, last.values, self._today, latest=last.latest))
        task.take(fill(said, intent, {}, self._today))
        return self._advance(task)

    def _chosen(self, text: str) -> Decision | None:
        """Take the answer to which of two tools was meant; None when it is no answer."""
        assert self._either is not None
        before, intents = self._either
        self._either = None
        said = Utterance.of(text)
        by_order = {"first": 0, "former": 0, "second": 1, "latter": 1}
        chosen = next((intents[place] for word, place in by_order.items() if said.has(word)), None)
        if chosen is None:
            match = Intents([intent.tool for intent in intents]).best_match(said, lambda intent: 0.0)
            if match is None or match.rival is not None:
                return None
            if not match.intent.is_named(said):  # a value that either could have says nothing of which is meant
                self._either = (f"{before} {text}", intents)
                return Say(phrasing.offer(intents))
            chosen = next(intent for intent in intents if intent.tool is match.intent.tool)
        task = Task(chosen)
        task.take(fill(Utterance.of(before), chosen, {}, self._today))
        task.take(fill(said, chosen, task.values, self._today))
        return self._advance(task)

    # --- a task under way ---------------------------------------------------------------------------------------------

    def _go_on(self, task: Task, said: Utterance) -> Decision:
        filled = fill(said, task.intent, task.values, self._today, asked=task.asked, latest=task.latest)
        task.take(filled)
        if takes_back(said):
            task.unsure = set(task.values)
        elif said.asks_to_know and not said.has(*_PROPOSALS):
            task.unsure |= set(filled.changed)
        if filled.changed:
            return self._advance(task)
        if yes_or_no(said) is False and said.has("thanks", "thank you"):
            return self._decline(task.intent)
        if (answer := small_talk.pleasantry(said)) is not None:
            return Say(f"{answer.partition('. ')[0].rstrip('.')}. {self._question(task)}")
        if said.has(*NO_ANSWERS):
            return self._miss(task, "I can't do it without that.")
        return self._miss(task)

    def _miss(self, task: Task, problem: str = phrasing.SORRY) -> Decision:
        task.misses += 1
        if task.misses >= MAX_MISSES:
            self._task = None
            return Say(f"{problem} Let's leave that. {phrasing.WHAT_ELSE}")
        return Say(f"{problem} {self._question(task)}")

    def _confirm(self, task: Task, said: Utterance) -> Decision:
        answered = yes_or_no(said)
        if task.is_guess and answered is None and self._orders(said, task.intent) and not takes_back(said):
            answered = True  # asked for in so many words
        if answered is False and task.is_guess:
            self._task = None
            return Say("All right. What can I do for you?")
        if answered is False and said.has("thanks", "thank you"):
            return self._decline(task.intent)
        guesses = set(task.unsure)
        sole = next(iter(guesses)) if len(guesses) == 1 and answered is None else None
        filled = fill(said, task.intent, task.values, self._today, asked=sole, latest=sorted(guesses))
        task.take(filled)
        if answered is True or filled.changed:
            if answered is not True and (task.is_guess or task.unsure or _beyond(said, task.intent)):
                # Nobody has said yes to the rest, or not all that was said was understood.
                task.unsure = set(task.values)
            elif answered is True:
                task.unsure = set(filled.unsure)
            elif (
                sole is not None and (parameter := task.intent.parameter(sole)) and parameter.kind in ("place", "text")
            ):
                task.unsure = {sole}  # any words could be that
            task.is_guess, task.confirming = False, False
            return self._advance(task)
        if answered is False and len(guesses) == 1:
            task.confirming, task.unsure, task.asked = False, set(), guesses.pop()
            task.values.pop(task.asked, None)
            return self._advance(task, "All right.")
        if answered is False:
            return Say("What should I change?")
        return self._miss(task)

    def _question(self, task: Task) -> str:
        """Ask again what the caller was asked."""
        if task.is_guess:
            return phrasing.offer([task.intent])
        missing = task.intent.parameter(task.asked)
        if task.confirming or missing is None or missing.name in task.values:
            unsure = [p.name for p in task.intent.parameters if p.name in task.unsure and p.name in task.values]
            return phrasing.confirmation(task.intent, task.values, unsure) if unsure else phrasing.offer([task.intent])
        return phrasing.question(missing)

    def _advance(self, task: Task, opening: str = "") -> Decision:
        """Ask for what is missing, then whether the guesses are right, then call the tool."""
        self._task = task
        if task.is_guess:
            task.confirming = True
            return Say(phrasing.offer([task.intent]))
        for parameter in task.intent.parameters:
            value = task.values.get(parameter.name)
            if isinstance(value, Several) and not task.intent.only_asks:
                del task.values[parameter.name]
                task.asked = parameter.name
                return Say(phrasing.either(parameter, value))
        while (missing := task.missing()) is not None:
            known = self._names.get(missing.name)
            if known is None or missing.name == task.asked:
                beside = missing.name == task.asked and not opening
                opening = phrasing.echo(task.intent, task.values, task.latest) if beside else opening
                task.asked = missing.name
                return Say(f"{opening} {phrasing.question(missing)}".strip())
            task.values[missing.name] = known
            task.unsure.add(missing.name)
        if unsure := [p.name for p in task.intent.parameters if p.name in task.unsure]:
            task.confirming = True
            return Say(f"{opening} {phrasing.confirmation(task.intent, task.values, unsure)}".strip())
        return self._call(task)

    def _call(self, task: Task) -> Call:
        self._task, self._last, self._last_asks = None, task, ""
        self._done[task.intent.tool.name] = task
        for parameter in task.intent.parameters:
            if parameter.is_of_caller and parameter.name in task.values:
                self._names[parameter.name] = task.values[parameter.name]
        names = list(task.values)
        each = [value.values if isinstance(value, Several) else (value,) for value in task.values.values()]
        sets = [joined(dict(zip(names, values, strict=True))) for values in product(*each)]
        return Call(task.intent.tool, tuple(sets[:MAX_CALLS]))

    # --- after a call -------------------------------------------------------------------------------------------------

    def on_result(self, tool_name: str, content: object, *, ok: bool, wrong: Sequence[str] = ()) -> str:
        """Return what to say about the result of a call.

        Args:
            wrong: the parameters whose values the tool refused; the first is asked for again.
        """
        last = self._last
        if ok:
            if content is None and self._farewell:
                return phrasing.GOODBYE
            asks = last is not None and last.intent.tool.name == tool_name and last.intent.only_asks
            text = phrasing.result(content, asks=asks)
            self._last_asks = text if text.endswith("?") else ""
            return text
        if last is not None and last.intent.tool.name == tool_name:
            again = next((p for p in last.intent.parameters if p.name.partition("\0")[0] in wrong), None)
            if again is not None and last.misses < MAX_MISSES:
                self._last = None
                self._task = last
                last.misses += 1
                last.values.pop(again.name, None)
                last.asked = again.name
                return f"{phrasing.SORRY} {phrasing.question(again)}"
        return phrasing.failure(content, tool_name)

    def resume(self, text: str) -> Say:
        """Return what is said after calls: their results, and the question that they interrupted."""
        suspended = self._suspended
        if suspended is not None and self._task is None and not text.endswith("?"):
            self._suspended = None
            self._task = suspended
            text = f"{text} {self._question(suspended)}"
        self._said = text
        return Say(text)

    def _follow_up(self, said: Utterance) -> Decision | None:
        """Repeat the last call with another value: "and on tuesday?", "actually, make it three"."""
        last = self._last
        if last is None:
            return None
        if self._last_asks and len(said.words) <= 3 and (answered := yes_or_no(said)) is not None:
            about = next((p for p in last.intent.parameters if p.spoken in self._last_asks.lower()), None)
            if answered and about is not None:
                task = Task(last.intent, {name: v for name, v in last.values.items() if name != about.name})
                return self._advance(task)
        filled = fill(said, last.intent, last.values, self._today, latest=last.latest)
        beyond = _beyond(said, last.intent)
        again = beyond and said.has(*_AGAIN)
        corrects = any(opening for _, _, opening in corrections(said))
        corrects = corrects or any(map(last.intent.is_undone_by, said.words))
        if not filled.changed or (beyond and not (again or corrects)):
            return None
        return self._repeat(last, filled, corrects=corrects)

    def _repeat(self, last: Task, filled: Filled, *, corrects: bool = False) -> Decision:
        """Do the last task again with what was said now; what else it holds is confirmed where a lot is at stake.

        Args:
            corrects: the caller takes something back, which a second call alone does not.
        """
        carried = [name for name in last.values if name not in filled.changed]
        task = Task(last.intent, filled.values, set(filled.unsure), latest=filled.changed)
        if not (last.intent.only_asks or self._last_asks or (len(carried) < 2 and not corrects)):
            task.unsure |= set(filled.values)
        only_again = corrects and last.intent.makes and not self._last_asks
        return self._advance(task, "I can't change that, but I can do it again." if only_again else "")


def _beyond(said: Utterance, intent: Intent) -> bool:
    """Whether a turn says more than the values that were read from it and the words of the tool."""
    own = {*intent.trigger, *intent.topic, *_FOLLOW_UP_WORDS}
    own.update(word for parameter in intent.parameters for word in parameter.nouns)
    return any(not any(likeness(said.words[at], word) > 0 for word in own) for at in said.meaningful())
