"""What two reports of the same results must have in common."""

from __future__ import annotations

from pathlib import Path


def report_files(folder: Path) -> dict[str, bytes]:
    """All files of a run's report that are a function of the results alone.

    ``cost.csv`` tells times, the HTML page tells of them too, and ``media`` holds its copies. What follows "With what"
    on the page names versions and the commit, which may change under a developer's hands.
    """
    paths = [path for path in (folder / "report").iterdir() if path.is_file()]
    files = {path.name: path.read_bytes() for path in paths if path.name not in ("cost.csv", "index.html")}
    return files | {"index.md": files["index.md"].partition(b"## With what")[0]}
