"""Text that can be encoded."""

from __future__ import annotations


def valid_unicode(text: str) -> str:
    """Return text with the halves of surrogate pairs put together, and U+FFFD for each that has no other half.

    Half a pair cannot be sent to anybody: a request, or a history, that holds one fails for ever. JSON can hold it, and
    services that cut their text by UTF-16 units send an emoji in two halves.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def ends_with_high_surrogate(text: str) -> bool:
    """Whether the other half of a surrogate pair may follow."""
    return text[-1:] >= "\ud800" and text[-1:] <= "\udbff"
