"""What keeps a release from being started."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.environments import make_environment
from voice_host.releases.release import Release
from voice_host.settings import Settings
from voice_host.supervisor.release_fleet import ReleaseFailed, require_environment


@pytest.mark.parametrize("deployed", [True, False])
def test_an_environment_that_is_gone_is_named_with_what_to_do(tmp_path: Path, deployed: bool) -> None:
    folder = tmp_path / "env"
    make_environment(folder).install("night-desk")
    release = Release(
        agent_id="night-desk",
        name="1.4",
        distribution="night-desk",
        version="1.4",
        entry_point="night_desk",
        environment=folder,
        created=datetime.now(UTC) if deployed else None,
    )
    require_environment(release, Settings())
    (folder / "bin" / "python").unlink()
    with pytest.raises(ReleaseFailed, match="has no interpreter") as failed:
        require_environment(release, Settings())
    assert ("deploy the agent again" in (failed.value.report.hint or "")) is deployed
    shutil.rmtree(folder)
    with pytest.raises(ReleaseFailed, match=f"{folder} does not exist"):
        require_environment(release, Settings())
