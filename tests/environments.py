"""Virtual environments as an operator makes them, without downloading anything."""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path

from tests.sample_plugins import PluginFolder


def make_environment(folder: Path, *, with_host: bool = True) -> PluginFolder:
    """Make a virtual environment, and return where agents are installed in it.

    Args:
        with_host: whether it has the host and its dependencies: those of this environment, by reference.
    """
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    if with_host:
        ours = Path(sysconfig.get_path("purelib"))
        (packages / "host.pth").write_text(f"import site; site.addsitedir({str(ours)!r})\n")
        for metadata in ours.glob("voice_host*.dist-info"):
            (packages / metadata.name).symlink_to(metadata)
    return PluginFolder(packages)
