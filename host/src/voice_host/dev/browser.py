"""Opening the talk page."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def open_page(url: str) -> None:
    """Open a page in the user's browser, if there is one with a window: one in the terminal would take it over."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _DISPLAYS):
        return
    # Some browsers stay in the foreground, and nobody here should wait for them.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
