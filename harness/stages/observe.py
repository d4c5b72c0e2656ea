"""Looking at one clip: what the face models see lands in the feature cache, for every metric and method to come."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...core.digest import digest
from ...core.errors import Status
from ...faces.base import LANDMARKS, Observation
from ..fingerprint import OBSERVE_VERSION
from ..isolation import isolated
from ..session import Session
from ..store import Record
from .base import Stage
from .jobs import Job, Source

_PARTS = {"upper face": [*range(17, 27), *range(36, 48)], "lower face": [*range(48, 68)]}
"""Points of iBUG 68: brows and eyes, and the mouth."""


@dataclass(frozen=True)
class ObserveJob:
    """Show one clip to the face models; what they see lands in the feature cache."""

    source: Source
    features: tuple[str, ...]
    key: str
    where: str

    @property
    def files(self) -> list[str]:
        """See :attr:`Job.files`."""
        return [self.source.path] if self.source.path else []

    def run(self, session: Session) -> list[Record]:
        """Do the job; see :meth:`Job.run`."""
        calls = session.observer.calls.copy()
        clip, observer = self.source.load(session), session.observer
        with isolated(session.config.seed, "observe", self.source.key):
            seen = observer.observe(clip, self.features)
        record = self.failed(Status.OK, "")[0]
        record |= {
            "frames": len(seen.counts),
            "no_face": int((seen.counts == 0).sum()),
            "several_faces": int((seen.counts > 1).sum()),
            "calls": dict(session.observer.calls - calls),
            "source": self.source.key,
            "windows": face_windows(seen),
        }
        return [record]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """Records that stand for the failed job; see :meth:`Job.failed`."""
        return [{"stage": "observe", "key": self.key, "clip": self.where, "status": status, "reason": reason}]


def face_windows(seen: Observation) -> dict[str, list[float]]:
    """Where the parts of a face are over a whole clip, for reports that enlarge them.

    Returns:
        By part: left, top, right and bottom as shares of the frame; nothing where no landmarks were found.
    """
    points = seen.features.get(LANDMARKS)
    if points is None or not seen.found.any():
        return {}
    shares = points[seen.found] / (seen.width, seen.height)
    parts = ((name, shares[:, rows]) for name, rows in _PARTS.items())
    return {name: np.concatenate([own.min((0, 1)), own.max((0, 1))]).round(4).tolist() for name, own in parts}


class _Observe(Stage):
    """Shows clips to the face models, each once."""

    key: ClassVar[str] = "observe"

    @abstractmethod
    def _clips(self) -> Iterator[tuple[Source, tuple[str, ...], str]]:
        """The clips, the features that are wanted of them, and where they stand, for people."""

    def jobs(self) -> dict[str, Job]:
        """Jobs of the stage by key; see :meth:`Stage.jobs`."""
        jobs: dict[str, Job] = {}
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for source, features, where in self._clips():
            if (source.key, features) in seen:
                continue
            seen.add((source.key, features))
            key = digest([OBSERVE_VERSION, source.key, features, self.run.session.observer.key_for(features)])
            jobs[key] = ObserveJob(source, features, key, where)
        return jobs


class ObserveInputs(_Observe):
    """Shows the cases' own clips to the face models that metrics ask."""

    name: ClassVar[str] = "observe inputs"

    def _clips(self) -> Iterator[tuple[Source, tuple[str, ...], str]]:
        media = self.run.session.media
        shown: set[tuple[int, tuple[str, ...]]] = set()  # cases share their windows
        for item, features in self.run.observed():
            case, opened = media.case(item.suite, item.case), media.suite(item.suite)
            for window in (case.identity, case.driving, case.target):
                if window is not None and (id(window), features) not in shown:
                    shown.add((id(window), features))
                    source = Source(item.suite, opened.window_key(window), window=window)
                    yield source, features, f"{item.suite}: {window.asset} from {window.start}"


class ObserveOutputs(_Observe):
    """Shows outputs, and canvases where methods have their own, to the face models that metrics ask."""

    name: ClassVar[str] = "observe outputs"

    def _clips(self) -> Iterator[tuple[Source, tuple[str, ...], str]]:
        for item, features in self.run.observed():
            for source in self.run.outputs(item):
                if source is not None:
                    yield source, features, f"{item.case} · {item.method}"
