"""Why results of a run will be, or were, computed again: the fields of their fingerprints that differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.errors import Status
from .fingerprint import Fingerprint, differences
from .plan import PlanItem
from .stages.base import RETRIABLE
from .store import Record, Store

NEVER = "was never done"
GONE = "its file is gone or is not as it was written"
FAILED = "failed"
UNTOLD = "the earlier record does not say what it was made from (made by an earlier version)"


@dataclass(frozen=True)
class Reason:
    """Why one result is computed again.

    Attributes:
        case: Case id.
        method: Row label.
        what: "output", or the id of a metric.
        fields: What differs, each "field: old -> new", or one line that says what else is the matter.
    """

    case: str
    method: str
    what: str
    fields: tuple[str, ...]


def reasons_to_come(store: Store, plan: Sequence[PlanItem], *, retry_failed: bool = False) -> Iterator[Reason]:
    """What a run of this plan would compute, and why. Scores of an output that is made anew go without saying.

    Args:
        store: The run folder, loaded.
        plan: From :func:`make_plan`, with what is true now: options, weights, assets, versions.
        retry_failed: As in the configuration.
    """
    history = _History(store)
    for item in plan:
        made = store.records.get(("generate", item.key))
        if made is None:
            yield _reason(item, "output", history.output(item), item.fingerprint)
        elif made["status"] == Status.OK and not store.has_output(made):
            yield Reason(item.case, item.method, "output", (GONE,))
        elif made["status"] == Status.OK:
            for planned in item.metrics:
                key = planned.key(made)
                score = store.records.get(("score", key))
                if score is None:
                    earlier = history.score(item, planned.id, key, made)
                    yield _reason(item, planned.id, earlier, planned.full_fingerprint(made))
                elif retry_failed and score["status"] in RETRIABLE:
                    yield Reason(item.case, item.method, planned.id, (_failure(score),))
        elif retry_failed and made["status"] in RETRIABLE:
            yield Reason(item.case, item.method, "output", (_failure(made),))


def reasons_of_the_past(store: Store, plan: Sequence[PlanItem]) -> Iterator[Reason]:
    """Why results of the last plan had been computed again: the record before each, where there is one."""
    history = _History(store)
    for item in plan:
        made = store.records.get(("generate", item.key))
        if made is None:
            continue
        earlier = history.output(item)
        if earlier is not None:
            yield _reason(item, "output", earlier, made.get("fingerprint", {}))
            continue
        for planned in item.metrics if made["status"] == Status.OK else ():
            key = planned.key(made)
            score, earlier = store.records.get(("score", key)), history.score(item, planned.id, key, made)
            if score is not None and earlier is not None:
                yield _reason(item, planned.id, earlier, score.get("fingerprint", {}))


class _History:
    """The records of a folder by what they are about, in the order in which they were first written."""

    def __init__(self, store: Store) -> None:
        self._outputs: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        self._scores: dict[tuple[str, str, str, str], list[Record]] = defaultdict(list)
        for record in store.records.values():
            if record["stage"] == "generate":
                self._outputs[record["suite"], record["case"], record["method"]].append(record)
            elif record["stage"] == "score":
                # By the output and not by the row: rows whose outputs are equal share one record.
                output = record.get("fingerprint", {}).get("output", record["method"])
                self._scores[record["suite"], record["case"], record["metric"], output].append(record)

    def output(self, item: PlanItem) -> Record | None:
        """The latest record of the item's case and row that came before the one with its key."""
        return _before(self._outputs[item.suite, item.case, item.method], item.key)

    def score(self, item: PlanItem, metric: str, key: str, made: Record) -> Record | None:
        """The latest score of the same output, or one that does not tell of which, before the one with this key."""
        outputs = (made["output"]["sha256"], item.method)
        found = (_before(self._scores[item.suite, item.case, metric, output], key) for output in outputs)
        return next((record for record in found if record is not None), None)


def _before(records: Sequence[Record], key: str) -> Record | None:
    """The last record before the one with a key; the last of all where there is no such."""
    keys = [record["key"] for record in records]
    earlier = records[: keys.index(key)] if key in keys else records
    return earlier[-1] if earlier else None


def _reason(item: PlanItem, what: str, earlier: Record | None, new: Fingerprint) -> Reason:
    if earlier is None:
        fields = [NEVER]
    elif not earlier.get("fingerprint") or not new:
        fields = [UNTOLD]
    else:
        fields = differences(earlier["fingerprint"], new)
    return Reason(item.case, item.method, what, tuple(fields))


def _failure(record: Record) -> str:
    return f"{FAILED} ({record['status']}: {record['reason']}), and --retry-failed is set"
