"""The speech recognition model Moonshine tiny (English), run with onnxruntime."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from voice_host.speech.embedded.engines import RECOGNISER_HZ
from voice_host.speech.embedded.loaded_once import LoadedOnce

_START, _END = 1, 2
_TOKENS_PER_S = 6.5
"""A limit above any speech, since the model may repeat itself endlessly on noise."""
_PADDING = 1600
"""Samples of silence added before and after: without them the first and last phonemes are often lost."""
_HEADS, _HEAD_SIZE = 8, 36


class Moonshine:
    """One loaded model (130 MB). `transcribe` may be called from several threads at once; it releases the GIL.

    Args:
        folder: contains `encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin`.
    """

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # The arena would keep what the longest utterances took, 100 MB for each thread. Up to 10 s it saves no time.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        self._encoder = onnxruntime.InferenceSession(str(folder / "encoder_model.ort"), options, providers=providers)
        self._decoder = onnxruntime.InferenceSession(
            str(folder / "decoder_model_merged.ort"), options, providers=providers
        )
        self._outputs = [output.name for output in self._decoder.get_outputs()]
        self._caches = [one.name for one in self._decoder.get_inputs() if one.name.startswith("past_key_values.")]
        self._vocabulary = read_vocabulary((folder / "tokenizer.bin").read_bytes())

    def transcribe(self, pcm: bytes) -> str:
        """Return the words of an utterance with punctuation and case; empty if there are none.

        Blocks for about 3 % of the length of the speech.

        Args:
            pcm: PCM16 mono at 16 kHz, at most 30 s.
        """
        samples = np.frombuffer(pcm, dtype="<i2")
        if not samples.any():
            return ""
        audio = np.zeros((1, len(samples) + 2 * _PADDING), np.float32)
        audio[0, _PADDING:-_PADDING] = samples / np.float32(32768)
        mask = np.ones(audio.shape, np.int64)
        (states,) = self._encoder.run(None, {"input_values": audio, "attention_mask": mask})
        # The decoder needs the mask of the samples, not of the encoder's frames, or it fails beyond 16 s.
        tokens = self._decode({"encoder_hidden_states": states, "encoder_attention_mask": mask}, len(samples))
        return self._text(tokens)

    def _decode(self, inputs: dict[str, Any], samples: int) -> list[int]:
        inputs |= {name: np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32) for name in self._caches}
        tokens: list[int] = []
        token = _START
        for step in range(max(1, int(samples / RECOGNISER_HZ * _TOKENS_PER_S))):
            inputs["input_ids"] = np.array([[token]], np.int64)
            inputs["use_cache_branch"] = np.array([step > 0])
            outputs = dict(zip(self._outputs, self._decoder.run(None, inputs), strict=True))
            token = int(outputs["logits"][0, -1].argmax())
            if token == _END:
                break
            tokens.append(token)
            for name in self._caches:
                if step == 0 or ".decoder." in name:  # those of the encoder are complete with the first step
                    inputs[name] = outputs[name.replace("past_key_values", "present")]
        return tokens

    def _text(self, tokens: list[int]) -> str:
        text = b"".join(self._vocabulary[token] for token in tokens).decode("utf-8", "replace")
        return " ".join(text.replace("\u2581", " ").split())


def read_vocabulary(data: bytes) -> list[bytes]:
    """Return the tokens of a `tokenizer.bin`: each is its length (one byte, two from 128 on) followed by its bytes."""
    tokens: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length += 128 * (data[at] - 1)
            at += 1
        tokens.append(data[at : at + length])
        at += length
    return tokens


def model_folder() -> Path:
    """Return the folder of the model in the installed wheel of `moonshine-voice`.

    The package itself is not imported: its library, downloads and microphone are not used.

    Raises:
        FileNotFoundError: it is not there. Only version 0.1.0 contains it.
    """
    found = find_spec("moonshine_voice")
    for root in (found.submodule_search_locations or ()) if found else ():
        folder = Path(root) / "assets" / "tiny-en"
        if (folder / "tokenizer.bin").is_file():
            return folder
    raise FileNotFoundError("the installed moonshine-voice does not contain the model tiny-en; version 0.1.0 does")


load_model = LoadedOnce(lambda: Moonshine(model_folder()))
"""Returns the model of this process; loading it takes 0.2 s.

Raises:
    FileNotFoundError: it is not installed.
    Exception: whatever onnxruntime raises for a damaged file.
"""
