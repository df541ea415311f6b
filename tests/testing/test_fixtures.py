"""The kit under pytest as a customer has it: with pytest-asyncio in either mode, and without."""

from __future__ import annotations

import pytest

import voice_host.testing.fixtures  # noqa: F401 - pytest of within shares the modules that are there already

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from voice_host_sdk import AgentConfig

pytest_plugins = ["voice_host.testing.fixtures"]

@pytest.fixture
def voice_agent():
    return AgentConfig(greeting="Hello.")
"""

TESTS = """
import asyncio
import time
import pytest
from voice_host.clock import now_s
from voice_host.testing import ScriptedModel, in_virtual_time

async def test_a_call(call_agent):
    async with call_agent(ScriptedModel("Fine.")) as call:
        assert (await call.ask("How are you?")).heard == "Fine."

class TestInAClass:
    @pytest.mark.parametrize("seconds", [60, 3600])
    async def test_it_waits(self, serve_agent, seconds):
        async with serve_agent() as agent, agent.call() as call:
            begun_s = now_s()
            await call.wait(seconds)
            assert now_s() - begun_s == seconds

@in_virtual_time
async def test_without_a_fixture():
    await asyncio.sleep(3600)

def test_that_is_no_coroutine(call_agent):
    assert callable(call_agent)
"""

ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")

REAL = """
async def test_in_real_time():
    import asyncio
    assert type(asyncio.get_running_loop()).__name__ != "VirtualLoop"
"""


@pytest.mark.parametrize(
    ("options", "further"),
    [
        (("-p", "no:asyncio"), 0),
        ((*ASYNCIO, "-o", "asyncio_mode=auto"), 1),
        ((*ASYNCIO, "-o", "asyncio_mode=strict"), 0),
    ],
    ids=["without pytest-asyncio", "auto", "strict"],
)
def test_async_tests_with_the_fixtures_run_in_virtual_time(
    pytester: pytest.Pytester, options: tuple[str, ...], further: int
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS + (REAL if further else ""))
    outcome = pytester.runpytest_inprocess(*options)
    outcome.assert_outcomes(passed=5 + further)


def test_what_is_shown_of_tests_that_fail(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["voice_host.testing.fixtures"]')
    pytester.makepyfile("""
        import pytest
        from voice_host.testing import fixtures
        from voice_host_sdk import AgentConfig

        AGENT = AgentConfig(greeting="Good day.")

        async def test_after_the_call(call_agent):
            async with call_agent(agent=AGENT) as call:
                pass
            assert call.end.reason == "lost"

        async def test_within_the_call(call_agent):
            async with call_agent(agent=AGENT) as call:
                assert call.greeting.heard == "Good evening."

        async def test_the_only_agent_that_is_installed(call_agent):
            async with call_agent() as call:
                assert call.greeting.heard.startswith("Hello, this is The Copper Spoon")

        @pytest.mark.parametrize("ids", [[], ["one", "other"]])
        async def test_which_agent(ids, monkeypatch, call_agent):
            monkeypatch.setattr(fixtures, "installed_ids", lambda: ids)
            async with call_agent():
                pass
    """)
    outcome = pytester.runpytest_inprocess("-p", "no:asyncio")
    outcome.assert_outcomes(passed=1, failed=4)
    shown, _, _ = outcome.stdout.str().partition("short test summary info")  # which repeats it all where CI is set
    assert shown.count("agent    Good day.") == 2
    assert shown.count("--       the session has ended: goodbye") == 2
    assert "which agent is to be tested? none is installed. Name it in conftest.py" in shown
    assert "which agent is to be tested? installed are: one, other. Name it in conftest.py" in shown
