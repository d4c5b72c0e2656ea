"""The pieces of work a run consists of. Each is plain data, is done by any worker, and ends in records."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..core.digest import canonical_json, digest, file_sha256, seed_for
from ..core.errors import BenchError, CaseError, MediaError, Status, one_line
from ..core.files import write_text
from ..datasets.clip import Clip
from ..datasets.manifest import Case, Window
from ..datasets.media import read_output, write_output
from ..faces.base import Observation
from ..methods.base import Animation, Inputs
from ..metrics.base import Metric, Scene, View
from ..metrics.resolve import resolve
from .plan import PlannedMetric
from .session import Session
from .store import Record, storing
from .telemetry import Meter

_STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


class Job(Protocol):
    """Something a worker does."""

    @property
    def where(self) -> str:
        """What the job works on, for progress and logs."""
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
    """Do a job; whatever goes wrong with this one piece of work becomes its record.

    Raises:
        BenchError: When the whole run cannot go on.
    """
    with Meter() as meter:
        try:
            records = job.run(session)
            canonical_json(records)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a method may raise anything; it becomes a record
            records = job.failed(*_failure(error, session, job))
    for record in records:
        record["seconds"] = round(meter.seconds / len(records), 4)
        record["peak_bytes"] = meter.peak_bytes
    return records


@dataclass(frozen=True)
class Source:
    """Where a clip of the run comes from: a window of an asset, or a file of the run folder.

    Attributes:
        suite: Suite name.
        key: Digest of the clip's content.
        window: A window of an asset of the suite, or
        path: a file, relative to the run folder.
    """

    suite: str
    key: str
    window: Window | None = None
    path: str | None = None

    def load(self, session: Session) -> Clip:
        """Decode the clip."""
        if self.window is not None:
            return session.load(self.suite, self.window)
        return read_output(session.config.folder / str(self.path))


@dataclass(frozen=True)
class GenerateJob:
    """Make one output."""

    suite: str
    case: str
    method: str
    key: str

    @property
    def where(self) -> str:
        """Case and method."""
        return f"{self.case} · {self.method}"

    def run(self, session: Session) -> list[Record]:
        """See :meth:`Job.run`."""
        case = session.case(self.suite, self.case)
        calls = session.observer.calls.copy()
        driving = session.load(self.suite, case.driving)
        seed = seed_for(session.config.seed, self.suite, self.case)
        inputs = Inputs(case.id, session.load(self.suite, case.identity), driving, seed)
        animation = self._animate(session, inputs)
        stem = Path("outputs") / self.suite / self.case / self.method
        record = self._record(Status.OK, "")
        record["output"] = _save(session.config.folder, stem, animation.clip)
        if animation.canvas is not None:
            record["canvas"] = _save(session.config.folder, stem.with_name(f"{stem.name}.canvas"), animation.canvas)
        record |= {"frames": len(animation.clip), "detail": dict(animation.detail)}
        record["calls"] = dict(session.observer.calls - calls)
        return [record]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """See :meth:`Job.failed`."""
        return [self._record(status, reason)]

    def _animate(self, session: Session, inputs: Inputs) -> Animation:
        try:
            animation = session.method(self.method).animate(inputs)
        except CaseError:
            raise
        except BaseException:
            session.forget_methods()
            raise
        _check_animation(animation, len(inputs.driving))
        return animation

    def _record(self, status: Status, reason: str) -> Record:
        names = {"suite": self.suite, "case": self.case, "method": self.method}
        return {"stage": "generate", "key": self.key, **names, "status": status, "reason": reason} | {
            "output": None,
            "canvas": None,
        }


@dataclass(frozen=True)
class LookJob:
    """Show one clip to the face models; what they see lands in the feature cache."""

    source: Source
    features: tuple[str, ...]
    key: str
    where: str

    def run(self, session: Session) -> list[Record]:
        """See :meth:`Job.run`."""
        calls = session.observer.calls.copy()
        seen = session.observer.observe(self.source.load(session), self.features)
        record = self.failed(Status.OK, "")[0]
        record |= {
            "frames": len(seen.counts),
            "no_face": int((seen.counts == 0).sum()),
            "several_faces": int((seen.counts > 1).sum()),
            "calls": dict(session.observer.calls - calls),
        }
        return [record]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """See :meth:`Job.failed`."""
        return [{"stage": "look", "key": self.key, "clip": self.where, "status": status, "reason": reason}]


@dataclass(frozen=True)
class ScoreJob:
    """Score one output with some metrics.

    Attributes:
        suite: Suite name.
        case: Case id.
        method: Row label.
        generated: The output.
        canvas: The driving clip as the method framed it; None when it kept the suite's framing.
        metrics: What to compute, with the keys of the records.
    """

    suite: str
    case: str
    method: str
    generated: Source
    canvas: Source | None
    metrics: tuple[tuple[PlannedMetric, str], ...]

    @property
    def where(self) -> str:
        """Case and method."""
        return f"{self.case} · {self.method}"

    def run(self, session: Session) -> list[Record]:
        """See :meth:`Job.run`."""
        case = session.case(self.suite, self.case)
        chosen = [resolve(planned.spec.name, planned.spec.options) for planned, _ in self.metrics]
        features = sorted({need for metric in chosen for need in metric.spec.needs})
        scene = self._scene(session, case, features)
        keys = [key for _, key in self.metrics]
        return [self._score(session, metric, key, scene) for metric, key in zip(chosen, keys, strict=True)]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """See :meth:`Job.failed`."""
        return [self._record(planned.id, key, status, reason) for planned, key in self.metrics]

    def _scene(self, session: Session, case: Case, features: list[str]) -> Scene:
        def view(load: Callable[[], Clip]) -> View:
            def observe() -> Observation:
                return session.observer.observe(shown.clip, features)

            shown = View(load, observe)
            return shown

        def window(one: Window) -> View:
            return view(lambda: session.load(self.suite, one))

        canvas = self.canvas
        return Scene(
            kind=case.kind,
            generated=view(lambda: self.generated.load(session)),
            identity=window(case.identity),
            driving=window(case.driving) if canvas is None else view(lambda: canvas.load(session)),
            target=window(case.target) if case.target else None,
        )

    def _score(self, session: Session, metric: Metric, key: str, scene: Scene) -> Record:
        """One metric's record; a metric that fails takes no other with it."""
        try:
            scores = metric(scene)
            record = self._record(metric.spec.id, key, Status.OK, "") | {
                "values": [None if np.isnan(value) else float(value) for value in scores.values],
                "value_status": [str(status) for status in scores.status],
                "detail": dict(scores.detail),
            }
            canonical_json(record)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a metric may raise anything; it becomes a record
            return self._record(metric.spec.id, key, *_failure(error, session, self))
        return record

    def _record(self, metric: str, key: str, status: Status, reason: str) -> Record:
        names = {"suite": self.suite, "case": self.case, "method": self.method, "metric": metric}
        return {
            "stage": "score",
            "key": key,
            **names,
            "status": status,
            "reason": reason,
            "values": [],
            "value_status": [],
        }


def _save(folder: Path, stem: Path, clip: Clip) -> dict[str, Any]:
    with storing(folder / stem):
        path = write_output(folder / stem, clip)
    return {
        "path": path.relative_to(folder).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "height": clip.height,
        "width": clip.width,
    }


def _check_animation(animation: object, frames: int) -> None:
    """Hold a method to its contract: an output frame, and a canvas frame where it has one, per driving frame.

    Raises:
        TypeError: When it returned something else than an animation.
        MediaError: When the numbers of frames differ.
    """
    if not isinstance(animation, Animation) or not isinstance(animation.clip, Clip):
        raise TypeError(f"the method must return an Animation of a Clip, not {type(animation).__name__}")
    for name, clip in (("output", animation.clip), ("canvas", animation.canvas)):
        if clip is not None and len(clip) != frames:
            raise MediaError(f"the {name} has {len(clip)} frames, the driving clip {frames}: resample it first")


def _failure(error: BaseException, session: Session, job: Job) -> tuple[Status, str]:
    """Status and reason of a failed piece of work; one that was not foreseen also leaves a traceback in the logs.

    Raises:
        StoreError: When the disk is full or read-only. That is no property of the case: the run stops, and goes on
            after the mend.
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


def _log_traceback(folder: Path, job: Job) -> None:
    name = "".join(letter if letter.isalnum() or letter in "._-+" else "-" for letter in job.where)
    stem = f"{type(job).__name__}-{name[:120]}-{digest(repr(job))[:8]}"
    with storing(folder / "logs"):
        write_text(folder / "logs" / f"{stem}.txt", traceback.format_exc().encode(errors="replace").decode())
