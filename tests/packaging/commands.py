"""Commands as a customer and a platform run them, in environments of their own."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEMBERS = {"sdk": "voice_host_sdk", "host": "voice_host", "example_agent_plugin": "voice_agent_example"}


def commands_of(environment: Path) -> Path:
    """Return the folder with the commands of a virtual environment."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def run(*command: str | Path, cwd: Path, status: int = 0, **variables: str) -> str:
    """Run a command without this process's environment showing through, and return what it printed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("VOICE_HOST_", "ASSEMBLYAI_"))}
    for name in ("VIRTUAL_ENV", "PYTHONPATH"):
        environ.pop(name, None)
    environ |= variables
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
