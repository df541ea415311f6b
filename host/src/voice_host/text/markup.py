"""Takes out what is written but never said: markdown, code, addresses, pictographs, control characters."""

from __future__ import annotations

import re

# A line begins after a newline, or with the text: a clause from the middle of a line leads with a space instead.
_LINE = r"(?:\A|(?<=\n)[ \t]*)"

_ODD_SPACE = re.compile(r"[\r\v\f\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
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
_URL = re.compile(r"<?\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.)[^\s<>\"”»]+>?", re.IGNORECASE)
_AFTER_URL = ".,;:!?)]}*_~'\"’”"
_MAILTO = re.compile(r"\bmailto:", re.IGNORECASE)

_RULE = re.compile(rf"{_LINE}(?:[-*_=][ \t]*){{3,}}(?=\n|\Z)")
_TABLE_RULE = re.compile(rf"{_LINE}\|?[ \t]*:?-{{2,}}:?[ \t]*(?:\|[ \t]*:?-{{2,}}:?[ \t]*){{0,60}}\|?[ \t]*(?=\n|\Z)")
_LINE_MARKER = re.compile(
    rf"{_LINE}(?:(?:#{{1,6}}|>{{1,8}}|[-*+•‣▪◦–—])[ \t]+|\[[ xX]\][ \t]+|\d{{1,3}}[.)][ \t]+(?=[^\s\d]))+"
)
_QUOTE_MARKER = re.compile(rf"{_LINE}>{{1,8}}(?=\w)")
_HEADING_END = re.compile(r"(?<=\S)[ \t]+#{1,6}[ \t]*(?=\n|\Z)")
_CELL_EDGE = re.compile(r"(?:\A|(?<=\n))[ \t]*\|[ \t]*|(?<![ \t])[ \t]*\|[ \t]*(?=\n|\Z)")
_CELL = re.compile(r"(?<![ \t])[ \t]*\|[ \t]*")

_EMPHASIS = re.compile(r"\*{2,}|_{2,}|~{2,}|`+|(?<![\w\s*])\*|\*(?![\w\s*])|(?<!\S)\*(?=\S)|(?<=\S)\*(?!\S)")
_UNDERSCORE_EMPHASIS = re.compile(r"(?<!\w)_+|_+(?!\w)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|~>-])")

_PICTOGRAPH = re.compile(
    "["
    "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\u25a0-\u25ff\u2190\u2191\u2193-\u21ff\u2934\u2935"
    "\u3030\u303d\u3297\u3299\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f\U0001f1e6-\U0001f1ff©®™"
    "](?:[\u200d\ufe0f]+(?=[\U0001f000-\U0001faff\u2600-\u27bf]))?"
)
_KEYCAP = re.compile("([0-9#*])\ufe0f?\u20e3")
_MARKUP_CHARACTER = re.compile(r"[`*_#>\[\]<|~\\/:•‣▪◦=+-]|\d[.)]|www\.", re.IGNORECASE)


def strip_markup(text: str) -> str:
    """Return the words of `text` as they would be read aloud from the rendered page."""
    text = _CONTROL.sub("", _ODD_SPACE.sub(" ", text))
    text = _PICTOGRAPH.sub(" ", _KEYCAP.sub(r" \1 ", text))
    if not _MARKUP_CHARACTER.search(text):
        return text
    text = _FENCED.sub(" ", text)
    text = _strip_links(_ESCAPE.sub(r"\1", text))
    text = _RULE.sub("", _TABLE_RULE.sub("", text))
    text = _EMPHASIS.sub("", _LINE_MARKER.sub("", text))
    text = _LINE_MARKER.sub("", _QUOTE_MARKER.sub("", text))
    text = _HEADING_END.sub("", _UNDERSCORE_EMPHASIS.sub("", text))
    return _strip_cells(text)


def links_to_text(text: str) -> str:
    """Replace markdown links by their text, and drop images."""
    return _LINK.sub(r"\1", _IMAGE.sub("", text))


def _strip_links(text: str) -> str:
    text = links_to_text(text)
    text = _REFERENCE_LINK.sub(r"\1", _FOOTNOTE.sub("", text))
    text = _URL.sub(_punctuation_after, _MAILTO.sub("", text))
    return _COMMENT_OR_TAG.sub("", _LINE_BREAK_TAG.sub("\n", text))


def _punctuation_after(match: re.Match[str]) -> str:
    """The sentence's punctuation is not part of the address it follows."""
    address = match.group().rstrip(">")
    return address[len(address.rstrip(_AFTER_URL)) :]


def _strip_cells(text: str) -> str:
    return _CELL.sub(", ", _CELL_EDGE.sub("", text)) if "|" in text else text
