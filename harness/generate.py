"""Making one output: the method is called, held to its contract, and its frames are stored without loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.digest import file_sha256, seed_for
from ..core.errors import CaseError, MediaError, Status
from ..datasets.clip import Clip
from ..datasets.media import write_output
from ..methods.base import Animation, Inputs, OracleInputs
from .session import Session
from .store import Record, storing


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
        if session.sees_target(self.method):
            target = session.load(self.suite, case.target) if case.target else None
            inputs = OracleInputs(inputs.case_id, inputs.identity, inputs.driving, inputs.seed, target)
        animation = self._animate(session, inputs)
        stem = Path("outputs") / self.suite / self.case / self.method
        record = self._record(Status.OK, "")
        record["output"] = _save(session.config.folder, stem, animation.clip)
        if animation.canvas is not None:
            record["canvas"] = _save(session.config.folder, stem.with_name(f"{stem.name}.canvas"), animation.canvas)
        if animation.pasted is not None:
            record["pasted"] = _save(session.config.folder, stem.with_name(f"{stem.name}.pasted"), animation.pasted)
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
        check_animation(animation, len(inputs.driving))
        return animation

    def _record(self, status: Status, reason: str) -> Record:
        names = {"suite": self.suite, "case": self.case, "method": self.method}
        return {"stage": "generate", "key": self.key, **names, "status": status, "reason": reason} | {
            "output": None,
            "canvas": None,
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
