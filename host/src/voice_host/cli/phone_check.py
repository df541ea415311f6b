"""What `voice-host check` and `config` print about `[phone]`."""

from __future__ import annotations

from typing import Any

from voice_host.cli.output import print_line, say_error, say_warning
from voice_host.phone.checking import PhoneCheck


def print_phone(found: PhoneCheck) -> None:
    """Print the outcome, with the addresses to enter at the carriers, each in a line of its own."""
    if found.empty:
        return
    print_line("")
    for webhook, address in found.webhooks:
        print_line(f"Enter at {webhook.carrier.capitalize()}, {webhook.where}\n  {address}")
    if found.note:
        print_line(found.note)
    say_phone_problems(found)


def say_phone_problems(found: PhoneCheck) -> None:
    """Print problems and warnings to stderr."""
    for problem in found.problems:
        say_error(problem)
    for warning in found.warnings:
        say_warning(warning)


def phone_as_data(found: PhoneCheck) -> dict[str, Any]:
    """Return the outcome as an entry of the list that `voice-host check --json` prints."""
    fields = ("distribution", "version", "phase", "import_ms", "hint", "where")
    return dict.fromkeys(fields) | {
        "id": "phone",
        "kind": "phone",
        "status": "broken" if found.problems else "ok",
        "error": "; ".join(found.problems) or None,
        "warnings": list(found.warnings),
        "webhooks": [{"carrier": webhook.carrier, "address": address} for webhook, address in found.webhooks],
        "note": found.note,
    }
