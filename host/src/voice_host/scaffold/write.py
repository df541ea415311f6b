"""Writing the files of a new agent's package: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from string import Template

from voice_host.scaffold.names import Names

TEMPLATE = Path(__file__).parent / "template"
SUFFIX = ".template"
"""The suffix of all template files, so that no tool takes them for code or configuration."""


class CannotScaffold(Exception):
    """The files cannot be written. The message says why, `hint` what to do. Nothing has been changed."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def scaffold(names: Names, folder: Path) -> list[Path]:
    """Write the package into `folder` and return its files, sorted. Missing folders are created.

    Raises:
        CannotScaffold: a file exists already, or the folder cannot be written to.
    """
    files = {folder / path: text for path, text in _rendered(names)}
    if existing := sorted(str(path.relative_to(folder)) for path in files if path.exists() or path.is_symlink()):
        listed = ", ".join(existing[:3]) + (f" and {len(existing) - 3} more" if len(existing) > 3 else "")
        raise CannotScaffold(
            f"{folder} already contains {listed}, and existing files are never overwritten",
            "choose another name, or another place with --dir",
        )
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        problem = f"{error.filename or folder} cannot be written: {error.strerror or type(error).__name__}"
        raise CannotScaffold(problem, "choose a folder you can write to with --dir") from error
    return sorted(files)


def _rendered(names: Names) -> Iterator[tuple[PurePosixPath, str]]:
    for source in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
        parts = source.relative_to(TEMPLATE).parts
        path = PurePosixPath(*(names.package if part == "package" else part for part in parts))
        text = Template(source.read_text(encoding="utf-8")).substitute(asdict(names))
        yield path.with_name(path.name.removesuffix(SUFFIX)), text
