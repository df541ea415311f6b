"""The speech synthesiser espeak-ng: one engine for the process, because the library keeps its state globally."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader

from voice_host.providers.embedded.tts import espeak_library as c
from voice_host_sdk import ProviderError

DEFAULT_VOICE = "en-us+edward"
"""The voice that was understood best in a round trip through a recogniser, at the rate below."""
_WORDS_PER_MINUTE = 155
_BUFFER_MS = 60

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
"""To espeak they are commands that change the voice, and a NUL ends the text."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What was synthesised.

    Attributes:
        pcm: PCM16 mono at `Espeak.sample_rate`.
        words: for each spoken word, the index of its first character in the text and the sample at which it begins.
    """

    pcm: bytes
    words: tuple[tuple[int, int], ...]


class Espeak:
    """The engine. Use it from threads, through `engine()`; a lock lets one speak at a time: 3 ms a second of speech."""

    def __init__(self) -> None:
        data = espeakng_loader.get_data_path()
        self._library = c.load(espeakng_loader.get_library_path())
        self.sample_rate: int = self._library.espeak_Initialize(
            c.AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, os.fsencode(data), c.INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise ProviderError("The embedded voice could not be started.", code="tts_unavailable", retryable=False)
        self._lock = threading.Lock()
        self._callback = c.SynthCallback(self._on_audio)  # must live as long as the library may call it
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetParameter(c.PARAMETER_RATE, _WORDS_PER_MINUTE, 0)
        self._voices = self._list_voices()
        self._variants = frozenset(path.name.lower() for path in (Path(data) / "voices" / "!v").iterdir())
        self._current_voice = ""
        self._pcm = bytearray()
        self._words: list[tuple[int, int]] = []
        self._cancelled = threading.Event()

    def voice(self, name: str) -> str:
        """Return `name` if it is a voice (`en-gb`, `German`), with or without a variant (`en-us+f5`), else the default.

        Anything else is not tried: espeak takes a name for a path, and some files it finds break its synthesis.
        """
        base, plus, variant = name.lower().partition("+")
        if base in self._voices and (not plus or variant in self._variants):
            return name
        return DEFAULT_VOICE

    def synthesise(self, text: str, voice: str, cancelled: threading.Event) -> Speech:
        """Speak `text` into memory. Blocks; stops within 60 ms of audio once `cancelled` is set.

        Raises:
            ProviderError: the engine failed (`tts_failed`).
        """
        utf8 = _CONTROL_CHARACTERS.sub(" ", text).encode("utf-8", "replace")
        with self._lock:
            self._pcm, self._words, self._cancelled = bytearray(), [], cancelled
            if cancelled.is_set():
                return Speech(b"", ())
            self._set_voice(voice)
            status = self._library.espeak_Synth(utf8, len(utf8) + 1, 0, c.POS_CHARACTER, 0, c.CHARS_UTF8, None, None)
            speech = Speech(bytes(self._pcm), tuple(self._words))
        if status != c.EE_OK:
            raise ProviderError("The embedded voice failed.", code="tts_failed")
        return speech

    def _set_voice(self, voice: str) -> None:
        if voice == self._current_voice:
            return
        for name in (voice, DEFAULT_VOICE):
            if self._library.espeak_SetVoiceByName(name.encode()) == c.EE_OK:
                self._current_voice = voice
                return
        raise ProviderError("The embedded voice could not be chosen.", code="tts_failed", retryable=False)

    def _on_audio(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[c.Event]) -> int:
        if self._cancelled.is_set():
            return c.ABORT
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, 2 * count)
        index = 0
        while events[index].type != c.EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == c.EVENT_WORD:
                self._words.append((event.text_position - 1, event.sample))
            index += 1
        return c.CONTINUE

    def _list_voices(self) -> frozenset[str]:
        names: set[str] = set()
        voices = self._library.espeak_ListVoices(None)
        index = 0
        while voices[index]:
            voice = voices[index].contents
            names.add(voice.name.decode().lower())
            names.update(_language_names(voice))
            index += 1
        return frozenset(names)


def _language_names(voice: c.Voice) -> list[str]:
    names: list[str] = []
    at = 0
    while voice.languages[at] != b"\0":
        name = bytearray()
        at += 1
        while (character := voice.languages[at]) != b"\0":
            name += character
            at += 1
        names.append(name.decode().lower())
        at += 1
    return names


_starting = threading.Lock()
_engine: Espeak | None = None


def engine() -> Espeak:
    """Return the engine of this process, starting it (3 ms) the first time. It stays until the process ends.

    Raises:
        ProviderError: it could not be started (`tts_unavailable`).
    """
    global _engine
    with _starting:
        if _engine is None:
            try:
                _engine = Espeak()
            except OSError as error:
                message = "The embedded voice does not run on this machine."
                raise ProviderError(message, code="tts_unavailable", retryable=False) from error
        return _engine
