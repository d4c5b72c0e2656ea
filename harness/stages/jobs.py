"""Jobs: each is plain data, is done by any worker, and ends in records whatever happens."""

from __future__ import annotations

import errno
import gc
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...core.digest import canonical_json, digest, file_sha256
from ...core.errors import BenchError, CaseError, Status, StoreError, one_line
from ...core.files import write_text
from ...datasets.clip import Clip
from ...datasets.manifest import Window
from ...datasets.media import read_output
from ..session import Session
from ..store import Record, storing
from ..telemetry import Meter

_STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


class Job(Protocol):
    """Something a worker does."""

    @property
    def where(self) -> str:
        """What the job works on, for progress and logs."""
        ...

    @property
    def files(self) -> list[str]:
        """Files of the run folder that it reads, by their path in it."""
        ...

    def run(self, session: Session) -> list[Record]:
        """Do it.

        Raises:
            BenchError: When the whole run cannot go on (missing weights, full disk).
            CaseError: When this piece cannot be done.
        """
        ...

    def failed(self, status: Status, reason: str) -> list[Record]:
        """The records that stand for this job when it could not be done."""
        ...


def perform(job: Job, session: Session) -> list[Record]:
    """Do a job; whatever goes wrong with this one job becomes its record.

    One that runs out of memory is tried once more after all that can be freed was freed: another job's leftovers, or
    another program on the card, may have taken what it needs.

    Raises:
        BenchError: When the whole run cannot go on.
    """
    records = _attempt(job, session)
    if any(record["status"] == Status.OOM for record in records):
        _free_memory(session)
        records = _attempt(job, session)
    return records


def _free_memory(session: Session) -> None:
    session.spare_memory()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _attempt(job: Job, session: Session) -> list[Record]:
    with Meter(session.device) as meter:
        try:
            records = job.run(session)
            canonical_json(records)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a method may raise anything; it becomes a record
            records = job.failed(*failure(error, session, job))
    for record in records:
        record["seconds"] = round(meter.seconds / len(records), 4)
        record["peak_bytes"] = meter.peak_bytes
    return records


@dataclass(frozen=True)
class Source:
    """Where a clip of the run comes from: a window of an asset, or a file of the run folder.

    Attributes:
        suite: Suite name.
        key: Digest of the clip's content; of a file, of its bytes.
        window: A window of an asset of the suite, or
        path: a file, relative to the run folder.
    """

    suite: str
    key: str
    window: Window | None = None
    path: str | None = None

    def load(self, session: Session) -> Clip:
        """Decode the clip.

        Raises:
            StoreError: When the run folder's file is no longer the one that is to be looked at: what is seen in it
                would be recorded under the name of the other.
        """
        if self.window is not None:
            return session.media.load(self.suite, self.window)
        path = session.config.folder / str(self.path)
        if not path.is_file() or file_sha256(path) != self.key:
            raise StoreError(
                f"{path}: was removed or changed while this command was at work: give the same command again"
            )
        return read_output(path)


def failure(error: BaseException, session: Session, job: Job) -> tuple[Status, str]:
    """Status and reason of a failed job; one that was not foreseen also leaves a traceback in the logs.

    Raises:
        StoreError: When the disk is full or read-only. That is no property of the case: the run stops, and goes on
            once that is fixed.
    """
    if isinstance(error, CaseError):
        return error.status, one_line(error)
    if isinstance(error, OSError) and error.errno in _STORAGE_ERRORS:
        with storing(Path(error.filename or session.config.folder)):
            raise error
    _log_traceback(session.config.folder, job)
    kind = type(error).__name__
    is_oom = isinstance(error, MemoryError) or kind == "OutOfMemoryError"
    return Status.OOM if is_oom else Status.CRASH, f"{kind}: {one_line(error)}" if str(error) else kind


def log_name(where: str) -> str:
    """What a log file's name says of the job it is about."""
    return "".join(letter if letter.isalnum() or letter in "._-+" else "-" for letter in where)[:120]


def _log_traceback(folder: Path, job: Job) -> None:
    stem = f"{type(job).__name__}-{log_name(job.where)}-{digest(repr(job))[:8]}"
    with storing(folder / "logs"):
        write_text(folder / "logs" / f"{stem}.txt", traceback.format_exc().encode(errors="replace").decode())
