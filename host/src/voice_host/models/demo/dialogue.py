"""The demo model's part in a conversation: a turn is heard, a decision comes out. No I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import product
from typing import Any

from voice_host.models.demo import small_talk, speech
from voice_host.models.demo.parameters import CLEAR_KINDS, joined
from voice_host.models.demo.readers import NO_ANSWERS, Several, yes_or_no
from voice_host.models.demo.skills import CERTAIN, Match, Skill, Skills, is_taken_back_by
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

    def __init__(self, skills: Skills, today: date, *, title: str = "", description: str = "") -> None:
        self._skills = skills
        self._today = today
        self._title = title
        self._description = description
        self._task: Task | None = None
        self._suspended: Task | None = None
        self._last: Task | None = None
        self._done: dict[str, Task] = {}  # the last task of each tool
        self._last_asks = ""  # the result of the last call, if it ends with a question
        self._either: tuple[str, tuple[Skill, ...]] | None = None
        self._names: dict[str, Any] = {}
        self._missed = 0
        self._farewell = False
        self._said = "Hello."

    # --- what the caller says -----------------------------------------------------------------------------------------

    def hear(self, text: str) -> Decision:
        """Decide what to do about a turn of the caller."""
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
        match = self._skills.best_match(said, lambda skill: self._answered(skill, text))
        task = self._task
        if (declined := self._declined(said, task)) is not None:
            return declined
        if self._farewell and not (match and match.score >= CERTAIN and not match.skill.ends_calls):
            return self._say_goodbye()
        if task is not None and not self._is_other_subject(task, match, text):
            return self._confirm(task, said) if task.confirming else self._go_on(task, said)
        corrects = corrections(Utterance.of(text))[0][2] > 0
        unclear = match is None or match.score < CERTAIN or match.rival is not None or corrects
        unclear = unclear or (match is not None and match.skill.needs_offer(Utterance.of(text)))
        if unclear and task is None and (again := self._follow_up(Utterance.of(text))) is not None:
            return again
        if match is not None:
            if task is not None and task.values and not task.is_guess:
                self._suspended = task
            self._task = None
            return self._begin(match, text)
        return self._nothing_to_do(said)

    def _declined(self, said: Utterance, task: Task | None) -> Decision | None:
        """Hear that something shall not be done: "I don't want to book a table", or "cancel the booking" halfway."""
        denied = [said.words[at] for at in said.meaningful() if at in said.negated]
        open_to = [said.words[at] for at in said.meaningful() if at in said.affirmed]
        undoes = task is not None and any(map(task.skill.is_undone_by, open_to))
        if task is not None and undoes and task.skill.is_about([w for w in open_to if not task.skill.is_undone_by(w)]):
            return self._decline(task.skill)
        if open_to and (task is not None or any(skill.is_about(open_to) for skill in self._skills.all)):
            return None
        skills = [*([task.skill] if task is not None else []), *self._skills.all]
        refused = next((skill for skill in skills if not skill.only_asks and skill.is_about(denied)), None)
        if refused is None:
            return None
        if task is None or task.skill is refused:
            return self._decline(refused)
        return Say(f"All right, I won't {speech.task(refused)}. {self._question(task)}")

    def _decline(self, skill: Skill) -> Say:
        self._task = self._suspended = None
        return Say(f"All right, I won't {speech.task(skill)}. {speech.WHAT_ELSE}")

    def _conversational(self, act: small_talk.Act, said: Utterance) -> Decision | None:
        task = self._task
        again = f" {self._question(task)}" if task is not None else ""
        match act:
            case "start over":
                if task is None:
                    self._last, self._done = None, {}
                    return Say("All right. What can I do for you?")
                self._task = Task(task.skill)
                return self._advance(self._task, "All right, from the start.")
            case "drop":
                if task is None and said.has("cancel"):
                    return None  # what was done is not undone by dropping a task
                if self._farewell:
                    return None
                self._task = self._suspended = None
                return Say(f"All right. {speech.WHAT_ELSE}")
            case "repeat":
                return Say(self._said)
            case "wait":
                return Say("Take your time.")
            case "who":
                introduction = speech.introduction(self._title, self._description, self._skills.all)
                if said.has("robot", "human", "real", "person", "machine", "ai"):
                    introduction = f"I'm a computer. {introduction}"
                return Say(introduction.removesuffix(" What can I do for you?") + again if again else introduction)
            case "help":
                return Say(speech.abilities(self._skills.all) + (again or " What would you like?"))

    def _say_goodbye(self) -> Decision:
        self._task = self._suspended = None
        hang_up = self._skills.farewell()
        return self._advance(Task(hang_up)) if hang_up is not None else Say(speech.GOODBYE)

    def _nothing_to_do(self, said: Utterance) -> Decision:
        if (answer := small_talk.pleasantry(said)) is not None:
            return Say(answer)
        if len(said.words) <= 4 and (answered := yes_or_no(said)) is not None:
            return Say(f"All right. {speech.WHAT_ELSE}" if answered is False else "What can I do for you?")
        self._missed += 1
        verb = next((said.words[at] for at in said.meaningful() if at in said.affirmed), "")
        return Say(speech.not_understood(self._skills.all, self._missed - 1, verb if is_taken_back_by(verb) else ""))

    # --- which tool ---------------------------------------------------------------------------------------------------

    def _answered(self, skill: Skill, text: str) -> float:
        """Return the share of what a tool requires for which a turn holds a clear value."""
        if not skill.required or not all(p.kind in (*CLEAR_KINDS, "name") for p in skill.required):
            return 0.0
        filled = fill(Utterance.of(text), skill, {}, self._today)
        known = [p for p in skill.required if p.name in filled.values and p.name not in filled.unsure]
        return len(known) / len(skill.required)

    def _is_other_subject(self, task: Task, match: Match | None, text: str) -> bool:
        """Tell whether the caller, being asked something, speaks of something else instead of answering."""
        said = Utterance.of(text)
        if match is None or match.skill is task.skill or not match.skill.is_meant(said):
            return False
        asked = task.skill.parameter(task.asked)
        if match.score < CERTAIN:  # a question is not put off, and answering it does no harm
            answers = fill(Utterance.of(text), task.skill, task.values, self._today, asked=task.asked).changed
            return said.asks_to_know and match.skill.only_asks and task.asked not in answers
        if task.confirming or asked is None or (said.is_question and match.skill.only_asks):
            return True
        if asked.kind in CLEAR_KINDS:
            if self._orders(said, match.skill) and not task.skill.is_named(said):
                return True  # "wake me at seven" is no answer to "how many nights?"
            return asked.name not in fill(said, task.skill, task.values, self._today, asked=asked.name).changed
        named = any(likeness(word, trigger) == 1.0 for word in said.words for trigger in match.skill.trigger)
        return said.is_request or (named and len(said.words) > 2)

    def _orders(self, said: Utterance, skill: Skill) -> bool:
        """Tell whether a turn begins with what a tool does, as an order does: "call me a taxi"."""
        first = next(iter(said.meaningful()), None)
        return first is not None and first in said.affirmed and skill.is_about([said.words[first]])

    def _begin(self, match: Match, text: str) -> Decision:
        skill = match.skill
        if match.rival is not None and not (skill.only_asks and match.rival.only_asks):
            said = Utterance.of(text)
            acting = [either for either in (skill, match.rival) if not either.only_asks]
            if not (said.is_wish and len(acting) == 1):  # who wishes for something wants it done
                self._either = (text, (skill, match.rival))
                return Say(speech.offer([skill, match.rival]))
            task = Task(acting[0], is_guess=True)
            task.take(fill(said, acting[0], {}, self._today))
            return self._advance(task)
        if match.rival is not None and skill.required and not match.rival.required:
            skill = match.rival  # no harm is done by answering with what needs no further question
        said = Utterance.of(text)
        is_guess = (match.score < CERTAIN and not skill.only_asks) or skill.needs_offer(said)
        is_guess = is_guess or (takes_back(said) and not skill.only_asks)
        task = Task(skill, is_guess=is_guess)
        last = self._done.get(skill.tool.name)
        if last is not None and said.has(*_AGAIN):
            return self._repeat(last, fill(said, skill, last.values, self._today, latest=last.latest))
        task.take(fill(said, skill, {}, self._today))
        return self._advance(task)

    def _chosen(self, text: str) -> Decision | None:
        """Hear which of two tools was meant; None when something else was said."""
        assert self._either is not None
        before, skills = self._either
        self._either = None
        said = Utterance.of(text)
        by_order = {"first": 0, "former": 0, "second": 1, "latter": 1}
        chosen = next((skills[place] for word, place in by_order.items() if said.has(word)), None)
        if chosen is None:
            match = Skills([skill.tool for skill in skills]).best_match(said, lambda skill: 0.0)
            if match is None or match.rival is not None:
                return None
            if not match.skill.is_named(said):  # a value that either could have says nothing of which is meant
                self._either = (f"{before} {text}", skills)
                return Say(speech.offer(skills))
            chosen = next(skill for skill in skills if skill.tool is match.skill.tool)
        task = Task(chosen)
        task.take(fill(Utterance.of(before), chosen, {}, self._today))
        task.take(fill(said, chosen, task.values, self._today))
        return self._advance(task)

    # --- a task under way ---------------------------------------------------------------------------------------------

    def _go_on(self, task: Task, said: Utterance) -> Decision:
        filled = fill(said, task.skill, task.values, self._today, asked=task.asked, latest=task.latest)
        task.take(filled)
        if takes_back(said):
            task.unsure = set(task.values)
        elif said.asks_to_know and not said.has(*_PROPOSALS):
            task.unsure |= set(filled.changed)
        if filled.changed:
            return self._advance(task)
        if yes_or_no(said) is False and said.has("thanks", "thank you"):
            return self._decline(task.skill)
        if (answer := small_talk.pleasantry(said)) is not None:
            return Say(f"{answer.partition('. ')[0].rstrip('.')}. {self._question(task)}")
        if said.has(*NO_ANSWERS):
            return self._miss(task, "I can't do it without that.")
        return self._miss(task)

    def _miss(self, task: Task, problem: str = speech.SORRY) -> Decision:
        task.misses += 1
        if task.misses >= MAX_MISSES:
            self._task = None
            return Say(f"{problem} Let's leave that. {speech.WHAT_ELSE}")
        return Say(f"{problem} {self._question(task)}")

    def _confirm(self, task: Task, said: Utterance) -> Decision:
        answered = yes_or_no(said)
        if task.is_guess and answered is None and self._orders(said, task.skill) and not takes_back(said):
            answered = True  # asked for in so many words
        if answered is False and task.is_guess:
            self._task = None
            return Say("All right. What can I do for you?")
        if answered is False and said.has("thanks", "thank you"):
            return self._decline(task.skill)
        guesses = set(task.unsure)
        sole = next(iter(guesses)) if len(guesses) == 1 and answered is None else None
        filled = fill(said, task.skill, task.values, self._today, asked=sole, latest=sorted(guesses))
        task.take(filled)
        if answered is True or filled.changed:
            if answered is not True and (task.is_guess or task.unsure or _beyond(said, task.skill)):
                # Nobody has said yes to the rest, or not all that was said was understood.
                task.unsure = set(task.values)
            elif answered is True:
                task.unsure = set(filled.unsure)
            elif sole is not None and (parameter := task.skill.parameter(sole)) and parameter.kind in ("place", "text"):
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
            return speech.offer([task.skill])
        missing = task.skill.parameter(task.asked)
        if task.confirming or missing is None or missing.name in task.values:
            unsure = [p.name for p in task.skill.parameters if p.name in task.unsure and p.name in task.values]
            return speech.confirmation(task.skill, task.values, unsure) if unsure else speech.offer([task.skill])
        return speech.question(missing)

    def _advance(self, task: Task, opening: str = "") -> Decision:
        """Ask for what is missing, then whether the guesses are right, then call the tool."""
        self._task = task
        if task.is_guess:
            task.confirming = True
            return Say(speech.offer([task.skill]))
        for parameter in task.skill.parameters:
            value = task.values.get(parameter.name)
            if isinstance(value, Several) and not task.skill.only_asks:
                del task.values[parameter.name]
                task.asked = parameter.name
                return Say(speech.either(parameter, value))
        while (missing := task.missing()) is not None:
            known = self._names.get(missing.name)
            if known is None or missing.name == task.asked:
                beside = missing.name == task.asked and not opening
                opening = speech.echo(task.skill, task.values, task.latest) if beside else opening
                task.asked = missing.name
                return Say(f"{opening} {speech.question(missing)}".strip())
            task.values[missing.name] = known
            task.unsure.add(missing.name)
        if unsure := [p.name for p in task.skill.parameters if p.name in task.unsure]:
            task.confirming = True
            return Say(f"{opening} {speech.confirmation(task.skill, task.values, unsure)}".strip())
        return self._call(task)

    def _call(self, task: Task) -> Call:
        self._task, self._last, self._last_asks = None, task, ""
        self._done[task.skill.tool.name] = task
        for parameter in task.skill.parameters:
            if parameter.is_of_caller and parameter.name in task.values:
                self._names[parameter.name] = task.values[parameter.name]
        names = list(task.values)
        each = [value.values if isinstance(value, Several) else (value,) for value in task.values.values()]
        sets = [joined(dict(zip(names, values, strict=True))) for values in product(*each)]
        return Call(task.skill.tool, tuple(sets[:MAX_CALLS]))

    # --- after a call -------------------------------------------------------------------------------------------------

    def result(self, tool_name: str, content: object, *, ok: bool, wrong: Sequence[str] = ()) -> str:
        """Say what came of a call.

        Args:
            wrong: the parameters whose values the tool refused; the first is asked for again.
        """
        last = self._last
        if ok:
            if content is None and self._farewell:
                return speech.GOODBYE
            asks = last is not None and last.skill.tool.name == tool_name and last.skill.only_asks
            text = speech.result(content, asks=asks)
            self._last_asks = text if text.endswith("?") else ""
            return text
        if last is not None and last.skill.tool.name == tool_name:
            again = next((p for p in last.skill.parameters if p.name.partition("\0")[0] in wrong), None)
            if again is not None and last.misses < MAX_MISSES:
                self._last = None
                self._task = last
                last.misses += 1
                last.values.pop(again.name, None)
                last.asked = again.name
                return f"{speech.SORRY} {speech.question(again)}"
        return speech.failure(content, tool_name)

    def resume(self, text: str) -> Say:
        """Return what is said after calls, and come back to what was asked before something else came between."""
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
            about = next((p for p in last.skill.parameters if p.spoken in self._last_asks.lower()), None)
            if answered and about is not None:
                task = Task(last.skill, {name: v for name, v in last.values.items() if name != about.name})
                return self._advance(task)
        filled = fill(said, last.skill, last.values, self._today, latest=last.latest)
        beyond = _beyond(said, last.skill)
        again = beyond and said.has(*_AGAIN)
        corrects = any(opening for _, _, opening in corrections(said))
        corrects = corrects or any(map(last.skill.is_undone_by, said.words))
        if not filled.changed or (beyond and not (again or corrects)):
            return None
        return self._repeat(last, filled, corrects=corrects)

    def _repeat(self, last: Task, filled: Filled, *, corrects: bool = False) -> Decision:
        """Do the last task again with what was said now; what else it holds is confirmed where a lot is at stake.

        Args:
            corrects: the caller takes something back, which a second call alone does not.
        """
        carried = [name for name in last.values if name not in filled.changed]
        task = Task(last.skill, filled.values, set(filled.unsure), latest=filled.changed)
        if not (last.skill.only_asks or self._last_asks or (len(carried) < 2 and not corrects)):
            task.unsure |= set(filled.values)
        only_again = corrects and last.skill.makes and not self._last_asks
        return self._advance(task, "I can't change that, but I can do it again." if only_again else "")


def _beyond(said: Utterance, skill: Skill) -> bool:
    """Tell whether a turn says more than the values that were read from it and the words of the tool."""
    own = {*skill.trigger, *skill.topic, *_FOLLOW_UP_WORDS}
    own.update(word for parameter in skill.parameters for word in parameter.nouns)
    return any(not any(likeness(said.words[at], word) > 0 for word in own) for at in said.meaningful())
