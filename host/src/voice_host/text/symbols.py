"""Symbols and abbreviations, spoken as a person would read them."""

from __future__ import annotations

import re

from voice_host.text.speaking import speak

_WORDS = {
    "&": "and",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "%": "percent",
    "§": "section",
    "°": "degrees",
    "×": "times",
    "÷": "divided by",
    "±": "plus or minus",
    "≈": "approximately",
    "≠": "is not",
    "≤": "at most",
    "≥": "at least",
    "→": "to",
    "²": "squared",
    "³": "cubed",
    "√": "the square root of",
    "$": "dollars",
    "€": "euros",
    "£": "pounds",
    "¥": "yen",
    "₹": "rupees",
    "|": ",",
}
_SYMBOL = re.compile("[" + re.escape("".join(_WORDS)) + "]")
_DROPPED = re.compile(r"[\[\]{}<>*_`~^#\\/¶†‡¬¦]+")

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[A-Za-z]{2,24}\b")
_DOMAIN = re.compile(
    r"(?<![\w.@-])(?:[A-Za-z0-9-]{1,63}\.){1,5}(?:com|org|net|edu|gov|info|dev|co\.uk|org\.uk)\b(?:/[^\s,;!?)]*)?"
)
_ADDRESS_CHARACTERS = {".": " dot ", "@": " at ", "_": " underscore ", "-": " dash ", "+": " plus "}
_ADDRESS_CHARACTER = re.compile(r"[.@_+-]")

_PER = re.compile(
    r"(?<=[\w.]) ?/ ?(?=(?:person|people|guest|night|day|week|month|year|hour|hr|h|min|kg|lb|unit|item)\b)"
)
_CONTEXTUAL = (
    (re.compile(r"\b[Aa]nd/or\b"), " and or "),
    (re.compile(r"\bw/o(?= )"), " without "),
    (re.compile(r"\bw/ ?(?=\w)"), " with "),
    (re.compile(r"(?<=[a-z])/(?=[a-z])"), " or "),
    (re.compile(r"(?<=\w) ?/ ?(?=\w)"), " slash "),
    (re.compile(r"#(?= ?\d)"), " number "),
    (re.compile(r"(?<=\b[A-G])#"), " sharp "),
    (re.compile(r"#(?=\w)"), " hashtag "),
    (re.compile(r"~(?= ?[\d$€£])"), " about "),
    (re.compile(r"(?<=\d) ?\* ?(?=\d)"), " times "),
    (re.compile(r"(?<=\d) ?\^ ?(?=\d)"), " to the power of "),
    (re.compile(r"(?<=[\w)]) ?<= ?(?=[\w(])"), " at most "),
    (re.compile(r"(?<=[\w)]) ?>= ?(?=[\w(])"), " at least "),
    (re.compile(r"(?<=[\w)]) ?(?:!=|=/=) ?(?=[\w(])"), " is not "),
    (re.compile(r"(?<=\w) ?[-=]> ?(?=\w)"), " to "),
    (re.compile(r"(?<=\w) < (?=\w)|(?<=\d)<(?=\d)|(?<!\S)<(?= ?\d)"), " less than "),
    (re.compile(r"(?<=\w) > (?=\w)|(?<=\d)>(?=\d)|(?<!\S)>(?= ?\d)"), " more than "),
    (re.compile(r"={2,}"), "="),
)
_ANY = re.compile(r"[^\w\s,.!?'\"()…;:’“”‘—–-]|_")

_TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Ms",
    "Dr": "Doctor",
    "Prof": "Professor",
    "St": "Saint",
    "Mt": "Mount",
}
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr|Prof|St|Mt)\.(?=\s{1,4}[A-Z])")
_STREETS = {"St": "Street", "Ave": "Avenue", "Rd": "Road", "Blvd": "Boulevard", "Dr": "Drive"}
_STREET = re.compile(r"(?<=[a-z] )(St|Ave|Rd|Blvd)\.(?!\s{1,4}[A-Z])")
_STREET_AFTER_NUMBER = re.compile(r"(\d{1,5} [A-Z][a-z]{1,30} )(St|Ave|Rd|Blvd|Dr)\b\.?")
_NUMBERING = {
    "no": "number",
    "nos": "numbers",
    "nr": "number",
    "ext": "extension",
    "apt": "apartment",
    "p": "page",
    "pp": "pages",
}
_NUMBERED = re.compile(r"\b(nos?|nr|ext|apt|pp?)\.\s?(?=\d)", re.IGNORECASE)
_SHORT_FORMS = {
    "e.g": "for example",
    "i.e": "that is",
    "etc": "et cetera",
    "vs": "versus",
    "approx": "approximately",
    "a.k.a": "also known as",
    "inc": "Incorporated",
    "ltd": "Limited",
    "corp": "Corporation",
    "jr": "Junior",
    "sr": "Senior",
    "dept": "department",
    "appt": "appointment",
    "incl": "including",
    "excl": "excluding",
}
_SHORT_FORM = re.compile(
    r"(?<![^\s(\"'“‘,;–—-])(e\.g|i\.e|a\.k\.a|"
    + "|".join(form for form in _SHORT_FORMS if "." not in form)
    + r")\.(?!\w)",
    re.IGNORECASE,
)
_MAY_CLOSE_SENTENCE = frozenset({"etc", "inc", "ltd", "corp", "jr", "sr"})
_SENTENCE_CLOSES = re.compile(r"[\"')”’]?(?:\s*\Z|\s+[A-Z\"“])")
_BARE_VERSUS = re.compile(r"(?<=\w )vs(?= \w)")


def say_abbreviations(text: str) -> str:
    """Write out titles, streets and the usual short forms."""
    text = speak(_STREET_AFTER_NUMBER, lambda match: match[1] + _street(match, match[2]), text)
    text = speak(_TITLE, lambda match: _TITLES[match[1]], text)
    text = speak(_STREET, lambda match: _street(match, match[1]), text)
    text = speak(_NUMBERED, lambda match: _NUMBERING[match[1].lower()] + " ", text)
    return _BARE_VERSUS.sub("versus", speak(_SHORT_FORM, _short_form, text))


def say_addresses(text: str) -> str:
    """Read e-mail addresses and the names of sites aloud: `info@example.com` -> `info at example dot com`."""
    text = speak(_EMAIL, _address, text) if "@" in text else text
    return speak(_DOMAIN, _address, text)


def say_symbols(text: str) -> str:
    """Put symbols into words and drop those without any. Digits must still be digits."""
    if not _ANY.search(text):
        return text
    text = _PER.sub(" per ", text)
    for pattern, words in _CONTEXTUAL:
        text = pattern.sub(words, text)
    text = _SYMBOL.sub(lambda match: f" {_WORDS[match.group()]} ", text)
    return _DROPPED.sub(" ", text)


def _address(match: re.Match[str]) -> str:
    host = match.group().partition("/")[0]
    return _ADDRESS_CHARACTER.sub(lambda character: _ADDRESS_CHARACTERS[character.group()], host).strip()


def _street(match: re.Match[str], short: str) -> str:
    closes = match[0].endswith(".") and _SENTENCE_CLOSES.match(match.string, match.end())
    return f"{_STREETS[short]}." if closes else _STREETS[short]


def _short_form(match: re.Match[str]) -> str:
    form = match[1].lower()
    words = _SHORT_FORMS[form]
    if match[1][0].isupper() and words.islower():
        words = words.capitalize()
    closes = form in _MAY_CLOSE_SENTENCE and _SENTENCE_CLOSES.match(match.string, match.end())
    return f"{words}." if closes else words
