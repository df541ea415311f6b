"""Files for browsers, with the headers that they need."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_CONTENT_TYPES = {
    # The system's MIME registry may map `.js` to a type that browsers do not run, and `.ts` to a video.
    ".js": "text/javascript; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
}


class FilesWithHeaders(StaticFiles):
    """The files of a folder, with ETags; `headers` are added to each response."""

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._headers = headers

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file, or that it is not modified."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(self._headers)
        if (content_type := _CONTENT_TYPES.get(Path(full_path).suffix)) and response.status_code == 200:
            response.headers["content-type"] = content_type
        return response
