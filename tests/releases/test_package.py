"""What is deployed: wheels, folders and requirements, before anything is installed."""

import zipfile
from pathlib import Path

import pytest

from tests.releases.wheels import make_wheel
from voice_host.releases.package import (
    PackageRequirement,
    SourceFolder,
    WheelFile,
    agent_of_wheel,
    read_package,
)
from voice_host.releases.steps import DeployRefused


def test_a_wheel_a_folder_and_a_requirement_are_told_apart(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "my-agent")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "pyproject.toml").touch()
    assert read_package(wheel.name, tmp_path) == WheelFile(wheel)
    assert read_package("source", tmp_path) == SourceFolder(tmp_path / "source")
    assert read_package("my-agent==1.4", tmp_path) == PackageRequirement("my-agent==1.4")
    at_url = "my-agent @ https://example.com/my_agent-1.0-py3-none-any.whl"
    assert read_package(at_url, tmp_path) == PackageRequirement(at_url)
    secret = PackageRequirement(at_url.replace("https://", "https://me:secret@"))
    assert "secret" not in f"{secret} {secret!r}"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nowhere/agent.whl", "there is no file or folder nowhere/agent.whl"),
        ("agent-1.0-py3-none-any.whl", "there is no file or folder agent-1.0-py3-none-any.whl"),
        ("./agent", "there is no file or folder ./agent"),
        ("--index-url=http://example.com", "there is no file or folder --index-url=http://example.com"),
        ("--upgrade", "'--upgrade' is neither a file nor a requirement"),
        ("my agent", "'my agent' is neither a file nor a requirement"),
        ("", "is neither a file nor a requirement"),
        ("empty", "empty has no pyproject.toml, so that no wheel can be built of it"),
    ],
)
def test_what_is_none_of_them_is_refused(what: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeployRefused) as refused:
        read_package(what, tmp_path)
    assert message in refused.value.message
    assert refused.value.hint is not None


def test_the_agent_of_a_wheel_is_found_by_its_metadata(tmp_path: Path) -> None:
    found = agent_of_wheel(make_wheel(tmp_path, "my-agent", "1.4", "raise SystemExit"), None)
    assert (found.id, found.distribution, found.version) == ("my-agent", "my-agent", "1.4")


def test_one_of_several_agents_is_chosen_by_its_id(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "both", agents=("day", "night"))
    assert agent_of_wheel(wheel, "night").id == "night"
    assert refusal(wheel) == (
        "both contains more than one agent: day, night",
        "choose one with --agent, and deploy each in turn",
    )
    assert refusal(wheel, "nigth") == ("both contains no agent 'nigth'", "did you mean 'night'?")


def test_a_wheel_without_an_agent_says_what_to_add(tmp_path: Path) -> None:
    message, hint = refusal(make_wheel(tmp_path, "library", agents=()))
    assert message == "library contains no agent: it has no entry point in the group 'voice_host.agents'"
    assert hint is not None
    assert '[project.entry-points."voice_host.agents"]' in hint


def test_an_invalid_id_is_refused(tmp_path: Path) -> None:
    message, hint = refusal(make_wheel(tmp_path, "loud", agents=("Loud_Agent",)))
    assert "'Loud_Agent' is not an agent id" in message
    assert hint == "rename the entry point, for example to 'loud-agent'"


def test_a_range_that_excludes_the_sdk_is_refused(tmp_path: Path) -> None:
    message, hint = refusal(make_wheel(tmp_path, "future", requires=("voice-host-sdk>=7",)))
    assert message.startswith("future 1.0: it declares voice-host-sdk>=7, this host runs 1.")
    assert hint == "upgrade voice-host, or install an older version of future"


def test_another_python_is_refused(tmp_path: Path) -> None:
    message, _ = refusal(make_wheel(tmp_path, "newer", python=">=3.40"))
    assert message.startswith("newer 1.0 needs Python >=3.40, this host runs 3.")


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    badly_named = tmp_path / "agent.whl"
    badly_named.write_bytes(make_wheel(tmp_path, "agent").read_bytes())
    assert refusal(badly_named)[0] == "agent.whl is not a wheel: that is not the name of one"

    text = tmp_path / "text-1.0-py3-none-any.whl"
    text.write_text("hello")
    assert refusal(text)[0] == "text-1.0-py3-none-any.whl is not a wheel: it is no zip archive, or is cut off"

    cut = tmp_path / "cut-1.0-py3-none-any.whl"
    cut.write_bytes(make_wheel(tmp_path, "agent").read_bytes()[:-50])
    assert "is no zip archive, or is cut off" in refusal(cut)[0]

    plain = tmp_path / "plain-1.0-py3-none-any.whl"
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("plain.py", "")
    assert refusal(plain)[0] == "plain-1.0-py3-none-any.whl is not a wheel: it has no metadata"

    other = tmp_path / "other-1.0-py3-none-any.whl"
    other.write_bytes(make_wheel(tmp_path, "agent").read_bytes())
    assert refusal(other)[0] == "other-1.0-py3-none-any.whl contains agent, not other"


def refusal(wheel: Path, agent_id: str | None = None) -> tuple[str, str | None]:
    with pytest.raises(DeployRefused) as refused:
        agent_of_wheel(wheel, agent_id)
    return refused.value.message, refused.value.hint
