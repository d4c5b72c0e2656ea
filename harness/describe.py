"""What ``run.json`` says: the configuration and everything a report must name beside its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ..core.digest import digest
from ..metrics.resolve import resolve
from .plan import PlanItem
from .provenance import provenance
from .session import Session
from .store import Record


def describe(session: Session, plan: Sequence[PlanItem]) -> Record:
    """Describe a run as plain data.

    Args:
        session: The parts of the run.
        plan: What it covers.
    """
    metrics = {
        planned.id: resolve(planned.spec.name, planned.spec.options).spec for item in plan for planned in item.metrics
    }
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": session.config.model_dump(mode="json"),
        "suites": {
            opened.suite.name: {
                "title": opened.suite.title,
                "kind": opened.suite.kind,
                "size": opened.suite.size,
                "digest": digest(opened.suite.model_dump(mode="json", by_alias=True)),
            }
            for opened in session.suites
        },
        "methods": list(dict.fromkeys(item.method for item in plan)),
        "backends": [
            asdict(backend.info) | {"options": dict(backend.info.options)} for backend in session.observer.backends
        ],
        "metrics": {
            name: {
                "title": spec.title,
                "unit": spec.unit,
                "higher_is_better": spec.higher_is_better,
                "level": spec.level,
                "backends": sorted({session.observer.backend_for(need).info.name for need in spec.needs}),
            }
            for name, spec in metrics.items()
        },
        "provenance": provenance(),
    }
