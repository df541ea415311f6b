"""Removes from a model's text what must not be spoken: its thoughts, and tool calls that it wrote as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voice_host.models.written_calls import WrittenCall, calls_in_block, calls_in_fence, leading_calls, may_be_call
from voice_host.plain_data import ends_with_high_surrogate, valid_unicode

_THOUGHT = "think|thinking|reasoning|thought|thoughts|reflection|scratchpad|antthinking|seed:think"
_CALL = "tool_call|tool_calls|function_call|function_calls|tool_code|tool_use"
_END_OF_THOUGHT = rf"</(?:{_THOUGHT})\s*>|(?-i:\[/THINK\])|◁/think▷|<\|end_of_thought\|>"

_OPENING = re.compile(
    rf"""
      (?P<thought><(?:{_THOUGHT})(?:\s[^<>]*)?>|(?-i:\[THINK\])|◁think▷|<\|begin_of_thought\|>)
    | (?P<close>{_END_OF_THOUGHT})
    | (?P<call><(?:{_CALL})(?:\s[^<>]*)?>|<\|tool_call\|>)
    | (?P<close_call></(?:{_CALL})\s*>)
    | (?P<details><details(?:\s[^<>]*)?>)
    | (?P<function><(?:function=|(?:function|invoke)\s+name=)[^<>]*>)
    | (?P<rest>\[TOOL_CALLS\]|<\|python_tag\|>|<｜tool▁calls▁begin｜>)
    | (?P<header><\|(?:channel|start)\|>)
    | (?P<token><\|/?\w{{1,40}}\|>)
    | (?P<fence>```)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Brackets are a tag in capitals alone: "[thinking]" is how some models write a gesture. A `header` is the beginning of
a message in OpenAI's harmony format, of which servers are to leave only the text; a `token` is any other one of a
template."""

_CLOSING = {
    "thought": re.compile(_END_OF_THOUGHT, re.IGNORECASE),
    "call": re.compile(rf"</(?:{_CALL})\s*>|<\|/tool_call\|>", re.IGNORECASE),
    "function": re.compile(r"</(?:function|invoke)\s*>", re.IGNORECASE),
    "details": re.compile(r"</details\s*>", re.IGNORECASE),
    "rest": re.compile(r"(?!)"),  # up to the end
    "header": re.compile(r"<\|message\|>", re.IGNORECASE),
    "message": re.compile(r"<\|(?:end|return|call)\|>|(?=<\|(?:start|channel)\|>)", re.IGNORECASE),
}
_KEPT = ("call", "function", "rest", "header")
"""The blocks whose content is read."""

_FINAL = re.compile(r"\bfinal\b|\A\s*(?:assistant)?\s*\Z", re.IGNORECASE)
"""The header of a message for the user. The others are thoughts, and tool calls that the server did not parse."""

_SUMMARY = re.compile(r"\s*<summary[^<>]*>([^<]*)</summary>", re.IGNORECASE)
_ABOUT_THOUGHTS = re.compile(r"think|thought|reason", re.IGNORECASE)

_NAMES = (*_THOUGHT.split("|"), *_CALL.split("|"), "details")
_BEGINNINGS = (
    *(f"<{name}" for name in _NAMES),
    *(f"</{name}" for name in _NAMES),
    "<function=",
    "<function name=",
    "<invoke name=",
    "</function",
    "</invoke",
    "[tool_calls]",
    "[think]",
    "[/think]",
    "◁think▷",
    "◁/think▷",
    "<｜tool▁calls▁begin｜>",
    "```",
)
_TOKEN = re.compile(r"<\|/?\w{0,40}\|?\Z")

_LONGEST_TAG = 200
"""Characters of a tag with its attributes. Anything longer is text."""

_LONGEST_SUMMARY = 300

LONGEST_UNMARKED = 20_000
"""Characters held back while the closing tag of a thought is awaited, some 5,000 tokens. A longer text is spoken."""

_MARKS = re.compile(r"[<\[`{◁]")

_NEEDS_NO_SPACE = frozenset(".,;:!?)]}…\"'’”")
"""Characters that follow a word without a space."""


@dataclass(slots=True)
class _Block:
    """A part of the text that is not spoken, and its content so far where that is needed."""

    kind: str
    body: str = ""


@dataclass(slots=True)
class ThinkingHabit:
    """How a model marks its thoughts, as seen in its responses.

    Attributes:
        unmarked: its last thought had a closing tag only. This happens where the chat template writes the opening tag
            and the server does not know about it.
    """

    unmarked: bool = False


class SpokenTextFilter:
    """Filters a text that arrives in pieces of any size, which may cut a tag in two.

    A block without an end goes on to the end of the text. A space keeps apart what stands before and after a block.
    Text before a closing tag that was never opened is a thought as well; the part that was returned already cannot be
    taken back. From then on the model's responses are held back up to that tag, until one comes without it. The halves
    of a surrogate pair are joined.

    Args:
        habit: shared by the responses of one model; None: nothing is known about it.

    Attributes:
        calls: the tool calls written into the text so far.
    """

    def __init__(self, habit: ThinkingHabit | None = None) -> None:
        self.calls: list[WrittenCall] = []
        self._habit = habit or ThinkingHabit()
        self._unmarked = self._habit.unmarked
        """Whether everything so far is treated as a thought."""
        self._has_thoughts = False
        self._held = ""
        """The end of the text so far, which may be the beginning of a tag."""
        self._block: _Block | None = None
        self._begun = False
        """Whether the text has begun. A tool call that is nothing but JSON stands at its beginning."""
        self._gap = False
        self._open_end = False
        """Whether the text returned last ends without a space."""

    def feed(self, piece: str) -> str:
        """Return the part of the next piece that is to be spoken; empty while the model thinks."""
        if self._unmarked:
            return self._feed_unmarked(piece)
        special = self._held or self._block or self._gap or not self._begun
        if not special and not _MARKS.search(piece) and not ends_with_high_surrogate(piece):  # nearly always
            self._open_end = not piece[-1:].isspace() if piece else self._open_end
            return valid_unicode(piece)
        text, self._held = self._held + piece, ""
        return self._read(text, last=False)

    def flush(self) -> str:
        """Return the text that was held back and is to be spoken: nothing, or something other than text, follows."""
        text, self._held = self._held, ""
        if self._unmarked:
            self._unmarked = self._habit.unmarked = False  # it was no thought
        said = self._read(text, last=True)
        if self._block is not None:
            self._end(self._block)
        return said

    def mark_gap(self) -> None:
        """Note that something other than text comes here, such as thoughts in a field of their own."""
        self._gap = True

    def _feed_unmarked(self, piece: str) -> str:
        searched = max(0, len(self._held) - _LONGEST_TAG)
        text = self._held = self._held + piece
        end = _CLOSING["thought"].search(text, searched)
        if end is None and len(text) <= LONGEST_UNMARKED:
            return ""
        self._held, self._unmarked, self._has_thoughts = "", False, True
        self._habit.unmarked = end is not None
        return self._read(text if end is None else text[end.end() :], last=False)

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read(self, text: str, *, last: bool) -> str:
        said: list[str] = []
        while text:
            if self._block is not None:
                text = self._in_block(self._block, text, last=last)
            elif not self._begun and text.lstrip()[:1] in ("{", "["):
                text = self._in_json(text, said, last=last)
            elif (mark := _OPENING.search(text)) is not None:
                text = self._at(mark, text, said, last=last)
            else:
                start = len(text) if last else _possible_mark(text)
                said.append(self._joined(text[:start]))
                self._held, text = text[start:], ""
        return "".join(said)

    def _in_block(self, block: _Block, text: str, *, last: bool) -> str:
        """Return the text after the block; nothing while it goes on."""
        end = _CLOSING[block.kind].search(text)
        if end is None:
            start = len(text) if last else _possible_mark(text)
            text, self._held = text[:start], text[start:]
        if block.kind in _KEPT:
            block.body += text[: end.start()] if end is not None else text
        if end is None:
            return ""
        self._block = None
        self._end(block)
        return text[end.end() :]

    def _end(self, block: _Block) -> None:
        if block.kind == "header":
            if not _FINAL.search(block.body):
                self._open("message")
        elif block.kind in _KEPT:
            self.calls += calls_in_block(block.body)
            block.body = ""

    def _at(self, mark: re.Match[str], text: str, said: list[str], *, last: bool) -> str:
        """Add the text before a mark to `said`, open the block that it begins, and return the text after it."""
        before, after = text[: mark.start()], text[mark.end() :]
        kind = str(mark.lastgroup)
        if mark["close"]:
            said.clear()  # everything so far was a thought
            self._gap = True
            self._habit.unmarked = self._habit.unmarked or not self._has_thoughts
            self._has_thoughts = True
            return after
        said.append(self._joined(before))
        if mark["close_call"] or mark["token"]:
            self._gap = True
        elif kind == "fence":
            return self._at_fence(after, said, last=last)
        elif mark["details"]:
            return self._at_details(mark[0], after, said, last=last)
        else:
            self._open(kind)
            if mark["function"] and self._block is not None:
                self._block.body = mark[0]
        return after

    def _open(self, kind: str) -> None:
        self._block = _Block(kind)
        self._gap = True
        self._has_thoughts = self._has_thoughts or kind == "thought"

    def _at_details(self, tag: str, after: str, said: list[str], *, last: bool) -> str:
        if (summary := _SUMMARY.match(after)) is not None:
            if _ABOUT_THOUGHTS.search(summary[1]):
                self._open("details")
            else:
                said.append(self._joined(tag))
            return after
        if last or len(after) > _LONGEST_SUMMARY or after.lstrip()[:1] not in ("", "<"):
            said.append(self._joined(tag))
            return after
        self._held = tag + after
        return ""

    def _at_fence(self, after: str, said: list[str], *, last: bool) -> str:
        body, closed, beyond = after.partition("```")
        if closed or last:
            if found := calls_in_fence(body):
                self.calls += found
                self._gap = self._begun = True
            else:
                said.append(self._joined(f"```{body}{closed}"))
            return beyond
        if _may_be_fenced_call(body):
            self._held = "```" + after
            return ""
        said.append(self._joined("```"))
        return after

    def _in_json(self, text: str, said: list[str], *, last: bool) -> str:
        """Read a text that begins like a tool call, with nothing but JSON."""
        if may_be_call(text):
            found, rest = leading_calls(text)
            if found:
                self.calls += found
                self._gap = self._begun = True
                return rest
            if not last:
                self._held = text
                return ""
        self._begun = True
        return text

    def _joined(self, text: str) -> str:
        if not text:
            return ""
        self._begun = self._begun or not text.isspace()
        if self._gap and self._open_end and not text[0].isspace() and text[0] not in _NEEDS_NO_SPACE:
            text = f" {text}"
        self._gap = False
        self._open_end = not text[-1].isspace()
        return valid_unicode(text)


def _possible_mark(text: str) -> int:
    """Return where the end of a text may be the beginning of a mark, or the first half of a surrogate pair."""
    fence = len(text.rstrip("`")) if text.endswith("`") else -1
    start = max(text.rfind("<"), text.rfind("["), text.rfind("◁"), fence)
    if start >= 0 and len(text) - start <= _LONGEST_TAG:
        tail = text[start:].lower()
        if _TOKEN.match(tail):
            return start
        for name in _BEGINNINGS:
            if name.startswith(tail) or (tail.startswith(name) and (name[-1] == "=" or tail[len(name)].isspace())):
                return start
    return len(text) - 1 if ends_with_high_surrogate(text) else len(text)


def _may_be_fenced_call(body: str) -> bool:
    language, newline, inner = body.partition("\n")
    if not newline:
        return len(language) < 20 or may_be_call(language)
    return may_be_call(inner)


def without_thoughts(text: str) -> str:
    """Return a complete text without thoughts and tool calls."""
    spoken = SpokenTextFilter()
    return spoken.feed(text) + spoken.flush()
