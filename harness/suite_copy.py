"""The manifests that a run was made with, kept in its folder: ``suites/<name>.json``.

With them a report can show the inputs from wherever the run's suites came, without the plug-in, cache or manifest file
that the run was started with.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.errors import AssetError, StoreError, one_line
from ..core.files import write_text
from ..core.options import first_problem
from ..datasets.assets import AssetStore
from ..datasets.clip import Clip, Frame
from ..datasets.framing import frame_window
from ..datasets.manifest import Case, Suite, Window
from .session import Session
from .store import storing

FOLDER = "suites"


class SuiteCopy(BaseModel):
    """A suite as a run read it.

    Attributes:
        suite: The manifest.
        paths: The file of each asset, absolute, by asset id; assets that were not at hand when the run began (and not
            needed by its cases) are missing.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    suite: Suite
    paths: dict[str, Path]

    @cached_property
    def cases(self) -> dict[str, Case]:
        """Cases by id."""
        return {case.id: case for case in self.suite.cases()}

    def middle_frame(self, window: Window) -> Frame:
        """The middle frame of a window, framed as the run saw it, shape (size, size, 3).

        Raises:
            AssetError: When the file is gone or has changed since.
            MediaError: When it cannot be decoded.
        """
        middle = Window(asset=window.asset, start=window.start + window.frames // 2, crop=window.crop)
        frame: Frame = self.clip(middle).frames[0]
        return frame

    def clip(self, window: Window) -> Clip:
        """A window, framed as the run saw it; errors as for :meth:`middle_frame`."""
        path = self.paths.get(window.asset)
        asset = self.suite.assets[window.asset]
        if path is None or not path.is_file():
            raise AssetError(f"asset {window.asset}: {path or asset.path} is not there")
        AssetStore(path.parent).verify(path, window.asset, asset)
        return frame_window(self.suite, window, path)


def copy_suites(session: Session) -> None:
    """Write the manifests of a run into its folder, before its first record.

    Raises:
        StoreError: When the folder cannot be written.
    """
    for opened in session.media.suites:
        found = {name: session.media.assets.locate(opened.suite, name, opened.folder) for name in opened.suite.assets}
        paths = {name: path.absolute() for name, path in found.items() if path is not None}
        copy = SuiteCopy(suite=opened.suite, paths=paths)
        path = _path(session.config.folder, opened.suite.name)
        with storing(path):
            write_text(path, copy.model_dump_json(indent=1, by_alias=True) + "\n")


def load_copy(folder: Path, name: str) -> SuiteCopy | None:
    """Read a run's copy of a manifest; None where the run has none.

    Args:
        folder: The run folder.
        name: The suite's name.

    Raises:
        StoreError: When the file is damaged.
    """
    path = _path(folder, name)
    try:
        return SuiteCopy.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or one_line(error)}") from error
    except ValidationError as error:
        field, message = first_problem(error)
        raise StoreError(
            f"{path}: is damaged: {field or 'the file'}: {message} (the bench run command that made it writes it again)"
        ) from error


def copied_suites(folder: Path) -> list[str]:
    """Names of all suites that any command on a run folder has had."""
    return sorted(path.stem for path in (folder / FOLDER).glob("*.json"))


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.json"
