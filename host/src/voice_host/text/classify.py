"""Finds the spans of a text that are not spoken as they are written, and how each is spoken.

One scan looks for the beginnings of such spans. At each one the rules of its class are tried in order, and the first
that matches decides. A rule sees the text before, including what was already spoken, and a bounded part of the text
after: the work is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from voice_host.text import abbreviations, addresses, dates, money, naming, quantities, symbols, telephones
from voice_host.text.currencies import SIGN_CHARACTERS
from voice_host.text.lexicon import NUMBERING, SHORT_FORMS, SHORT_MONTHS, STREETS, TITLES, WEEKDAYS
from voice_host.text.spans import Kind, Reading, Span

Rule = Callable[[str, int], Reading | None]

_VULGAR = "".join(quantities.VULGAR)
_SIGNS = re.escape(SIGN_CHARACTERS)
_DAY_OR_MONTH = "Jan|Feb|Mar|Apr|May|Ju[nl]|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_STREETS_AND_TITLES = "Mrs?|Prof|St|Ave|Rd|Blvd|Dr|Ln|Ct|Pl|Sq|Hwy|Pkwy|Ter"
_LETTER = rf"[^\W\d_{_VULGAR}⁰¹²³⁴-⁹₀-₉]"
_CODES = "usd|eur|gbp|jpy|inr|chf|cad|aud"

_NOT_PLAIN = rf"(?:(?:{_DAY_OR_MONTH})[a-z]{{0,6}}|{_STREETS_AND_TITLES}|[A-Z]{{3}}|Rs|RM|Rp|S?Fr)\b"
_SMALL = rf"(?:vs|{_CODES})\b"
# Words of plain prose, which are passed at once.
_PROSE = re.compile(
    rf"(?:(?!{_NOT_PLAIN}|{_SMALL}){_LETTER}(?:{_LETTER}|['’])*+"
    r"(?=[\s,!?;…—)\"”]|:\s|\Z)[\s,!?;…:—)\"“”]*+)++"
)
# Such words, each followed by another: "May" must wait, "5" may follow and make it a date.
PLAIN_WORDS = re.compile(rf"(?:\s*(?:(?!{_SMALL})[a-z'][a-z']*|(?!{_NOT_PLAIN})[A-Z][a-z']+|I|A),?(?=\s+[A-Za-z]))+")
_BEGINNING = re.compile(
    rf"""
    (?P<number> [\d{_VULGAR}] | (?<![\w.])\.(?=\d) | (?<!\w)['’](?=\d{{2}}s\b) )
  | (?<![^\W\d])(?<!@) (?:
        [A-Za-z]{{1,64}}+ (?:
            (?P<dotted>
                \.(?=\w) | (?:-[A-Za-z0-9]{{1,40}}){{1,5}}(?:\.(?=\w)|@) | [+_][\w.+-]{{0,60}}[.@] | @\w | :(?=[/\w:])
            )
          | (?P<stopped> \. )
          | (?P<numbered> -?[\d₀-₉] )
          | (?P<slashed> / )
        )
      | (?P<capital> (?=[A-Z]) (?:
            (?:{_DAY_OR_MONTH})[a-z]{{0,6}}\b
          | (?:{_STREETS_AND_TITLES})\b
          | (?:[A-Z]{{3}}|Rs|RM|Rp|S?Fr)\ \.?\d
          | (?:UTC|GMT)\s?[+−–-]\s?\d
        ) )
      | (?P<small> vs\b | (?:{_CODES})\ \.?\d )
    )
  | (?P<parenthesis> \((?=\d) )
  | (?P<plus> \+(?=\d) )
  | (?P<section> § )
  | (?P<handle> (?<![\w@])@(?=\w) )
  | (?P<money> [{_SIGNS}] | (?<!\w)[A-Z]{{1,2}}\$ )
  | (?P<symbol> [{re.escape(symbols.CHARACTERS)}⁰¹²³⁴-⁹⁺⁻₀-₉−] | -(?=[.\d>{_SIGNS}]) | !(?==) )
    """,
    re.VERBOSE,
)
_OTHER = re.compile(r"[A-Za-z]++|[\s\S]\s*+")

_NUMBER_RULES: tuple[Rule, ...] = (
    quantities.fixed,
    dates.numeric_date,
    naming.network_address,
    dates.time_of_day,
    naming.card_or_chain,
    telephones.telephone,
    addresses.address,
    dates.written_decade,
    money.amount_first,
    quantities.duration,
    quantities.measure,
    naming.digits_that_name,
    quantities.written_ordinal,
    dates.year_number,
    quantities.shares,
    quantities.fraction_or_score,
    quantities.ratio,
    naming.version,
)
_JOINED_RULES: tuple[Rule, ...] = (
    addresses.address,
    money.currency_first,
    dates.utc_offset,
    naming.network_address,
    naming.version,
    naming.code,
    abbreviations.abbreviation,
)
_RULES: dict[str, tuple[Rule, ...]] = {
    "number": _NUMBER_RULES,
    "dotted": _JOINED_RULES,
    "stopped": (dates.month_date, dates.weekday, money.currency_first, abbreviations.abbreviation),
    "numbered": _JOINED_RULES,
    "slashed": (addresses.address, abbreviations.slashed, dates.weekday),
    "capital": (
        dates.month_date,
        dates.weekday,
        abbreviations.abbreviation,
        money.currency_first,
        dates.utc_offset,
    ),
    "small": (abbreviations.abbreviation, money.currency_first),
    "parenthesis": (telephones.telephone,),
    "plus": (telephones.telephone, symbols.symbol),
    "section": (abbreviations.sections,),
    "handle": (addresses.handle, symbols.symbol),
    "money": (money.currency_first, symbols.symbol),
    "symbol": (symbols.symbol,),
}
_STOPPED = frozenset({*TITLES, *NUMBERING, *SHORT_FORMS, *STREETS, *SHORT_MONTHS, *WEEKDAYS, "rs", "fr", "sfr"})

_DASH = re.compile(r"( ?)[-–—]( ?)(?=[\w.$€£¥₹])")
_BY = re.compile(r" ?[x×] ?(?=\d)")
_RANGED = frozenset(
    {
        Kind.CARDINAL,
        Kind.TIME,
        Kind.MONEY,
        Kind.MEASURE,
        Kind.YEAR,
        Kind.FRACTION,
        Kind.ORDINAL,
        Kind.DATE,
        Kind.WEEKDAY,
        Kind.NAME,
    }
)
_EQUALS = re.compile(r"[^=]{0,12} ?=")


def _next(text: str, position: int) -> re.Match[str] | None:
    """Find what may begin a span that is worded."""
    while position < len(text):
        if prose := _PROSE.match(text, position):
            position = prose.end()
            continue
        if match := _BEGINNING.match(text, position):
            return match
        position = _after(text, position)
    return None


def _after(text: str, position: int) -> int:
    """Return where to continue after a word or character that begins no span."""
    match = _OTHER.match(text, position)
    return match.end() if match else position + 1


def classify(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Divide `text[start:end]` into spans: those with words of their own, and the plain text between them.

    The text before and after it is still taken into account.
    """
    end = len(text) if end is None else end
    spans: list[Span] = []
    plain = position = start
    ranged = False  # the span that ends at `position` is the end of a range already
    while (match := _next(text, position)) and (at := match.start()) < end:
        if match.lastgroup == "stopped" and match.group()[:-1].lower() not in _STOPPED:
            position = match.end()  # the last word of a sentence
            continue
        reading = _read(text, at, match.lastgroup or "", end)
        if reading is None:
            position = _after(text, at)
            continue
        if at > plain:
            spans.append(Span(plain, at, text[plain:at], Kind.PLAIN))
            ranged = False
        spans.append(Span(at, reading.end, reading.spoken, reading.kind))
        plain = position = reading.end
        if reading.kind in _RANGED:
            joint = None if ranged else _joint(text, reading, end)
            ranged = joint is not None and joint.spoken != "by"
            if joint is not None:
                spans.append(Span(position, joint.end, joint.spoken, joint.kind))
                plain = position = joint.end
    if plain < end:
        spans.append(Span(plain, end, text[plain:end], Kind.PLAIN))
    return spans


def _read(text: str, at: int, group: str, end: int) -> Reading | None:
    for rule in _RULES[group]:
        if (reading := _within(rule, text, at, end)) is not None:
            return reading if reading.kind is not Kind.PLAIN else None
    if group != "number":
        return None
    code = _within(naming.code, text, at, end)
    scale = _within(quantities.bare_number, text, at, end)
    return code if scale is None or (code is not None and scale.end < code.end) else scale


def _within(rule: Rule, text: str, at: int, end: int) -> Reading | None:
    """Apply a rule so that what it reads ends at `end` at the latest."""
    reading = rule(text, at)
    return reading if reading is None or reading.end <= end else rule(text[:end], at)


def _joint(text: str, reading: Reading, end: int) -> Reading | None:
    """What joins this amount or day with the next one: `to` or `by`."""
    if (match := _BY.match(text, reading.end)) and match.end() < end:
        return Reading(match.end(), "by", Kind.RANGE)
    match = _DASH.match(text, reading.end)
    if match is None or match.end() >= end or (found := _BEGINNING.match(text, match.end())) is None:
        return None
    following = _read(text, match.end(), found.lastgroup or "", end)
    if following is None or following.kind not in _RANGED:
        return None
    if match[1] and match[2] and following.kind is not reading.kind and Kind.TIME not in (reading.kind, following.kind):
        return None
    if match[1] and _EQUALS.match(text, following.end):
        return Reading(match.end(), "minus", Kind.SYMBOL)
    return Reading(match.end(), "to", Kind.RANGE)
