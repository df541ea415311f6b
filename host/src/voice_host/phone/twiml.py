"""TwiML: what Twilio is told to do with a call. No I/O."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from voice_host.phone.carrier import Sentence

CONTENT_TYPE = "text/xml"


def connect(stream_url: str, next_url: str, status_url: str) -> str:
    """Connect the call to a media stream. After the stream has ended, Twilio asks `next_url` what comes next.

    Args:
        stream_url: of the stream. Twilio drops a query.
        next_url: answers with `TwiML`, too.
        status_url: where the stream's beginning, end and errors are reported.
    """
    stream = f"<Stream url={quoteattr(stream_url)} statusCallback={quoteattr(status_url)}/>"
    return _response(f"<Connect>{stream}</Connect><Redirect method={quoteattr('POST')}>{escape(next_url)}</Redirect>")


def say_and_hang_up(sentence: Sentence) -> str:
    """Tell the caller a sentence, and hang up."""
    if sentence.audio_url is not None:
        return _response(f"<Play>{escape(sentence.audio_url)}</Play><Hangup/>")
    return _response(f"<Say language={quoteattr(sentence.language)}>{escape(sentence.text)}</Say><Hangup/>")


def hang_up() -> str:
    """Hang up."""
    return _response("<Hangup/>")


def dial(to: str) -> str:
    """Connect the caller to another number or SIP address, and hang up when that call is over."""
    whom = f"<Sip>{escape(to)}</Sip>" if to.startswith(("sip:", "sips:")) else escape(to)
    return _response(f"<Dial>{whom}</Dial>")


def _response(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
