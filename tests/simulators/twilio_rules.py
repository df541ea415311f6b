"""What Twilio refuses: frames of a media stream, TwiML, and REST requests."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

MAX_BUFFERED_S = 600.0
MAX_NAME_CHARS = 256


class Refused(Exception):
    """What Twilio does not accept, with the code of its error log."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code} {why}")
        self.code = code


def signature(token: str, url: str, fields: Sequence[tuple[str, str]] = (), digest: str = "sha1") -> str:
    """Sign a request as Twilio documents it."""
    text = url
    for name in sorted({name for name, _ in fields}):
        for value in sorted({value for each, value in fields if each == name}):
            text += name + value
    return base64.b64encode(hmac.new(token.encode(), text.encode(), getattr(hashlib, digest)).digest()).decode()


# --- frames -----------------------------------------------------------------------------------------------------------


def parsed(frame: str | bytes, stream_sid: str) -> tuple[str, Any]:
    """Return the event of a frame, and the audio or the name of the mark.

    Raises:
        Refused: Twilio would not accept it.
    """
    if isinstance(frame, bytes):
        raise Refused(31950, "binary frames are not supported")
    try:
        message = json.loads(frame)
    except ValueError:
        raise Refused(31924, "this is not JSON") from None
    if not isinstance(message, dict):
        raise Refused(31924, "this is not an object")
    event = message.pop("event", None)
    if message.pop("streamSid", None) != stream_sid:
        raise Refused(31924, "wrong streamSid")
    match event, message:
        case "media", {"media": {"payload": str(payload), **more_media}, **more} if not (more or more_media):
            return "media", _audio(payload)
        case "mark", {"mark": {"name": str(name), **more_mark}, **more} if not (more or more_mark):
            if not 0 < len(name) <= MAX_NAME_CHARS:
                raise Refused(31924, "a mark needs a name")
            return "mark", name
        case "clear", {**more} if not more:
            return "clear", None
    raise Refused(31924, f"unknown or malformed event {event!r}")


def _audio(payload: str) -> bytes:
    try:
        audio = base64.b64decode(payload, validate=True)
    except binascii.Error:
        raise Refused(31924, "the payload is not Base64") from None
    if not audio:
        raise Refused(31924, "the payload is empty")
    if audio.startswith(b"RIFF"):
        raise Refused(31924, "the payload has the header of a file")
    return audio


# --- TwiML ------------------------------------------------------------------------------------------------------------

Verb = tuple[str, dict[str, str], str]
"""The name, the attributes, and the text; of `Connect`, those of its `Stream`."""

_ATTRIBUTES = {
    "Say": {"language", "voice", "loop"},
    "Play": {"loop", "digits"},
    "Hangup": set(),
    "Redirect": {"method"},
    "Dial": {"callerId", "timeout"},
    "Stream": {"url", "name", "statusCallback", "statusCallbackMethod"},
}


def verbs(xml: str) -> list[Verb]:
    """Return what a TwiML document says to do.

    Raises:
        Refused: it is not valid.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise Refused(12100, f"not XML: {error}") from None
    if root.tag != "Response":
        raise Refused(12100, f"the root is {root.tag}")
    return [_verb(each) for each in root]


def _verb(element: ElementTree.Element) -> Verb:
    if element.tag == "Connect":
        [stream] = element
        if stream.tag != "Stream" or element.attrib:
            raise Refused(12200, f"Connect with {stream.tag}")
        _check(stream)
        url = stream.attrib["url"]
        if urlsplit(url).scheme != "wss":
            raise Refused(31901, f"a stream needs wss: {url}")
        return "Connect", {**stream.attrib, "url": url.partition("?")[0]}, ""  # a query is lost
    _check(element)
    children = list(element)
    if element.tag == "Dial" and len(children) == 1 and children[0].tag == "Sip":
        return "Dial", element.attrib, children[0].text or ""
    if children:
        raise Refused(12200, f"{element.tag} with {children[0].tag}")
    return element.tag, element.attrib, element.text or ""


def _check(element: ElementTree.Element) -> None:
    known = _ATTRIBUTES.get(element.tag)
    if known is None or not element.attrib.keys() <= known:
        raise Refused(12200, f"{element.tag} {element.attrib}")


# --- REST -------------------------------------------------------------------------------------------------------------

UPDATES = {"Status", "Twiml", "Url", "Method"}
CREATES = {
    "To",
    "From",
    "Twiml",
    "Url",
    "Timeout",
    "TimeLimit",
    "StatusCallback",
    "StatusCallbackEvent",
    "MachineDetection",
    "AsyncAmd",
    "AsyncAmdStatusCallback",
}
VALUES = {
    "Timeout": r"\d{1,3}",
    "TimeLimit": r"\d{1,5}",
    "StatusCallback": r"https://\S+",
    "StatusCallbackEvent": "initiated|ringing|answered|completed",
    "MachineDetection": "Enable|DetectMessageEnd",
    "AsyncAmd": "true|false",
    "AsyncAmdStatusCallback": r"https://\S+",
}
_E164 = re.compile(r"\+[1-9]\d{1,14}")


def why_not_updated(fields: Sequence[tuple[str, str]]) -> tuple[int, str] | None:
    """Return code and message if an update of a call is refused."""
    names = [name for name, _ in fields]
    if not names or set(names) - UPDATES or len(names) != len(set(names)):
        return 20001, f"invalid parameters: {names}"
    given = dict(fields)
    if "Status" in given and given["Status"] not in ("completed", "canceled"):
        return 21218, "invalid status"
    if "Twiml" in given:
        try:
            verbs(given["Twiml"])
        except Refused as error:
            return 21218, str(error)
    return None


def why_not_created(fields: Sequence[tuple[str, str]], numbers: set[str]) -> tuple[int, str] | None:
    """Return code and message if a new call is refused."""
    given = dict(fields)
    if given.keys() - CREATES:
        return 20001, f"invalid parameters: {sorted(given.keys() - CREATES)}"
    if _E164.fullmatch(given.get("To", "")) is None:
        return 21211, "the 'To' number is not a valid phone number"
    if given.get("From") not in numbers:
        return 21210, f"the number {given.get('From')} is not verified for this account"
    for name, value in fields:
        if (allowed := VALUES.get(name)) is not None and re.fullmatch(allowed, value) is None:
            return 20001, f"invalid {name}: {value}"
    if not 5 <= int(given.get("Timeout", 60)) <= 600 or not 0 < int(given.get("TimeLimit", 14400)) <= 14400:
        return 20001, "invalid Timeout or TimeLimit"
    if ("Twiml" in given) == ("Url" in given):
        return 21205, "either Url or Twiml is required"
    if "Twiml" in given:
        try:
            verbs(given["Twiml"])
        except Refused as error:
            return 12100, str(error)
    return None
