"""What services put on the wire of a streamed answer, through a whole call.

The ids of cases are those of public reports.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.calls.client import calling
from tests.calls.studio import Studio, studio
from tests.simulators.gateway import RawBytes, RawStream
from voice_host_sdk import AgentConfig


def get_weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def opening_hours() -> str:
    """Tell when we are open."""
    return "nine to five"


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call_delta(index: int | None = 0, name: str | None = None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    place = {} if index is None else {"index": index}
    return delta(tool_calls=[{**place, "type": "function", "function": function, **more}])


PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'
BOTH = ["sunny in Paris", "sunny in Rome"]


async def results(s: Studio, *chunks: dict[str, Any]) -> list[str]:
    """Let the model call tools by these chunks, and return what it is told."""
    s.llm.script(RawStream([*chunks, delta("tool_calls")]))
    s.llm.reply("Done.")
    async with calling(s.url) as caller:
        await caller.type("Go")
        await caller.expect("tts_done")
        assert caller.all("chat")[0]["text"] == "Done."
        assert not caller.all("error")
    assert not s.llm.refused
    return [message["content"] for message in s.llm.requests[1].messages if message["role"] == "tool"]


TOOL_CALLS = [
    pytest.param([call_delta(0, "get_weather", PARIS), call_delta(0, "get_weather", ROME)], BOTH, id="21-11"),
    (
        [
            call_delta(0, "get_weather", ""),
            call_delta(0, None, PARIS[:5]),
            call_delta(0, None, PARIS[5:]),
            call_delta(0, "get_weather", ""),
            call_delta(0, None, ROME),
        ],
        BOTH,
    ),
    (
        [
            call_delta(0, "get_weather", PARIS[:5]),
            call_delta(0, "get_weather", PARIS[5:]),
            call_delta(0, "get_weather", ""),
        ],
        BOTH[:1],
    ),
    ([call_delta(0, "get_weather", PARIS, id="same"), call_delta(0, "get_weather", ROME, id="same")], BOTH),
    (
        [call_delta(0, "get_weather", PARIS, id=""), call_delta(0, "opening_hours", "{}", id="")],
        [BOTH[0], "nine to five"],
    ),
    ([call_delta(None, "get_weather", PARIS), call_delta(None, "get_weather", ROME)], BOTH),
    ([call_delta(0, "get_weather", {"city": "Paris"}), call_delta(0, "get_weather", {"city": "Rome"})], BOTH),
    pytest.param([call_delta(0, "opening_hours", "null")], ["nine to five"], id="21-12"),
    ([call_delta(0, "opening_hours")], ["nine to five"]),
    ([call_delta(0, "opening_hours", "")], ["nine to five"]),
    ([call_delta(0, "opening_hours", " null ", id="x")], ["nine to five"]),
]


@pytest.mark.parametrize(("chunks", "told"), TOOL_CALLS)
async def test_tool_calls_on_the_wire(chunks: list[dict[str, Any]], told: list[str]) -> None:
    async with studio(AgentConfig(tools=(get_weather, opening_hours))) as s:
        assert await results(s, *chunks) == told
        sent = s.llm.requests[1].messages
        ids = [call["id"] for message in sent for call in message.get("tool_calls", ())]
        assert len(ids) == len(set(ids))
        for call in (call for message in sent for call in message.get("tool_calls", ())):
            assert isinstance(json.loads(call["function"]["arguments"] or "{}"), dict)


def events(*datas: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(b"data: " + data + end + end for data in datas)


HELLO = [json.dumps(delta(content="Hello ")).encode(), json.dumps(delta(content="there.")).encode()]
STOP = [json.dumps(delta("stop")).encode(), b"[DONE]"]


STREAMS = [
    pytest.param([b"data:\n\n", events(*HELLO, *STOP)], id="22-05"),
    [b"data: \n\ndata\n\n", events(HELLO[0]), b"data:\ndata:\n\n", events(HELLO[1], *STOP)],
    [b"\xef\xbb\xbf" + events(*HELLO, *STOP)],
    [b"\xef", b"\xbb", b"\xbf" + events(*HELLO, *STOP)],
    [b": a comment\n\n:\n", b"event: message\nid: 7\nretry: 10\n", events(*HELLO, *STOP)],
    [events(*HELLO, *STOP, end=b"\r\n")],
    [events(*HELLO, *STOP, end=b"\r")],
    [byte for piece in events(*HELLO, *STOP, end=b"\r\n") for byte in [bytes([piece])]],
    [b"data: " + HELLO[0].replace(b", ", b",\ndata: ") + b"\n\n", events(HELLO[1], *STOP)],
    [events(json.dumps({"created": "now", **delta(role="assistant")}).encode(), *HELLO, *STOP)],
    [events(HELLO[0].replace(b'"index": 0', b'"index": 0, "logprobs": NaN'), HELLO[1], *STOP)],
    [b"data:" + HELLO[0] + b"\n\n", events(HELLO[1], STOP[0]), b"data: [DONE] \n\n"],
]


@pytest.mark.parametrize("pieces", STREAMS)
async def test_event_streams_as_their_standard_says(pieces: list[bytes]) -> None:
    async with studio() as s:
        s.llm.script(RawBytes(pieces))
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("tts_done")
            assert caller.all("chat")[0]["text"] == "Hello there."
            assert not caller.all("error")


async def test_a_byte_that_is_no_text_costs_one_character() -> None:
    async with studio() as s:
        s.llm.script(RawBytes([events(HELLO[0].replace(b"Hello", b"Hell\xff"), HELLO[1], *STOP)]))
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("tts_done")
            assert caller.all("chat")[0]["text"] == "Hell\ufffd there."


REFUSALS = [
    pytest.param([delta(refusal="I cannot help with that."), delta("stop")], id="23-11"),
    [delta(refusal="I cannot "), delta(refusal="help with that."), delta("stop")],
    [delta(content="", refusal="I cannot help with that."), delta("stop")],
    [delta("stop", refusal="I cannot help with that.")],
]


@pytest.mark.parametrize("chunks", REFUSALS)
async def test_refusals_are_spoken(chunks: list[dict[str, Any]]) -> None:
    async with studio() as s:
        s.llm.script(RawStream(chunks))
        s.llm.reply("Bye.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == "I cannot help with that."
            assert s.tts.spoken == ["I cannot help with that."]
            await caller.type("Bye")
            await caller.expect("metrics", reply=2)
        assert s.llm.requests[1].messages[-2]["content"] == "I cannot help with that."


def broken_off(reason: str) -> float:
    labels = {"agent": "desk", "reason": reason}
    return REGISTRY.get_sample_value("voice_host_answers_broken_off_total", labels) or 0.0


@pytest.mark.fault("model: breaks its answer off")
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param("content_filter", "a content filter", id="23-12"),
        ("length", "too long"),
        ("max_tokens", "too long"),
    ],
)
async def test_an_answer_that_is_broken_off_is_marked_and_counted(reason: str, words: str) -> None:
    counted = {"max_tokens": "length"}.get(reason, reason)
    before = broken_off(counted)
    async with studio() as s:
        s.llm.reply("I think that the best", finish_reason=reason)
        s.llm.reply("Bye.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == "I think that the best"
            await caller.type("Bye")
            await caller.expect("metrics", reply=2)
        kept = s.llm.requests[1].messages[-2]["content"]
        assert kept.startswith("I think that the best [broken off")
        assert words in kept
    assert broken_off(counted) == before + 1


CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


@pytest.mark.parametrize(
    "text", [f"<tool_call>{CALL}</tool_call>", f"One moment.<tool_call>{CALL}", CALL, f"[TOOL_CALLS][{CALL}]"]
)
@pytest.mark.parametrize("size", [3, 1000])
async def test_calls_that_are_written_as_text_are_made_and_not_said(text: str, size: int) -> None:
    """23-08."""
    async with studio(AgentConfig(tools=(get_weather,))) as s:
        pieces = [delta(content=text[at : at + size]) for at in range(0, len(text), size)]
        s.llm.script(RawStream([*pieces, delta("stop")]))
        s.llm.reply("It is sunny.")
        async with calling(s.url) as caller:
            await caller.type("Weather?")
            await caller.expect("tts_done")
            assert "Paris" not in caller.all("chat")[0]["text"]
            assert "Paris" not in " ".join(s.tts.spoken)
        assert s.llm.requests[1].messages[-1]["content"] == "sunny in Paris"


async def test_a_written_call_of_a_tool_that_is_not_there_is_told_to_the_model() -> None:
    async with studio(AgentConfig(tools=(get_weather,))) as s:
        s.llm.reply('<tool_call>{"name": "rain", "arguments": {}}</tool_call>')
        s.llm.reply("I cannot make it rain.")
        async with calling(s.url) as caller:
            await caller.type("Rain!")
            await caller.expect("tts_done")
            assert caller.all("chat")[0]["text"] == "I cannot make it rain."


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([delta(content="I should be brief.</think>Hello there.")], "Hello there."),
        (
            [delta(content="<reason"), delta(content="ing>secret</reasoning>"), delta(content="Hello there.")],
            "Hello there.",
        ),
        ([delta(content="<think>a"), delta(content=""), delta(content="b</think>Hello there.")], "Hello there."),
        ([delta(content="Hi \ud83d"), delta(content="\ude00 there.")], "Hi 😀 there."),
        ([delta(content="Hi \ud83d there.")], "Hi \ufffd there."),
    ],
)
async def test_text_on_the_wire(chunks: list[dict[str, Any]], said: str) -> None:
    async with studio() as s:
        s.llm.script(RawStream([*chunks, delta("stop")]))
        s.llm.reply("Bye.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == said
            await caller.type("Bye")
            await caller.expect("metrics", reply=2)
        assert s.llm.requests[1].messages[-2]["content"] == said


async def test_thoughts_whose_beginning_is_missing_are_held_back_from_the_second_one_on() -> None:
    """23-07 in pieces."""
    thought = [
        delta(content="I should "),
        delta(content="be brief.</th"),
        delta(content="ink>Hello"),
        delta(content="."),
    ]
    async with studio() as s:
        s.llm.script(RawStream([*thought, delta("stop")]), RawStream([*thought, delta("stop")]))
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("metrics", reply=1)
            await caller.type("Hi")
            await caller.expect("metrics", reply=2)
            assert caller.all("chat")[1]["text"] == "Hello."
