"""Abbreviations: what each stands for, and whether a sentence may end with it.

One table serves the wording and the cutting of clauses.
"""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


TITLES = {
    **{"mr": "Mister", "mrs": "Missus", "ms": "Ms", "mx": "Mix", "dr": "Doctor", "prof": "Professor", "st": "Saint"},
    **{"mt": "Mount", "ft": "Fort", "rev": "Reverend", "hon": "Honorable", "pres": "President", "gov": "Governor"},
    **{"sen": "Senator", "rep": "Representative", "gen": "General", "col": "Colonel", "maj": "Major"},
    **{"capt": "Captain", "cpt": "Captain", "lt": "Lieutenant", "sgt": "Sergeant", "adm": "Admiral"},
}
"""Before a name."""

STREETS = {
    **{"st": "Street", "ave": "Avenue", "rd": "Road", "blvd": "Boulevard", "dr": "Drive", "ln": "Lane", "ct": "Court"},
    **{"pl": "Place", "sq": "Square", "hwy": "Highway", "pkwy": "Parkway", "ter": "Terrace"},
}
"""After a name."""

NUMBERING = {
    **{"no": "number", "nos": "numbers", "nr": "number", "ext": "extension", "apt": "apartment", "p": "page"},
    **{"pp": "pages", "fig": "figure", "figs": "figures", "vol": "volume", "vols": "volumes", "ch": "chapter"},
    **{"sec": "section", "art": "article", "para": "paragraph", "eq": "equation", "rm": "room", "ste": "suite"},
    **{"bldg": "building", "tel": "telephone", "max": "maximum", "min": "minimum", "est": "established"},
    **{"ca": "about", "approx": "approximately", "bef": "before", "temp": "temperature", "qty": "quantity"},
    **{"int": "interstate", "hwy": "highway", "rte": "route", "flr": "floor", "pt": "part", "ep": "episode"},
}
"""With a full stop, before a number."""

LOWER_CASE_ONLY = frozenset({"p", "pp", "c"})
"""Of those: as capitals they are initials, as in `Civ. P.`"""

SHORT_FORMS = {
    **{"e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus", "approx": "approximately"},
    **{"a.k.a": "also known as", "inc": "Incorporated", "ltd": "Limited", "corp": "Corporation", "jr": "Junior"},
    **{"sr": "Senior", "dept": "department", "appt": "appointment", "incl": "including", "excl": "excluding"},
    **{"govt": "government", "esp": "especially", "misc": "miscellaneous", "bros": "Brothers", "resp": "respectively"},
    **{"cf": "compare", "viz": "namely", "w.r.t": "with respect to"},
}
"""With a full stop, anywhere."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SHORT_MONTHS = {**{month[:3].lower(): month for month in MONTHS}, "sept": "September"}

WEEKDAYS = {
    **{"mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "thu": "Thursday"},
    **{"thur": "Thursday", "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday"},
}

NEVER_LAST = (
    *(title for title in TITLES),
    *(
        "messrs",
        "mme",
        "mlle",
        "e.g",
        "i.e",
        "eg",
        "ie",
        "vs",
        "cf",
        "viz",
        "approx",
        "ca",
        "resp",
        "incl",
        "excl",
        "esp",
    ),
)
"""Followed by what they belong to: no clause ends with them. A single letter is another."""

LAST_UNLESS_NUMBERED = (
    *(short for short in NUMBERING if short not in ("approx", "ca")),
    "rs",
)
"""`No. 5`, but `No. That is wrong.`"""

MAY_BE_LAST = (
    *("etc", "inc", "ltd", "corp", "co", "bros", "jr", "sr", "esq", "al", "dept", "govt", "misc"),
    *(street for street in STREETS if street not in TITLES),
    "ph.d",
)
"""The next word decides."""

STAY_AT_SENTENCE_END = frozenset({"etc", "inc", "ltd", "corp", "jr", "sr", "bros", "dept", "govt", "misc"})
"""The stop of these is the sentence's too."""

SLASHED = {
    **{"and/or": "and or", "w/o": "without", "w/": "with", "c/o": "care of", "b/c": "because", "n/a": "not applicable"},
}

FIXED = {
    **{"24/7": "twenty-four seven", "24/7/365": "twenty-four seven three sixty-five", "9/11": "nine eleven"},
    **{"401(k)": "four oh one K", "401k": "four oh one K", "9-1-1": "nine one one"},
}
"""Abbreviations with a reading of their own."""
