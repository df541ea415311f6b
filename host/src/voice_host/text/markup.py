"""Removing what is written but never spoken: markdown, code, link targets, pictographs, control characters."""

from __future__ import annotations

import re

from voice_host.text.traced import Traced

# A line begins after a newline, or with the text: a clause from the middle of a line leads with a space instead.
_LINE = r"(?:\A|(?<=\n)[ \t]*)"

NARROW_SPACE = "\u202f"
"""Stands for any no-break space between digits: it joins the groups of one number."""

_GROUP_SPACE = re.compile(r"(?<=\d)[\xa0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_ODD_SPACE = re.compile(
    r"[\r\v\f\x1c-\x1f\x85\u1680\u2000-\u200a\u2028\u2029\u205f\u3000]|[\xa0\u202f](?!\d{3}(?!\d))|(?<!\d)[\xa0\u202f]"
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

_FENCED = re.compile(r"(`{3,}|~{3,})[\s\S]*?(?:\1|\Z)")
_COMMENT_OR_TAG = re.compile(r"<(?:!--[^<>]{0,500}--|/?[A-Za-z][A-Za-z0-9-]{0,20}(?:\s[^<>]{0,500})?/?)>")
_LINE_BREAK_TAG = re.compile(r"<br ?/?>", re.IGNORECASE)
_IMAGE = re.compile(r"!\[[^\[\]]{0,500}\]\([^()\s]{0,2000}(?:\s[^()]{0,200})?\)")
_LINK = re.compile(r"\[([^\[\]]{0,500})\]\(<?[^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?(?:\s[^()]{0,200})?\)")
_REFERENCE_LINK = re.compile(r"\[([^\[\]]{1,500})\] ?\[[^\[\]]{0,100}\]")
_FOOTNOTE = re.compile(r"\[(?:\^[^\[\]\s]{1,50}|\d{1,3})\]:?")
_AUTOLINK = re.compile(r"<((?:[a-z][a-z0-9+.-]{1,15}://|mailto:|www\.)[^\s<>]{1,2000})>", re.IGNORECASE)

_RULE = re.compile(rf"{_LINE}(?:[-*_=][ \t]*){{3,}}(?=\n|\Z)")
_TABLE_RULE = re.compile(rf"{_LINE}\|?[ \t]*:?-{{2,}}:?[ \t]*(?:\|[ \t]*:?-{{2,}}:?[ \t]*){{0,60}}\|?[ \t]*(?=\n|\Z)")
_LINE_MARKER = re.compile(
    rf"{_LINE}(?:(?:#{{1,6}}|>{{1,8}}|[-*+•‣▪◦–—])[ \t]+|\[[ xX]\][ \t]+"
    r"|\d{1,3}(?:\.[ \t]+(?=[^\s\d])|\)[ \t]+(?=\S)))+"
)
_QUOTE_MARKER = re.compile(rf"{_LINE}>{{1,8}}(?=\w)")
_HEADING_END = re.compile(r"(?<=\S)[ \t]+#{1,6}[ \t]*(?=\n|\Z)")
_CELL_EDGE = re.compile(r"(?:\A|(?<=\n))[ \t]*\|[ \t]*|(?<![ \t])[ \t]*\|[ \t]*(?=\n|\Z)")
_CELL = re.compile(r"(?<![ \t])[ \t]*\|[ \t]*")

_EMPHASIS = re.compile(r"\*{2,}|_{2,}|~{2,}|`+|(?<![\w\s*])\*|\*(?![\w\s*])|(?<!\S)\*(?=\S)|(?<=\S)\*(?!\S)")
_UNDERSCORE_EMPHASIS = re.compile(r"(?<![\w@./])_+|_+(?!\w)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|~>-])")

_PICTOGRAPH = re.compile(
    "["
    "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u2500-\u25ff\u2190\u2191\u2193-\u21ff\u2934\u2935"
    "\u3030\u303d\u3297\u3299\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f\U0001f1e6-\U0001f1ff©®™"
    "](?:[\u200d\ufe0f]+(?=[\U0001f000-\U0001faff\u2600-\u27bf]))?"
)
_KEYCAP = re.compile("([0-9#*])\ufe0f?\u20e3")
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=]['’]?-?[()DPpoO/|\\]|<3)(?=[.,!?]?(?:\s|\Z))")
_MARKUP_CHARACTER = re.compile(r"[`*_#>\[\]<|~\\:;•‣▪◦=+-]|\d[.)]")
_UNUSUAL = re.compile(
    r"[^ -~\n¡-¨ª-¬°-ÿ–—‘’“”…]"
)  # neither a control character nor a space nor a pictograph is missing

_SPACES = re.compile(r"[ \t]{2,}|\t")
_AROUND_NEWLINE = re.compile(r" ?\n[\n ]*")
_BEFORE_PUNCTUATION = re.compile(r" (?=[,.;:!?…](?:\s|\Z))")
_EMPTY_BRACKETS = re.compile(r"\(\s?\)")
_COMMAS = re.compile(r",(?: ?,)+")
_LEADING_PUNCTUATION = re.compile(r"\A(\s*)(?:[,;:] ?)+")
_LEADING_SPACE = re.compile(r"\A\s+")
_MOST_PASSES = 4


def strip_markup(text: str) -> Traced:
    """Return the words of `text` as they would be read aloud from the rendered page."""
    traced = Traced(text)
    for _ in range(_MOST_PASSES):  # taking out one thing may bring forth another: `[[a](b)](c)`
        before = traced.text
        _strip(traced)
        if traced.text == before:
            break
        _tidy(traced)
        if not text[:1].isspace():
            traced.sub(_LEADING_SPACE, "")  # what stood at the beginning of the line is gone
    if traced.origin is not None:
        _keep_margins(traced, text)
    return traced


def _strip(text: Traced) -> None:
    if _UNUSUAL.search(text.text):
        text.sub(_GROUP_SPACE, NARROW_SPACE)
        text.sub(_ODD_SPACE, " ")
        text.sub(_CONTROL, "")
        text.sub(_KEYCAP, r" \1 ")
        text.sub(_PICTOGRAPH, " ")
    if not _MARKUP_CHARACTER.search(text.text):
        return
    text.sub(_FENCED, " ")
    text.sub(_ESCAPE, r"\1")
    text.sub(_EMOTICON, "")
    _strip_links(text)
    for rule in (_TABLE_RULE, _RULE, _LINE_MARKER, _EMPHASIS, _QUOTE_MARKER, _LINE_MARKER):
        text.sub(rule, "")
    text.sub(_UNDERSCORE_EMPHASIS, "")
    text.sub(_HEADING_END, "")
    if "|" in text.text:
        text.sub(_CELL_EDGE, "")
        text.sub(_CELL, ", ")


def _strip_links(text: Traced) -> None:
    if "[" in text.text:
        text.sub(_IMAGE, "")
        text.sub(_LINK, r"\1")
        text.sub(_FOOTNOTE, "")
        text.sub(_REFERENCE_LINK, r"\1")
    if "<" in text.text:
        text.sub(_AUTOLINK, r"\1")
        text.sub(_LINE_BREAK_TAG, "\n")
        text.sub(_COMMENT_OR_TAG, "")


def _keep_margins(text: Traced, written: str) -> None:
    """Put the white space back that was written before and after the words."""
    origin, core = text.origin or [], text.text.strip()
    if not core:
        text.text, text.origin = "", [len(written)]
        return
    begin = text.text.index(core)
    leading = len(written) - len(written.lstrip())
    trailing = len(written.rstrip())
    text.text = written[:leading] + core + written[trailing:]
    text.origin = [*range(leading), *origin[begin : begin + len(core)], *range(trailing, len(written) + 1)]


def links_to_text(text: str) -> str:
    """Replace markdown links by their text, and drop images."""
    return _LINK.sub(r"\1", _IMAGE.sub("", text))


def _tidy(text: Traced) -> None:
    """Close the gaps that removed text has left."""
    text.sub(_AROUND_NEWLINE, "\n")
    text.sub(_SPACES, " ")
    text.sub(_EMPTY_BRACKETS, "")
    text.sub(_SPACES, " ")
    text.sub(_BEFORE_PUNCTUATION, "")
    text.sub(_COMMAS, ",")
    text.sub(_LEADING_PUNCTUATION, r"\1")
