"""Looking at one clip: what the face models see lands in the feature cache, for every metric and method to come."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.errors import Status
from ..session import Session
from ..store import Record
from .jobs import Source


@dataclass(frozen=True)
class ObserveJob:
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
        return [{"stage": "observe", "key": self.key, "clip": self.where, "status": status, "reason": reason}]
