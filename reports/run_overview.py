"""One run folder described: what it covers, how far it is, and what made it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import Status
from .run_data import RunData, read_run


@dataclass(frozen=True)
class RunOverview:
    """A run at a glance.

    Attributes:
        data: What was read of it.
        planned: Outputs that it is to have.
        outputs: How many there are of each status of the generation; those not done yet are "missing".
        scores: Values of metrics that are there, of
        planned_scores: so many that outputs which were made are to have.
    """

    data: RunData
    planned: int
    outputs: Counter[str]
    scores: int
    planned_scores: int

    @property
    def state(self) -> str:
        """One of "finished", "unfinished" and "finished with failures"."""
        if self.outputs[Status.MISSING] or self.planned_scores > self.scores:
            return "unfinished"
        return "finished" if self.outputs[Status.OK] == self.planned else "finished with failures"


def overview(folder: Path) -> RunOverview:
    """Describe a run folder.

    Raises:
        StoreError: When it is none, another version wrote it, or one of its files is damaged.
    """
    data = read_run(folder)
    records, outputs, scores, due = data.store.records, Counter[str](), 0, 0
    for item in data.plan:
        made = records.get(("generate", item.key))
        outputs[str(made["status"]) if made else str(Status.MISSING)] += 1
        if made and made["status"] == Status.OK:
            due += len(item.metrics)
            scores += sum(("score", planned.key(made)) in records for planned in item.metrics)
    return RunOverview(data, len(data.plan), outputs, scores, due)
