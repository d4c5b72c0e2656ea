"""Where a suite's files are, and whether they are still the files that the manifest means."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..core.digest import file_sha256
from ..core.errors import AssetError
from ..core.files import resolve_inside
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
            The file beside the manifest, else the cached one, else None.

        Raises:
            AssetError: When a symbolic link leads out of the manifest's folder.
        """
        asset = suite.assets[asset_id]
        for path in (path_inside(folder, asset_id, asset), self.cached_path(asset)):
            if path.is_file():
                return path
        return None

    def require(self, suite: Suite, asset_id: str, folder: Path) -> Path:
        """Find an asset's file and check that it is the right one.

        Raises:
            AssetError: When the file is missing or has changed; says how to mend it.
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
            status = path.stat()
            if status.st_size != asset.bytes:
                raise _changed(path, asset_id, f"it has {status.st_size} bytes, the manifest says {asset.bytes}")
            key = (path, status.st_size, status.st_mtime_ns)
            if key not in self._hashes:
                self._hashes[key] = file_sha256(path)
        except OSError as error:
            raise AssetError(f"asset {asset_id}: cannot read {path}: {error.strerror or error}") from error
        if self._hashes[key] != asset.sha256:
            raise _changed(path, asset_id, f"sha256 is {self._hashes[key]}, the manifest says {asset.sha256}")


def path_inside(folder: Path, asset_id: str, asset: Asset) -> Path:
    """An asset's path below a folder.

    Raises:
        AssetError: When a symbolic link leads out of the folder.
    """
    try:
        return resolve_inside(folder, asset.path)
    except ValueError as error:
        raise AssetError(f"asset {asset_id}: {error} {folder}: put the file itself there, not a link") from error


def _changed(path: Path, asset_id: str, what: str) -> AssetError:
    return AssetError(f"asset {asset_id}: file {path} has changed: {what}: fetch it again or correct the manifest")
