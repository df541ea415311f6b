"""The secret that signs call tokens: from the settings, or generated once and stored beside the key file."""

from __future__ import annotations

import codecs
import os
import secrets
from pathlib import Path

from voice_host.auth.call_tokens import MIN_SECRET_BYTES
from voice_host.auth.key_file import KeyFileError
from voice_host.auth.private_file import UnsafeFile, link_target, read_private, write_private


def secret_beside(keys_file: Path) -> bytes:
    """Return the secret in `<keys_file>.token-secret`, creating the file if it does not exist. Blocks.

    Raises:
        KeyFileError: it cannot be read or created, is too short, or others may read or write it.
    """
    path = keys_file.with_name(f"{keys_file.name}.token-secret")
    try:
        text = read_private(path, secret=True).removeprefix(codecs.BOM_UTF8).decode("ascii").strip()
    except FileNotFoundError:
        text = _make(path)
    except UnsafeFile as error:
        raise KeyFileError(f"{error}; or set auth.token_secret instead") from error
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be read; set auth.token_secret instead") from error
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise KeyFileError(
            f"{path} holds less than {MIN_SECRET_BYTES} bytes; remove it, so that a new one is generated"
        )
    return text.encode()


def _make(path: Path) -> str:
    text = secrets.token_urlsafe(48)
    try:
        link_target(path).parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text + "\n")
    except OSError as error:
        why = error.strerror or os.strerror(error.errno or 0)
        raise KeyFileError(f"{path} cannot be written: {why}; set auth.token_secret instead") from error
    return text
