"""A suite's cases as files: exactly the frames that are measured, for systems that run elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.errors import ConfigError, MediaError
from ..core.files import write_text
from .assets import AssetStore
from .catalog import OpenSuite
from .export import export
from .framing import frame_window
from .manifest import Case, Window
from .media import write_output

TABLE = "cases.csv"
"""Name of the table of cases in an exported folder."""

Tell = Callable[[str], None]
"""Called with each file's name below the folder once it is written."""


def export_suite(
    store: AssetStore,
    opened: OpenSuite,
    folder: Path,
    cases: Sequence[Case] | None = None,
    *,
    mp4: bool = False,
    force: bool = False,
    tell: Tell = lambda _: None,
) -> int:
    """Write framed identities, driving clips and targets, and a table of the cases they form.

    The folder gets ``identities/<id>.png``, ``drivings/<id>.png`` or ``.mkv`` (lossless, H.264 RGB), ``targets/<case
    id>``, where a case has a target of its own, and ``cases.csv``. A result for a case belongs into a file called
    ``<case id>.png`` or ``<case id>.mkv`` (or ``.mp4``, at a loss) with as many frames as the driving clip.

    Args:
        store: Where the suite's files are.
        opened: The suite.
        folder: Where to; made when it is not there.
        cases: Which cases; None for all.
        mp4: Also write clips as ``.mp4`` (H.264, 4:2:0, not lossless) for systems that read nothing else.
        force: Write into a folder that is not empty; files of the same names are replaced.
        tell: Told of each file.

    Returns:
        Number of cases in the table.

    Raises:
        ConfigError: When the folder is not empty, or the canvas is odd and .mp4 is asked for.
            Also when a file cannot be decoded.
        AssetError: When a file is missing or has changed.
    """
    suite = opened.suite
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise ConfigError(f"{folder} is there already and not empty: choose another folder or --force")
    if mp4 and suite.size % 2:
        raise ConfigError(
            f"--mp4: the canvas of {suite.size} pixels is odd, which .mp4 cannot hold: use the .mkv files"
        )
    chosen = suite.cases() if cases is None else list(cases)
    for asset_id in dict.fromkeys(window.asset for case in chosen for window in _windows(case).values()):
        store.require(suite, asset_id, opened.folder)
    files: dict[str, tuple[Path, int, float]] = {}
    for case in chosen:
        for name, window in _windows(case).items():
            if name not in files:
                files[name] = _write(store, opened, window, folder / name, mp4)
                tell(files[name][0].relative_to(folder).as_posix())
    write_text(folder / TABLE, _table(opened, chosen, files, folder, mp4))
    tell(TABLE)
    return len(chosen)


def _windows(case: Case) -> dict[str, Window]:
    """A case's windows by the files they go into, without ending."""
    windows = {f"identities/{case.identity_id}": case.identity, f"drivings/{case.driving_id}": case.driving}
    if case.target is not None and case.target != case.driving:
        windows[f"targets/{case.id}"] = case.target
    return windows


def _write(store: AssetStore, opened: OpenSuite, window: Window, stem: Path, mp4: bool) -> tuple[Path, int, float]:
    try:
        clip = frame_window(opened.suite, window, store.require(opened.suite, window.asset, opened.folder))
    except MediaError as error:
        raise ConfigError(f"asset {window.asset}: {error}") from error
    path = write_output(stem, clip)
    if mp4 and not clip.is_image:
        export(stem.with_name(f"{stem.name}.mp4"), clip)
    return path, len(clip), float(clip.fps)


def _table(
    opened: OpenSuite, cases: Sequence[Case], files: dict[str, tuple[Path, int, float]], folder: Path, mp4: bool
) -> str:
    text = io.StringIO()
    header = [
        "case",
        "suite",
        "kind",
        "identity",
        "driving",
        "driving_mp4",
        "target",
        "frames",
        "fps",
        "size",
        "result",
    ]
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(header)
    for case in cases:
        names = {name.partition("/")[0]: name for name in _windows(case)}
        paths = {role: files[name][0].relative_to(folder).as_posix() for role, name in names.items()}
        driving, frames, fps = files[names["drivings"]]
        is_clip = driving.suffix == ".mkv"
        rows.writerow(
            [
                case.id,
                opened.suite.name,
                case.kind,
                paths["identities"],
                paths["drivings"],
                f"{paths['drivings'].removesuffix('.mkv')}.mp4" if mp4 and is_clip else "",
                paths.get("targets", ""),
                frames,
                f"{fps:.6g}" if is_clip else "",
                opened.suite.size,
                f"{case.id}.mkv" if is_clip else f"{case.id}.png",
            ]
        )
    return text.getvalue()
