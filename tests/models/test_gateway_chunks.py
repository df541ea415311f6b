"""The gateway's chunks are normalized whatever JSON arrives."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from voice_host.models.gateway.chunks import ChunkNormalizer, is_empty, stream_error_status, text_only
from voice_host.models.gateway.request import without_empty_content

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON objects whose fields may be missing, or something else entirely."""
    return st.fixed_dictionaries({}, optional={name: field | json_values for name, field in fields.items()})


functions = objects(name=st.text(max_size=5), arguments=st.sampled_from(["", "{}", '{"a":', "1}"]))
calls = objects(id=st.sampled_from(["a", "b"]), index=st.integers(0, 2), function=functions)
messages = objects(content=st.text(max_size=5), tool_calls=st.lists(calls, max_size=3))
reasons = st.sampled_from(["stop", "end_turn", "tool_use"])
choices = objects(
    delta=messages, message=messages, tool_calls=st.lists(calls, max_size=3), finish_reason=reasons, index=st.integers()
)
envelopes = objects(choices=st.lists(choices, max_size=2), code=st.integers(), message=st.text(), id=st.text())


@settings(deadline=None)
@given(st.lists(envelopes, max_size=5))
def test_every_chunk_or_whole_completion_can_be_normalized(chunks: list[dict[str, Any]]) -> None:
    response = ChunkNormalizer()
    ids: dict[int, str] = {}
    for chunk in chunks:
        stream_error_status(chunk)
        is_empty(chunk)
        text_only(chunk)
        plain = response.normalize(chunk)
        for choice in plain["choices"]:
            for call in choice["delta"]["tool_calls"] or ():
                assert call["id"]
                assert ids.setdefault(call["index"], call["id"]) == call["id"]
                assert isinstance(call["function"]["arguments"], str)
    assert isinstance(response.calls_complete, bool)


@given(st.lists(objects(role=st.sampled_from(["user", "assistant", "tool"]), content=st.text(max_size=3))))
def test_nothing_empty_is_left(sent: list[dict[str, Any]]) -> None:
    for message in without_empty_content(sent):
        content = message.get("content", "tool calls only")
        assert content.strip() if isinstance(content, str) else content
