"""The examples of docs/reference/text-normalization.md are what the voice is given."""

from __future__ import annotations

import pytest

from tests.docs.markdown import rows, section
from voice_host.text import normalize_voice_text

EXAMPLES = rows(section("docs/reference/text-normalization.md", "What becomes what"))[1:]


@pytest.mark.parametrize(("kind", "written", "spoken"), EXAMPLES, ids=[example[0] for example in EXAMPLES])
def test_the_examples(kind: str, written: str, spoken: str) -> None:
    assert normalize_voice_text(f"It is {written} there") == f"It is {spoken} there", kind
