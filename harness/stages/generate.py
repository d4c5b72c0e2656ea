"""Making one output: the method is called, held to its contract, and its frames are stored without loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ...core.digest import seed_for
from ...core.errors import CaseError, MediaError, Status
from ...datasets.clip import Clip
from ...datasets.media import write_output
from ...methods.base import Animation, Inputs, OracleInputs
from ...methods.tuned_method import TunedMethod
from ..fingerprint import Fingerprint
from ..isolation import isolated
from ..session import Session
from ..store import Record, stored_file, storing
from .base import Stage
from .base_output import BaseOutput, save_state
from .jobs import Job


@dataclass(frozen=True)
class GenerateJob:
    """Make one output.

    Attributes:
        suite: Suite name.
        case: Case id.
        method: Row label.
        key: Key of the record.
        base: The baseline's output that a tuned method starts from; None when there is none, and it samples its own.
    """

    suite: str
    case: str
    method: str
    key: str
    base: BaseOutput | None = None

    @property
    def where(self) -> str:
        """Case and method."""
        return f"{self.case} · {self.method}"

    @property
    def files(self) -> list[str]:
        """See :attr:`Job.files`."""
        parts = (self.base.output, self.base.canvas, self.base.state) if self.base else ()
        return [str(part["path"]) for part in parts if part]

    def run(self, session: Session) -> list[Record]:
        """Do the job; see :meth:`Job.run`."""
        calls = session.observer.calls.copy()
        inputs = self._inputs(session)
        animation = self._animate(session, inputs)
        stem = Path("outputs") / self.suite / self.case / self.method
        record = self._record(Status.OK, "")
        record["output"] = _save(session.config.folder, stem, animation.clip)
        if animation.pasted is not None:
            record["pasted"] = _save(session.config.folder, stem.with_name(f"{stem.name}.pasted"), animation.pasted)
        if animation.canvas is not None:
            record["canvas"] = _save(session.config.folder, stem.with_name(f"{stem.name}.canvas"), animation.canvas)
        if animation.state:
            record["state"] = save_state(session.config.folder, stem, animation.state)
        record |= {"frames": len(animation.clip), "detail": dict(animation.detail)}
        record["calls"] = dict(session.observer.calls - calls)
        return [record]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """Records that stand for the failed job; see :meth:`Job.failed`."""
        return [self._record(status, reason)]

    def _inputs(self, session: Session) -> Inputs:
        media = session.media
        case = media.case(self.suite, self.case)
        seed = seed_for(session.config.seed, self.suite, self.case)
        # Copies: read-only arrays do not keep torch from writing, and the clips are shared with other cases.
        identity, driving = (media.load(self.suite, window).copy() for window in (case.identity, case.driving))
        guides = {region: media.load(self.suite, window).copy() for region, window in case.guides.items()}
        if not session.sees_target(self.method):
            return Inputs(case.id, identity, driving, seed, guides)
        target = media.load(self.suite, case.target).copy() if case.target else None
        return OracleInputs(case.id, identity, driving, seed, guides, target)

    def _animate(self, session: Session, inputs: Inputs) -> Animation:
        base = self.base.load(session.config.folder) if self.base else None
        try:
            with isolated(session.config.seed, "generate", self.suite, self.case, self.method):
                method = session.method(self.method)
                if isinstance(method, TunedMethod):
                    animation = method.animate(inputs, base=base)
                else:
                    animation = method.animate(inputs)
        except CaseError:
            raise
        except BaseException:
            session.forget_methods()
            raise
        check_animation(animation, len(inputs.driving))
        return animation

    def _record(self, status: Status, reason: str) -> Record:
        names = {"suite": self.suite, "case": self.case, "method": self.method}
        return {"stage": "generate", "key": self.key, **names, "status": status, "reason": reason} | {
            "output": None,
            "canvas": None,
        }


class Generate(Stage):
    """Makes the outputs. Of one case the baseline goes before what is tuned on it, which starts from its output."""

    name: ClassVar[str] = "generate"
    key: ClassVar[str] = "generate"

    def jobs(self) -> dict[str, Job]:
        """Jobs of the stage by key; see :meth:`Stage.jobs`."""
        early_first = sorted(self.run.items, key=lambda item: -self.run.session.precedence(item.method))
        return {item.key: GenerateJob(item.suite, item.case, item.method, item.key) for item in early_first}

    def is_done(self, key: str) -> bool:
        """See :meth:`Stage.is_done`: an output whose file is gone or damaged is made again."""
        record = self.run.known(self.key, key)
        return record is not None and (record["status"] != Status.OK or self.run.store.has_output(record))

    def batches(self, left: Sequence[Job]) -> Iterator[Sequence[Job]]:
        """See :meth:`Stage.batches`: everything else, then what is tuned."""
        first: list[Job] = []
        tuned: list[GenerateJob] = []
        for job in left:
            if isinstance(job, GenerateJob) and self._bases[job.key]:
                tuned.append(job)
            else:
                first.append(job)
        if first:
            yield first
        if tuned:
            yield [replace(job, base=self._base(job)) for job in tuned]

    def fingerprint(self, key: str) -> Fingerprint | None:
        """All that decides the results; see :meth:`Stage.fingerprint`."""
        return self._fingerprints[key]

    def _base(self, job: GenerateJob) -> BaseOutput | None:
        """The baseline's output under the very key that the plan has for it: of another seed, option or device none."""
        record = self.run.store.records.get((self.key, self._bases[job.key]))
        return BaseOutput.of_record(record) if record and record["status"] == Status.OK else None

    @cached_property
    def _bases(self) -> dict[str, str]:
        return {item.key: item.base for item in self.run.items}

    @cached_property
    def _fingerprints(self) -> dict[str, Fingerprint]:
        return {item.key: item.fingerprint for item in self.run.items}


def _save(folder: Path, stem: Path, clip: Clip) -> dict[str, Any]:
    with storing(folder / stem):
        path = write_output(folder / stem, clip)
    return stored_file(folder, path) | {"height": clip.height, "width": clip.width}


def check_animation(animation: object, frames: int) -> None:
    """Hold a method to its contract: an output frame, and a canvas frame where it has one, per driving frame.

    Raises:
        TypeError: When it returned something else than an animation.
        MediaError: When the numbers of frames differ.
    """
    if not isinstance(animation, Animation) or not isinstance(animation.clip, Clip):
        raise TypeError(f"the method must return an Animation of a Clip, not {type(animation).__name__}")
    for name, clip in (("output", animation.clip), ("canvas", animation.canvas), ("pasted", animation.pasted)):
        if clip is not None and len(clip) != frames:
            raise MediaError(f"the {name} has {len(clip)} frames, the driving clip {frames}: resample it first")
