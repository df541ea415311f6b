"""The demo model never raises and never falls silent, whatever is said and whatever the tools look like."""

import json
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo.dialogue import Call, Say
from voice_host.models.demo.model import decide
from voice_host.models.demo.words import listed

WORDS = listed("""
    book a table for four people on saturday at seven thirty my name is anna half quarter past to twenty may third
    the of 7 7pm 19:30 12.5 http:// . dot com yes no never mind goodbye hello what when oh a hundred o'clock 's under
""")

texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
)
parameter_names = st.one_of(st.sampled_from(listed("name day time guests city url query q size")), st.text(max_size=8))
parameter_schemas = st.one_of(
    json_values,
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", ["string"]]),
            "format": st.sampled_from(["date", "time", "date-time", "uri", "x"]),
            "enum": st.lists(scalars, max_size=3),
            "items": json_values,
            "anyOf": st.lists(st.fixed_dictionaries({"type": st.sampled_from(["null", "string"])}), max_size=2),
            "$ref": st.sampled_from(["#", "#/properties", "#/$defs/A", ""]),
            "description": texts,
        },
    ),
)
schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("object"),
        "properties": st.one_of(st.dictionaries(parameter_names, parameter_schemas, max_size=4), json_values),
        "required": st.one_of(st.lists(parameter_names, max_size=4), json_values),
        "$defs": st.just({"A": {"$ref": "#/$defs/A"}}),
    },
)
tools = st.lists(
    st.builds(
        ToolDefinition,
        name=st.one_of(st.sampled_from(["book_table", "opening_hours", "hang_up"]), st.text(min_size=1, max_size=12)),
        description=st.one_of(st.none(), texts),
        parameters_json_schema=schemas,
    ),
    max_size=4,
)
results: st.SearchStrategy[ToolReturnPart] = st.builds(
    ToolReturnPart,
    tool_name=st.sampled_from(["book_table", "opening_hours"]),
    content=json_values,
    outcome=st.sampled_from(["success", "failed", "retried", "denied"]),
)
messages = st.lists(
    st.one_of(
        st.builds(lambda text: ModelRequest([UserPromptPart(text)]), texts),
        st.builds(lambda part: ModelRequest([part]), results),
        st.builds(lambda text: ModelResponse([TextPart(text)]), texts),
    ),
    max_size=6,
)
days = st.dates(min_value=date(1970, 1, 1), max_value=date(9000, 1, 1))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages, tools, days)
async def test_there_is_always_a_decision_and_always_the_same(
    history: list[ModelMessage], offered: list[ToolDefinition], today: date
) -> None:
    decision = await decide(history, offered, today, {})
    assert decision == await decide(history, offered, today, {})
    if isinstance(decision, Say):
        assert decision.text.strip()
    else:
        assert isinstance(decision, Call)
        assert decision.tool in offered
        assert json.dumps(decision.arguments)


@settings(max_examples=300, deadline=None)
@given(json_values)
async def test_every_result_can_be_spoken(content: Any) -> None:
    part = ToolReturnPart("opening_hours", content)
    decision = await decide([ModelRequest([part])], [], date(2026, 11, 23), {})
    assert isinstance(decision, Say)
    assert decision.text.strip()
    assert len(decision.text) <= 420


async def test_a_tool_whose_optional_parameter_cannot_be_said_is_called_without_it() -> None:
    schema = {"type": "object", "properties": {"options": {"type": "object"}}}
    offered = [ToolDefinition(name="book_table", parameters_json_schema=schema)]
    decision = await decide([ModelRequest([UserPromptPart("book")])], offered, date(2026, 11, 22), {})
    assert isinstance(decision, Call)
    assert decision.arguments == ({},)
