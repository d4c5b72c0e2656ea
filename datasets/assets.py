"""Where a suite's files are, and whether they are still the files that the manifest means."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..core.digest import digest, file_sha256
from ..core.errors import AssetError, MediaError
from ..core.files import is_safe_relative, resolve_inside
from .frame_folder import frame_files
from .manifest import Asset, Suite


class AssetStore:
    """A content-addressed cache of media files: ``<cache>/assets/ab/<sha256><suffix>``.

    A file that lies beside its manifest is used where it lies; the cache holds what was fetched.

    Args:
        cache: The cache folder; made when something is put into it.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._hashes: dict[tuple[Path, int, int], str] = {}

    def cached_path(self, asset: Asset) -> Path:
        """Where the cache keeps an asset, whether or not it is there."""
        suffix = PurePosixPath(asset.path).suffix.lower()
        return self.cache / "assets" / asset.sha256[:2] / f"{asset.sha256}{suffix}"

    def locate(self, suite: Suite, asset_id: str, folder: Path) -> Path | None:
        """Find an asset's file, without looking into it.

        Args:
            suite: The suite.
            asset_id: A key of ``suite.assets``.
            folder: The manifest's folder.

        Returns:
            The file (or folder of frames) beside the manifest or below its root, else the cached one, else None.

        Raises:
            AssetError: When a symbolic link leads out of the manifest's folder.
        """
        asset = suite.assets[asset_id]
        beside = path_inside(suite.root_of(asset_id, folder), asset_id, asset)
        if beside.is_file() or beside.is_dir():
            return beside
        cached = self.cached_path(asset)
        return cached if cached.is_file() else None

    def require(self, suite: Suite, asset_id: str, folder: Path) -> Path:
        """Find an asset's file and check that it is the right one.

        Raises:
            AssetError: When the file is missing or has changed; says the fix.
        """
        path = self.locate(suite, asset_id, folder)
        if path is None:
            raise AssetError(
                f"asset {asset_id}: {suite.assets[asset_id].path} is neither beside the manifest nor in the cache: "
                f"run 'bench data fetch {suite.name}'"
            )
        self.verify(path, asset_id, suite.assets[asset_id])
        return path

    def verify(self, path: Path, asset_id: str, asset: Asset) -> None:
        """Compare a file's size and sha256 with the manifest's; an unchanged file is hashed once per process.

        Raises:
            AssetError: In one line with both values.
        """
        try:
            files = content_files(path)
            size = sum(file.stat().st_size for file in files)
            if size != asset.bytes:
                raise _changed(path, asset_id, f"it has {size} bytes, the manifest says {asset.bytes}")
            key = (path, size, max(file.stat().st_mtime_ns for file in files))
            if key not in self._hashes:
                self._hashes[key] = content_sha256(path)
        except MediaError as error:
            raise AssetError(f"asset {asset_id}: {error}") from error
        except OSError as error:
            raise AssetError(f"asset {asset_id}: cannot read {path}: {error.strerror or error}") from error
        if self._hashes[key] != asset.sha256:
            raise _changed(path, asset_id, f"sha256 is {self._hashes[key]}, the manifest says {asset.sha256}")


def content_files(path: Path) -> list[Path]:
    """The files whose bytes are an asset's: itself, or the pictures of a folder of frames."""
    return frame_files(path) if path.is_dir() else [path]


def content_sha256(path: Path) -> str:
    """The sha256 of a file, or of the names and hashes of a folder of frames."""
    if path.is_dir():
        return digest([[file.name, file_sha256(file)] for file in frame_files(path)])
    return file_sha256(path)


def path_inside(folder: Path, asset_id: str, asset: Asset) -> Path:
    """An asset's path below a folder. Links inside the folder are followed, and those of a Hugging Face cache.

    Raises:
        AssetError: When a symbolic link leads out of the folder.
    """
    try:
        return resolve_inside(folder, asset.path)
    except ValueError as error:
        if is_hub_link(folder, asset.path):
            return folder / asset.path
        raise AssetError(
            f"asset {asset_id}: {error} {folder}: it is a link; put the file itself there, or name its folder in roots"
        ) from error


def is_hub_link(folder: Path, name: str) -> bool:
    """Whether a path in ``<repository>/snapshots/<revision>`` leads to ``<repository>/blobs``.

    That is how the Hugging Face cache keeps each file once for all revisions.
    """
    if not is_safe_relative(name):
        return False
    target = (folder / name).resolve()
    repositories = [parent.parent for parent in folder.absolute().parents if parent.name == "snapshots"]
    return any(target.is_relative_to((repository / "blobs").resolve()) for repository in repositories)


def _changed(path: Path, asset_id: str, what: str) -> AssetError:
    return AssetError(f"asset {asset_id}: file {path} has changed: {what}: fetch it again or correct the manifest")
