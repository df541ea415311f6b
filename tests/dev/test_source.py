"""What a source tree says about its agents, without any of it being imported."""

from pathlib import Path

import pytest

from tests.dev.project import PYPROJECT, Project
from voice_host.dev.source import NoAgentHere, find_project, read_tree


@pytest.mark.parametrize("layout", ["src", "."])
def test_code_is_found_below_src_and_beside_pyproject(tmp_path: Path, layout: str) -> None:
    project = Project(tmp_path, layout=layout)
    tree = read_tree(tmp_path)
    assert (tree.name, tree.version, tree.entry_points) == ("ice-cream", "3.2.1", {"ice-cream": "ice_cream"})
    assert tree.code == (tmp_path / layout / "ice_cream",)
    assert tree.roots == (project.package.parent,)


def test_an_agent_can_be_a_single_module(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "ice_cream.py").touch()
    assert read_tree(tmp_path).code == (tmp_path / "ice_cream.py",)


def test_several_agents_of_a_tree_share_its_code(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with project.pyproject.open("a", encoding="utf-8") as file:
        file.write('sorbet = "ice_cream.sorbet:plugin"\n')
    tree = read_tree(tmp_path)
    assert list(tree.entry_points) == ["ice-cream", "sorbet"]
    assert len(tree.code) == 1


def test_an_installed_package_of_another_layout_is_found_where_it_is(tmp_path: Path) -> None:
    text = PYPROJECT.replace('"ice_cream"', '"example_agent_plugin"')
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    [code] = read_tree(tmp_path).code
    assert (code / "agent.py").is_file()


def test_the_project_is_found_from_within(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert find_project(project.package) == tmp_path
    assert find_project(project.package / "__init__.py") == tmp_path


def test_a_version_that_is_made_by_the_build_is_unknown(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pyproject.write_text(PYPROJECT.replace('version = "3.2.1"', 'dynamic = ["version"]'), encoding="utf-8")
    assert read_tree(tmp_path).version == "0.dev0"


@pytest.mark.parametrize(
    ("text", "why", "hint"),
    [
        ("[project", "cannot be read", "save it"),
        ("[tool.x]", "no [project] with a name", "[project]"),
        ('[project]\nname = "x"', "declares no agent", '[project.entry-points."voice_host.agents"]'),
        ('[project]\nname = "x"\ndynamic = ["entry-points"]', "to the build", "[project.entry-points]"),
        (PYPROJECT.replace('"ice_cream"', '"icecream"'), "there is no icecream", "correct the entry point"),
    ],
)
def test_what_is_wrong_is_said_in_words(tmp_path: Path, text: str, why: str, hint: str) -> None:
    project = Project(tmp_path)
    project.pyproject.write_text(text, encoding="utf-8")
    with pytest.raises(NoAgentHere) as error:
        read_tree(tmp_path)
    assert why in str(error.value)
    assert hint in error.value.hint


def test_a_folder_without_a_project_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(NoAgentHere, match="nowhere does not exist"):
        find_project(Path("nowhere"))
    if not any((folder / "pyproject.toml").exists() for folder in tmp_path.parents):
        with pytest.raises(NoAgentHere) as error:
            find_project(tmp_path)
        assert "voice-host new NAME" in error.value.hint
