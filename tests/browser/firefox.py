"""Firefox, driven by WebDriver BiDi. Playwright drives only builds of its own, or a Firefox newer than Debian's."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

DEADLINE_S = 60.0

# "cubeb" is its output of sound: without a device, the mock plays at the right pace.
PREFERENCES = """
user_pref("media.navigator.permission.disabled", true);
user_pref("media.navigator.streams.fake", true);
user_pref("media.cubeb.force_mock_context", true);
user_pref("media.cubeb.sandbox", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("app.update.disabledForTesting", true);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


def find_firefox() -> str:
    """The path of a Firefox. Without one the tests are skipped: not every system has a package of it."""
    found = os.environ.get("VOICE_HOST_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    return found or pytest.skip("no Firefox found: `apt-get install firefox-esr`, or name one in VOICE_HOST_FIREFOX")


class FirefoxTab:
    """One tab. Playwright's names, as far as there is a method for it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._tab = ""

    @classmethod
    async def opened(cls, socket: ClientConnection) -> FirefoxTab:
        tab = cls(socket)
        await tab._send("session.new", capabilities={})
        tree = await tab._send("browsingContext.getTree")
        tab._tab = tree["contexts"][0]["context"]
        return tab

    async def goto(self, url: str) -> None:
        await self._send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, or of its promise.

        Raises:
            AssertionError: it throws.
        """
        answer = await self._send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression}) ?? null))()",
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    async def wait_for(self, expression: str) -> Any:
        """Wait until an expression has a true value, and return it."""
        looking = f"""new Promise((found) => {{
            const look = () => {{ const value = {expression}; value ? found(value) : setTimeout(look, 50); }};
            look();
        }})"""
        async with asyncio.timeout(DEADLINE_S):
            return await self.evaluate(looking)

    async def click(self, element: str) -> None:
        """Click the middle of the element that an expression names, as a person does."""
        box = f"(({element}).scrollIntoView(), ({element}).getBoundingClientRect())"
        x, y = await self.evaluate(f"((b) => [b.x + b.width / 2, b.y + b.height / 2].map(Math.round))({box})")
        press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        moves = [{"type": "pointerMove", "x": x, "y": y}, *press]
        pointer = {"type": "pointer", "id": "mouse", "actions": moves}
        await self._send("input.performActions", context=self._tab, actions=[pointer])

    async def type(self, text: str) -> None:
        """Type into the element that has the focus, and press Enter."""
        keys = [{"type": kind, "value": key} for key in [*text, "\ue007"] for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": keys}
        await self._send("input.performActions", context=self._tab, actions=[keyboard])

    async def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(await self._socket.recv())).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", f"{method}: {answer.get('message')}"
        result: dict[str, Any] = answer["result"]
        return result


@asynccontextmanager
async def firefox(profile: Path) -> AsyncIterator[FirefoxTab]:
    """Run a headless Firefox with a fresh profile in the folder, and yield its tab."""
    executable = find_firefox()
    (profile / "user.js").write_text(PREFERENCES, encoding="utf-8")
    options = ["--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0", "about:blank"]
    process = await asyncio.create_subprocess_exec(executable, *options, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(DEADLINE_S):
            address = await _address(process)
            async with connect(f"{address}/session", max_size=None) as socket:
                tab = await FirefoxTab.opened(socket)
                async with asyncio.timeout(None):
                    yield tab
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()  # reads on, or it might wait for that


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(rb"WebDriver BiDi listening on (ws://\S+)", line):
            return found[1].decode()
    raise AssertionError("Firefox ended before it listened")
