"""Weights files as ``bench doctor`` lists them: found, missing or damaged, with the way to get each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .digest import cached_sha256, file_sha256
from .errors import WeightsError

RECORD = "portraitbench-files.json"
"""Beside fetched files: their sizes and digests as the hub gave them, and their times of change (ns) on this disk."""
Shapes = dict[str, tuple[int, ...]]
"""Shapes of tensors by name."""

_HEADER_LIMIT = 100 << 20
_HASHED = 512 << 20
"""Bytes up to which a listing of weights files reads a whole file for its digest."""


@dataclass(frozen=True)
class WeightFile:
    """One file that a component reads.

    Attributes:
        name: The publisher's name of the file, or its place in the publisher's repository.
        source: URL of the file, or of the page that offers it.
        licence: Licence of the weights, with its limits.
        path: Where it is; None when it is not there.
        how: The way to get it, one sentence.
        role: What it does, a few words.
        problem: What is wrong with the file found, one line that says the fix; empty when nothing is.
        size: Its bytes on disk; 0 when it is not there.
        expected_size: The publisher's bytes, where known.
        about_size: The size for people, where the publisher's bytes are not known ("1.7 GB in 16 bit").
        sha256: Digest of the file found, where it is known without reading gigabytes; else empty.
        expected_sha256: The publisher's digest, where known.
        only: Option values that need it ("x1"); empty when all do.
    """

    name: str
    source: str
    licence: str
    path: Path | None
    how: str
    role: str = ""
    problem: str = ""
    size: int = 0
    expected_size: int | None = None
    about_size: str = "size not published"
    sha256: str = ""
    expected_sha256: str = ""
    only: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """One of "found", "missing" and "damaged"."""
        if self.path is None:
            return "missing"
        wrong_size = self.expected_size not in (None, self.size)
        wrong_content = bool(self.sha256 and self.expected_sha256 and self.sha256 != self.expected_sha256)
        return "damaged" if self.problem or wrong_size or wrong_content else "found"


def tensor_shapes(path: Path) -> Shapes:
    """Names and shapes of a safetensors file's tensors, from its header alone.

    Raises:
        WeightsError: In words that complete a sentence about the file, when it is damaged or cut short.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header: dict[str, Any] = json.loads(file.read(length)) if 2 <= length <= _HEADER_LIMIT else {}
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            end = 8 + length + max(entry["data_offsets"][1] for entry in tensors.values())
            shapes = {name: tuple(entry["shape"]) for name, entry in tensors.items()}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise WeightsError("is not a readable safetensors file, maybe cut short") from error
    size = path.stat().st_size
    if size != end:
        raise WeightsError(f"{'is cut short' if size < end else 'is too long'}: its header says {end:,} bytes")
    return shapes


def shape_differences(found: Shapes, own: Shapes) -> str:
    """How a file's tensors differ from a network's: counts, and the first of each kind; "" when they do not."""
    facts = {
        "missing": sorted(own.keys() - found.keys()),
        "unknown": sorted(found.keys() - own.keys()),
        "of another shape": sorted(name for name in own.keys() & found.keys() if own[name] != found[name]),
    }
    return ", ".join(f"{len(names)} tensors {kind} ({names[0]!r})" for kind, names in facts.items() if names)


def require_shapes(found: Shapes, own: Shapes) -> None:
    """See that a file's tensors are a network's.

    Raises:
        WeightsError: In words that complete a sentence about the file.
    """
    if wrong := shape_differences(found, own):
        raise WeightsError(f"belongs to another model: {wrong}")


def file_on_disk(
    path: Path | None, *, name: str, source: str, licence: str, how: str, size: int | None = None, role: str = ""
) -> WeightFile:
    """A weights file that lies where the user put it, as it is now.

    Args:
        path: Where it is looked for; None where no place is known.
        name: The publisher's name of it.
        source: URL of the file or of its page.
        licence: Licence of the weights.
        how: The way to get it.
        size: The publisher's bytes, where known.
        role: What it does.
    """
    found = path is not None and path.is_file()
    return WeightFile(
        name=str(path) if path else name,
        source=source,
        licence=licence,
        path=path if found else None,
        how=how,
        role=role,
        size=path.stat().st_size if path and found else 0,
        expected_size=size,
        sha256=content_digest(path) if path and found and path.stat().st_size <= _HASHED else "",
    )


def content_digest(path: Path) -> str:
    """sha256 of a weights file, taken from where it is known, so that gigabytes need not be read in every process.

    The Hugging Face cache names large files by it. What a fetch recorded, in the file's folder or above it, counts as
    long as size and time of change are what they were then; else the file is read.
    """
    name = path.resolve().name
    if len(name) == 64 and "." not in name:
        return name
    return _recorded(path) or cached_sha256(path)


def _recorded(path: Path) -> str:
    """The digest in the nearest record above a file; empty where none is, or the file has changed since."""
    root = next((folder for folder in path.parents if (folder / RECORD).is_file()), None)
    if root is None:
        return ""
    try:
        entry = json.loads((root / RECORD).read_text())["files"][path.relative_to(root).as_posix()]
        status = path.stat()
        same = (entry["bytes"], entry["modified"]) == (status.st_size, status.st_mtime_ns)
        return str(entry["sha256"]) if same else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # reading the file is never wrong, and ``bench doctor`` tells of a damaged record


def known_digest(path: Path, root: Path, name: str, *, hashed: bool = False) -> str:
    """The sha256 that the hub's cache or the record of a fetch gives, compared where there is something to compare.

    Args:
        path: The file.
        root: Folder of its repository.
        name: Its path below that.
        hashed: Also read the whole file and compare its digest.

    Returns:
        The digest in hex; empty where none is known without reading the file.

    Raises:
        WeightsError: In words that complete a sentence about the file, when it has changed or was cut short.
    """
    blob = path.resolve().name
    if len(blob) == 64 and "." not in blob:
        _compare(path, blob if hashed else None, None)
        return blob
    try:
        entry = json.loads((root / RECORD).read_text())["files"].get(name, {})
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"cannot be judged, {root / RECORD} is damaged") from error
    _compare(path, entry.get("sha256") if hashed else None, entry.get("bytes"))
    is_known = hashed or entry.get("modified") in (None, path.stat().st_mtime_ns)  # early records have no time
    return str(entry.get("sha256") or "") if is_known else ""


def _compare(path: Path, sha256: str | None, size: int | None) -> None:
    found = path.stat().st_size
    if size is not None and found != size:
        raise WeightsError(f"{'is cut short' if found < size else 'has changed'}: {size:,} bytes were fetched")
    if sha256 and (other := file_sha256(path)) != sha256:
        raise WeightsError(f"has changed: its sha256 is {other}, not {sha256}")
