"""Looking at one clip: what the face models see lands in the feature cache, for every metric and method to come."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...core.digest import digest
from ...core.errors import Status
from ..fingerprint import OBSERVE_VERSION
from ..isolation import isolated
from ..session import Session
from ..store import Record
from .base import Stage
from .jobs import Job, Source


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
        }
        return [record]

    def failed(self, status: Status, reason: str) -> list[Record]:
        """Records that stand for the failed job; see :meth:`Job.failed`."""
        return [{"stage": "observe", "key": self.key, "clip": self.where, "status": status, "reason": reason}]


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
        for item, features in self.run.observed():
            case, opened = media.case(item.suite, item.case), media.suite(item.suite)
            for window in (case.identity, case.driving, case.target):
                if window is not None:
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
