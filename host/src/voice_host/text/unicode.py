"""Valid Unicode: text from elsewhere that can be encoded."""

from __future__ import annotations


def valid_unicode(text: str) -> str:
    """Return text with split surrogate pairs joined, and U+FFFD for each lone surrogate.

    A lone surrogate cannot be encoded: every request with it, or with a history that holds it, fails. They come from
    JSON, and from services that split an emoji between its UTF-16 units.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def ends_with_high_surrogate(text: str) -> bool:
    """Return whether the text ends with the first half of a surrogate pair."""
    return text[-1:] >= "\ud800" and text[-1:] <= "\udbff"
