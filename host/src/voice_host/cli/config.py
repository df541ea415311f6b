"""`voice-host config`: the resolved settings."""

from __future__ import annotations

import json

from voice_host.cli.output import ConfigOption, JsonOption, print_json, print_table, settings_or_exit
from voice_host.cli.phone_check import say_phone_problems
from voice_host.phone.checking import check_phone
from voice_host.settings import list_settings


def config(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show every setting, its value and where it came from. Secrets are redacted.

    Examples:

    `voice-host config`

    `VOICE_HOST_SERVER__PORT=9000 voice-host config --config production.toml --json`
    """
    settings = settings_or_exit(config)
    entries = list_settings(settings)
    if as_json:
        print_json(
            {
                "file": str(settings.path) if settings.path else None,
                "settings": [
                    {
                        "key": entry.key,
                        "value": entry.value,
                        "origin": entry.came_from.kind,
                        "source": entry.came_from.source or None,
                        "reference": entry.came_from.reference or None,
                    }
                    for entry in entries
                ],
            }
        )
    else:
        print_table(
            ["key", "value", "from"], ([entry.key, _text(entry.value), str(entry.came_from)] for entry in entries)
        )
    say_phone_problems(check_phone(settings))


def _text(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
