"""Bringing published weights from the Hugging Face hub: over https, whole, with the sizes and digests the hub gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote

from .digest import file_sha256
from .download import DownloadProgress, FetchReport, download, opened
from .errors import AssetError
from .files import atomic_path, is_safe_relative, write_text
from .weights import RECORD

HUB = "https://huggingface.co"
_LIST_LIMIT = 32 << 20


class HubPart(Protocol):
    """Some files of one hub repository that are loaded together."""

    @property
    def publisher(self) -> str:
        """The repository's owner."""
        ...

    @property
    def repository(self) -> str:
        """The repository, without its owner."""
        ...

    @property
    def below(self) -> str:
        """Folder within the repository; empty for its top."""
        ...

    @property
    def alternatives(self) -> Sequence[tuple[str, ...]]:
        """For each of its files the names that it may have; the first one that the hub lists is fetched."""
        ...

    @property
    def url(self) -> str:
        """Page of the repository, for messages."""
        ...


@dataclass(frozen=True)
class HubFile:
    """One file as the hub lists it.

    Attributes:
        path: Below the repository.
        url: Its address at a fixed commit.
        bytes: Its size.
        sha256: Its digest, for large files.
        git: Its git object id, for small ones.
    """

    path: str
    url: str
    bytes: int
    sha256: str | None
    git: str | None


@dataclass(frozen=True)
class Listing:
    """All files of a repository.

    Attributes:
        publisher: Owner of the repository.
        repository: Without its owner.
        commit: The commit that they are of.
        files: By path.
    """

    publisher: str
    repository: str
    commit: str
    files: dict[str, HubFile]


def fetch_parts(parts: Sequence[HubPart], to: Path | None, progress: DownloadProgress | None = None) -> FetchReport:
    """Bring parts into a folder of repositories or into the Hugging Face cache; what is there and right is left alone.

    Args:
        parts: Which.
        to: The folder; None for the cache.
        progress: Told of every chunk.

    Returns:
        What was fetched, what was there and what failed; one failure does not stop the others.
    """
    report = FetchReport()
    for publisher, repository in dict.fromkeys((part.publisher, part.repository) for part in parts):
        try:
            listing = list_repository(publisher, repository)
            root = _destination(listing, to)
        except AssetError as error:
            report.failed[repository] = str(error)
            continue
        for part in parts:
            if (part.publisher, part.repository) == (publisher, repository):
                _fetch_part(part, listing, root, report, progress)
        if to is None and not any(name.startswith(f"{repository}/") for name in report.failed):
            write_text(root.parents[1] / "refs" / "main", listing.commit)
    return report


def fetch_files(
    wanted: Mapping[str, tuple[str, str]], to: Path, progress: DownloadProgress | None = None
) -> FetchReport:
    """Bring single files of several repositories into one folder; what is there and right is left alone.

    A file is found in its repository by its name, wherever it lies there.

    Args:
        wanted: By path below the folder: publisher and repository.
        to: The folder.
        progress: Told of every chunk.

    Returns:
        What was fetched, what was there and what failed; one failure does not stop the others.
    """
    report, root = FetchReport(), to.expanduser()
    listings: dict[tuple[str, str], Listing | AssetError] = {}
    for name, (publisher, repository) in wanted.items():
        try:
            if (publisher, repository) not in listings:
                try:
                    listings[publisher, repository] = list_repository(publisher, repository)
                except AssetError as error:
                    listings[publisher, repository] = error
            listing = listings[publisher, repository]
            if isinstance(listing, AssetError):
                raise listing
            file = replace(_named(listing, PurePosixPath(name).name), path=name)
            if _is_right(root / name, file):
                report.present.append(name)
            else:
                _fetch_file(name, file, root / name, progress)
                report.fetched.append(name)
            _record(root, listing.commit, file)
        except OSError as error:
            report.failed[name] = f"weights {name}: cannot be stored below {root}: {error.strerror or error}"
        except AssetError as error:
            page = f"{HUB}/{publisher}/{repository}"
            report.failed[name] = f"{error} (or take it from {page}, whose terms may have to be accepted first)"
    return report


def _named(listing: Listing, name: str) -> HubFile:
    found = [file for path, file in listing.files.items() if PurePosixPath(path).name == name]
    if len(found) != 1:
        many = "no file" if not found else f"{len(found)} files"
        raise AssetError(f"weights {name}: {listing.publisher}/{listing.repository} has {many} of that name")
    return found[0]


def list_repository(publisher: str, repository: str) -> Listing:
    """Ask the hub for a repository's files.

    Raises:
        AssetError: When it cannot be reached or answers something else.
    """
    url = f"{HUB}/api/models/{publisher}/{repository}/revision/main?blobs=true"
    where = f"weights {repository}: {url}"
    with opened(url, where) as response:
        body = response.read(_LIST_LIMIT)
    try:
        answer = json.loads(body)
        commit = str(answer["sha"])
        files = [_hub_file(publisher, repository, commit, entry) for entry in answer["siblings"]]
    except (ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{where}: the answer is no list of files: get the files from its page by hand") from error
    return Listing(publisher, repository, commit, {file.path: file for file in files})


def _hub_file(publisher: str, repository: str, commit: str, entry: dict[str, Any]) -> HubFile:
    path, large = str(entry["rfilename"]), entry.get("lfs")
    if not is_safe_relative(path) or not is_safe_relative(commit):
        raise ValueError(f"unsafe path {path!r}")
    return HubFile(
        path=path,
        url=f"{HUB}/{publisher}/{repository}/resolve/{quote(commit)}/{quote(path)}",
        bytes=int(large["size"] if large else entry["size"]),
        sha256=str(large["sha256"]) if large else None,
        git=None if large else str(entry["blobId"]),
    )


def _destination(listing: Listing, to: Path | None) -> Path:
    if to is not None:
        return to.expanduser() / listing.repository
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{listing.publisher}--{listing.repository}" / "snapshots" / listing.commit


def _fetch_part(
    part: HubPart, listing: Listing, root: Path, report: FetchReport, progress: DownloadProgress | None
) -> None:
    for names in part.alternatives:
        below = [f"{part.below}/{name}".lstrip("/") for name in names]
        asset_id = f"{part.repository}/{below[0]}"
        try:
            file = next((listing.files[name] for name in below if name in listing.files), None)
            if file is None:
                raise AssetError(f"weights {asset_id}: {part.url} holds none of {', '.join(names)}: look at its page")
            asset_id = f"{part.repository}/{file.path}"
            if _is_right(root / file.path, file):
                report.present.append(asset_id)
            else:
                _fetch_file(asset_id, file, root / file.path, progress)
                report.fetched.append(asset_id)
            _record(root, listing.commit, file)
        except OSError as error:
            report.failed[asset_id] = f"weights {asset_id}: cannot be stored below {root}: {error.strerror or error}"
        except AssetError as error:
            report.failed[asset_id] = str(error)


def _fetch_file(asset_id: str, file: HubFile, target: Path, progress: DownloadProgress | None) -> None:
    with atomic_path(target) as temporary:
        download(asset_id, file, temporary, progress, listed="the hub's list")
        if not _is_right(temporary, file):
            raise AssetError(f"asset {asset_id}: {file.url} sent another content than the hub lists: try again")


def _is_right(path: Path, file: HubFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    if file.sha256 is not None:
        return file_sha256(path) == file.sha256
    body = path.read_bytes()
    # Git names a file by this digest; it tells apart, and nobody relies on it against an attacker.
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest() == file.git


def _record(root: Path, commit: str, file: HubFile) -> None:
    """Note size, digest and time of change of a file that was just found right, so that nobody need read it again."""
    path = root / RECORD
    try:
        record = json.loads(path.read_text())
        files = dict(record["files"])
    except (OSError, ValueError, KeyError, TypeError):
        files = {}  # a damaged record is written anew
    files[file.path] = {
        "bytes": file.bytes,
        "sha256": file.sha256 or file_sha256(root / file.path),
        "modified": (root / file.path).stat().st_mtime_ns,
    }
    write_text(path, json.dumps({"commit": commit, "files": files}, indent=1))
