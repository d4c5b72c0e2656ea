"""The run folder: what was planned, what was done, what came out. Survives being killed at any moment.

Records are JSON lines, flushed to disk one by one; a line cut off by a kill is ignored and overwritten by the next.
One process writes one records file (its shard's); anybody may read them all.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.digest import canonical_json, file_sha256
from ..core.errors import StoreError, one_line
from ..core.files import atomic_path, write_text
from ..core.locks import try_lock
from .records import Record, parse_line, parse_record

__all__ = ["Record", "Store", "is_intact", "read_lines", "storing"]


@contextmanager
def storing(what: Path) -> Iterator[None]:
    """Turn an operating-system error while writing into one line that says where and what to do.

    Raises:
        StoreError: For a full disk, a read-only folder, missing rights.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {what}: {error.strerror or one_line(error)} (free space or choose another folder with "
            "--out; what was finished is kept and the same command goes on from there)"
        ) from error


class Store:
    """A run folder.

    Args:
        folder: Where it is or will be.
        shard: Name of the records file this process writes, like "1-of-4".

    Attributes:
        records: Latest record by (stage, key), of all shards; filled by :meth:`load`.
        turn: Number of the command that writes now; it stands in its records, which win over those of earlier turns.
    """

    def __init__(self, folder: Path, shard: str = "1-of-1") -> None:
        self.folder = folder
        self.records: dict[tuple[str, str], Record] = {}
        self.turn = 1
        self._path = folder / "records" / f"{shard}.jsonl"
        self._file: int | None = None

    @property
    def plan_path(self) -> Path:
        """The plan, one line per case and method."""
        return self.folder / "plan.jsonl"

    def load(self, *, fingerprints: bool = False, stage: str = "") -> None:
        """Read all records; later turns win, and later lines of the same turn.

        Args:
            fingerprints: Whether to keep what decided each result: most of a record's memory, which few ask for.
            stage: Read the records of this stage alone; for whoever only looks, not for whoever goes on to write.

        Raises:
            StoreError: When a finished line is not a record.
        """
        self.records.clear()
        for path in sorted((self.folder / "records").glob("*.jsonl")):
            for record in read_lines(path, parse_record, f'"{stage}"' if stage else ""):
                if stage and record["stage"] != stage:
                    continue
                if not fingerprints:
                    record.pop("fingerprint", None)
                place = record["stage"], record["key"]
                if place not in self.records or _turn(record) >= _turn(self.records[place]):
                    self.records[place] = record
        # Not the time of day, which may go backwards.
        self.turn = 1 + max(map(_turn, self.records.values()), default=0)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the records file of this shard for writing; nobody else can at the same time.

        Raises:
            StoreError: When the folder cannot be written or another process holds the shard.
        """
        with storing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not try_lock(file, self._path):
                raise StoreError(
                    f"run {self.folder}: another process is writing {self._path.name}: wait for it, or give this one "
                    "its own --name or --shard"
                )
            with storing(self._path):
                _drop_torn_line(file)
            self._file = file
            yield
        finally:
            self._file = None
            os.close(file)

    def append(self, records: Iterable[Record]) -> None:
        """Write records and wait until they are on the disk.

        Raises:
            StoreError: When the disk is full, or the folder has become read-only or was removed.
        """
        batch = list(records)
        if self._file is None:
            raise RuntimeError("records are written inside Store.writing()")
        with storing(self._path):
            _write_all(self._file, _encode(batch))
            os.fsync(self._file)
        self._require_in_place(self._file)
        for record in batch:
            kept = {name: value for name, value in record.items() if name != "fingerprint"}
            self.records[record["stage"], record["key"]] = kept

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a file of the folder atomically, readable by people."""
        path = self.folder / name
        with storing(path):
            write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def write_plan(self, lines: Iterable[str]) -> None:
        """Write the plan atomically, a line of JSON per output; it always is the plan of the last command.

        Args:
            lines: With their ends.
        """
        with storing(self.plan_path), atomic_path(self.plan_path) as temporary, temporary.open("wb") as file:
            file.writelines(line.encode() for line in lines)

    def has_output(self, record: Record) -> bool:
        """Whether the files a generate record speaks of are still there, byte for byte."""
        files = (record["output"], record["canvas"], record.get("pasted"))
        return all(is_intact(self.folder, part) for part in files if part)

    def _require_in_place(self, file: int) -> None:
        """See that the open records file still is the one of the folder.

        Raises:
            StoreError: When the run folder was removed or replaced while a command was at work in it.
        """
        try:
            is_same = os.path.samestat(os.fstat(file), self._path.stat())
        except OSError:
            is_same = False
        if not is_same:
            raise StoreError(
                f"run {self.folder}: was removed or replaced while this command was at work in it: give the same "
                "command again"
            )


def _turn(record: Record) -> int:
    return int(record.get("turn", 0))


def read_lines(path: Path, parse: Callable[[str], Record] = parse_line, having: str = "") -> Iterator[Record]:
    """Read a file of JSON lines; an unfinished last line is left out.

    Args:
        path: The file; one that does not exist has no lines.
        parse: Reads one line; raises ValueError for what it does not take.
        having: Lines without this text are passed over.

    Raises:
        StoreError: When a finished line cannot be used, which no kill can cause; names the file and the line.
    """
    for number, line in enumerate(_whole_lines(path), start=1):
        if having not in line:
            continue
        try:
            record = parse(line)
        except ValueError as error:
            raise StoreError(
                f"{path}: line {number}: {one_line(error)} (edited by hand? take the line out, its work is done again)"
            ) from error
        yield record


def _whole_lines(path: Path) -> Iterator[str]:
    """The lines of a file one by one, without their ends; one that is not finished is left out."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line[:-1].decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or one_line(error)}") from error


def _encode(records: Iterable[Record]) -> bytes:
    # File names that are no text (lone surrogates) may stand in a reason; they must not stop the run.
    return "".join(canonical_json(record) + "\n" for record in records).encode(errors="backslashreplace")


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _drop_torn_line(file: int) -> None:
    """Cut the file after its last line end, so that the next record starts on a line of its own."""
    size = os.lseek(file, 0, os.SEEK_END)
    keep = size
    while keep:
        start = max(0, keep - 65536)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, keep - start).rfind(b"\n")
        if found >= 0:
            keep = start + found + 1
            break
        keep = start
    if keep < size:
        os.ftruncate(file, keep)
    os.lseek(file, 0, os.SEEK_END)


def is_intact(folder: Path, part: Mapping[str, Any]) -> bool:
    """Whether a file that a record speaks of is there, byte for byte.

    It is read only where its size and its time of change are not those of when it was written: a folder that was copied
    without times is read, one that stayed is not. Whoever shows the file to a face model or metric compares its bytes.
    """
    try:
        status = os.stat(os.path.join(folder, part["path"]))  # noqa: PTH116, PTH118 - asked of every output of a run
    except OSError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != part["bytes"]:
        return False
    if status.st_mtime_ns == part.get("modified"):
        return True
    return file_sha256(folder / part["path"]) == str(part["sha256"])


def stored_file(folder: Path, path: Path) -> dict[str, Any]:
    """What a record says of a file of the run folder that has just been written."""
    status = path.stat()
    return {
        "path": path.relative_to(folder).as_posix(),
        "bytes": status.st_size,
        "modified": status.st_mtime_ns,
        "sha256": file_sha256(path),
    }
