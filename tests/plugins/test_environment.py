"""Agents of other environments, by their metadata."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.environments import make_environment
from tests.sample_plugins import PluginFolder
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    NoEnvironment,
    installed_agents,
    read_environment,
    sdk_version,
)
from voice_host.plugins.agents import load_if_enabled
from voice_host.settings import Settings, load_settings


def placed(folder: Path, agent_id: str, environment: str) -> Settings:
    file = folder / "voice-host.toml"
    file.write_text(f'[agent.{agent_id}]\nenvironment = "{environment}"\n', encoding="utf-8")
    return load_settings(file, {})


def find(settings: Settings, agent_id: str) -> DiscoveredAgent | BrokenAgent:
    [found] = [agent for agent in installed_agents(settings) if agent.id == agent_id]
    return found


def test_an_environment_is_read_without_running_its_code(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    module = environment.install("hello", "raise SystemExit", version="1.4")
    metadata = read_environment(tmp_path / "env")
    [found] = [agent for agent in metadata.agents if agent.id == "hello"]
    assert isinstance(found, DiscoveredAgent)
    assert (found.version, found.entry_point, found.environment) == ("1.4", module, tmp_path / "env")
    assert metadata.sdk_version == sdk_version()
    assert metadata.host_version is not None


def test_what_is_no_environment_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoEnvironment, match="nowhere does not exist") as missing:
        read_environment(tmp_path / "nowhere")
    assert "uv venv" in missing.value.hint
    with pytest.raises(NoEnvironment, match="is not a virtual environment"):
        read_environment(tmp_path)
    make_environment(tmp_path / "env")
    (tmp_path / "env" / "bin" / "python").unlink()
    (tmp_path / "env" / "bin" / "python").symlink_to("/nowhere/python")
    with pytest.raises(NoEnvironment, match="has no interpreter"):
        read_environment(tmp_path / "env")


def test_the_agent_of_the_settings_environment_takes_precedence(tmp_path: Path, plugins: PluginFolder) -> None:
    plugins.install("hello", version="1.0")
    make_environment(tmp_path / "env").install("hello", version="2.0")
    settings = placed(tmp_path, "hello", "env")  # relative to the file
    found = find(settings, "hello")
    assert isinstance(found, DiscoveredAgent)
    assert (found.version, found.environment) == ("2.0", tmp_path / "env")


def test_an_agent_whose_environment_cannot_be_used_is_broken(tmp_path: Path, plugins: PluginFolder) -> None:
    settings = placed(tmp_path, "hello", "env")
    assert_broken(find(settings, "hello"), f"{tmp_path}/env does not exist", "uv venv")
    environment = make_environment(tmp_path / "env", with_host=False)
    assert_broken(find(settings, "hello"), f"it is not installed in {tmp_path}/env", "install it there")
    environment.install("helo")
    assert_broken(find(settings, "hello"), "it is not installed in", "did you mean 'helo'?")
    environment.install("hello")
    assert_broken(find(settings, "hello"), "voice-host is not installed in", "the voice-host of this host")
    shutil.rmtree(tmp_path / "env")
    environment = make_environment(tmp_path / "env")
    environment.install("hello", requires=("voice-host-sdk>=7",))
    assert_broken(
        find(settings, "hello"), "it declares voice-host-sdk>=7, its environment has 1.", "upgrade voice-host"
    )


def test_ids_that_variables_cannot_tell_apart_are_broken_across_environments(
    tmp_path: Path, plugins: PluginFolder
) -> None:
    plugins.install("hello--model")
    make_environment(tmp_path / "env").install("hello")
    assert_broken(find(placed(tmp_path, "hello", "env"), "hello"), "variables cannot tell the ids", "rename")


def test_one_process_cannot_load_an_agent_of_another_environment(tmp_path: Path) -> None:
    make_environment(tmp_path / "env").install("hello", "raise SystemExit")
    settings = placed(tmp_path, "hello", "env")
    found = find(settings, "hello")
    assert isinstance(found, DiscoveredAgent)
    assert_broken(load_if_enabled(found, settings), f"it is installed in {tmp_path}/env", 'isolation = "process"')
    assert "hello" not in sys.modules


def assert_broken(agent: object, error: str, hint: str) -> None:
    assert isinstance(agent, BrokenAgent), agent
    assert error in agent.error
    assert hint in str(agent.hint)
