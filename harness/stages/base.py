"""What a stage of a run is, and what all stages know of the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from ...core.errors import Status
from ...metrics.resolve import resolve
from ..fingerprint import Fingerprint
from ..plan import PlanItem
from ..session import Session
from ..store import Record, Store
from .jobs import Job, Source

RETRIABLE = {Status.OOM, Status.TIMEOUT, Status.CRASH}
"""Failures that may have been the machine's fault; ``--retry-failed`` does such work again."""


@dataclass
class RunState:
    """A run on its way: what it covers and what is done of it.

    Attributes:
        session: The components of the run.
        items: Outputs of this shard.
        store: The run folder, loaded.
        generates: Whether the run makes outputs; ``bench score`` takes those that are there.
    """

    session: Session
    items: Sequence[PlanItem]
    store: Store
    generates: bool = True

    def known(self, stage: str, key: str) -> Record | None:
        """The record of a job that is not to be done again, whatever came of it; None otherwise."""
        record = self.store.records.get((stage, key))
        if record is None or (self.session.config.retry_failed and record["status"] in RETRIABLE):
            return None
        return record

    def made(self, item: PlanItem) -> Record | None:
        """What became of an output; None when it is still to be made, or was made and is gone or damaged."""
        record = self.store.records.get(("generate", item.key))
        return None if record is None or item.key in self._lost else record

    @cached_property
    def _lost(self) -> set[str]:
        """Keys of outputs whose files are gone or damaged: scoring them would record failures that are not theirs."""
        if self.generates:  # those are made again
            return set()
        keyed = {item.key: self.store.records.get(("generate", item.key)) for item in self.items}
        return {key for key, record in keyed.items() if record and not self.store.has_output(record)}

    def outputs(self, item: PlanItem) -> tuple[Source | None, Source | None]:
        """The output and the canvas of an item; None where there is none."""
        record = self.made(item)
        if record is None or record["status"] != Status.OK:
            return None, None
        output, canvas = record["output"], record["canvas"]
        return (
            Source(item.suite, output["sha256"], path=output["path"]) if output else None,
            Source(item.suite, canvas["sha256"], path=canvas["path"]) if canvas else None,
        )

    def observed(self) -> Iterator[tuple[PlanItem, tuple[str, ...]]]:
        """The items with the face features that their metrics need, unless they need none."""
        planned = {one.id: one.spec for item in self.items for one in item.metrics}
        needs = {name: resolve(spec.name, spec.options).spec.needs for name, spec in planned.items()}
        for item in self.items:
            features = sorted({need for one in item.metrics for need in needs[one.id]})
            if features:
                yield item, tuple(features)


@dataclass
class Stage(ABC):
    """One stage of a run: from what the stages before it left it tells which jobs there are.

    Attributes:
        name: What progress calls it.
        key: The field ``stage`` of its records, under which the store keeps them.
        run: The run.
    """

    name: ClassVar[str]
    key: ClassVar[str]
    run: RunState = field(repr=False)

    @abstractmethod
    def jobs(self) -> Mapping[str, Job]:
        """All jobs, done or not, each by the key of its first record."""

    def is_done(self, key: str) -> bool:
        """Whether the job with this key has not to be done again."""
        return self.run.known(self.key, key) is not None

    def batches(self, left: Sequence[Job]) -> Iterator[Sequence[Job]]:
        """Deal out the jobs that are left. A batch is asked for when all jobs of the one before it are done."""
        yield left

    def fingerprint(self, key: str) -> Fingerprint | None:  # noqa: ARG002 - none told
        """What a record's key is the digest of, to be kept in the record; None where that is not told."""
        return None
