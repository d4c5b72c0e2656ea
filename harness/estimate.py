"""What a plan will cost, from records of the same methods on this machine, or from a few cases made to know it."""

from __future__ import annotations

import platform
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ..core.digest import digest
from ..core.errors import Status, StoreError
from ..methods.base import DiffusionGenerator
from ..methods.tuned_method import TunedMethod
from .component import ComponentSpec
from .plan import PlanItem
from .run_file import load_run
from .runner import Runner
from .session import Session
from .stages.base import RETRIABLE
from .store import Record, Store

RUNS_READ = 10
"""Earlier run folders that are looked through, the latest first."""
_FILES = ("output", "canvas", "state", "pasted")


@dataclass(frozen=True)
class MethodCost:
    """What the outputs of one method will cost that are not made yet.

    Attributes:
        method: Row label.
        outputs: How many are left.
        seconds: Of work, on one worker; None where nothing is known.
        disk_bytes: Files of the outputs.
        peak_bytes: Memory of one worker (on a graphics card: of the card).
        source: From what this is known.
    """

    method: str
    outputs: int
    seconds: float | None = None
    disk_bytes: int = 0
    peak_bytes: int = 0
    source: str = ""


@dataclass(frozen=True)
class _Known:
    """One output that was made before.

    Attributes:
        seconds: Making it, looking at it and scoring it.
    """

    frames: int
    size: int
    seconds: float
    disk_bytes: int
    peak_bytes: int
    run: str


def estimate(session: Session, items: Sequence[PlanItem], folders: Iterable[Path] | None = None) -> list[MethodCost]:
    """Estimate what a plan will cost, from records.

    A record counts where everything that its method says decides an output is the same (options, weights, code), on the
    same kind of device, number of threads and machine. Of outputs with other numbers of frames the seconds per frame
    count.

    Args:
        session: The parts of the run.
        items: The plan.
        folders: Run folders with records; None takes the run's own folder and the latest ones beside it.

    Returns:
        One for each method, in table order; without ``seconds`` for methods that no record is about.
    """
    done = _done(session)
    left: dict[str, list[PlanItem]] = {item.method: [] for item in items}
    for item in items:
        if item.key not in done:
            left[item.method].append(item)
    wanted = {_key(item.fingerprint) for parts in left.values() for item in parts}
    found = _known(_latest(session.config.folder) if folders is None else folders, wanted)
    return [_cost(label, parts, found) for label, parts in left.items()]


def first_cases(session: Session, items: Sequence[PlanItem], costs: Sequence[MethodCost]) -> list[PlanItem]:
    """The cases that a run had better begin with, in its own folder, to know how long the others will take.

    Args:
        session: The parts of the run.
        items: The plan.
        costs: What is known of it without.

    Returns:
        All outputs of one case of each suite, and of a few more of the first; none where records speak of all methods
        that denoise, which is what takes long, where no case would be left, or where other machines work in the same
        folder.
    """
    if session.config.shard != "1/1" or session.config.executor.name == "ray":
        return []
    unknown = {cost.method for cost in costs if cost.seconds is None and cost.outputs > 1 and _denoises(session, cost)}
    done = _done(session) if unknown else set()
    left = dict.fromkeys(_case(item) for item in items if item.method in unknown and item.key not in done)
    chosen = _sample(left, session.config.workers)
    return [item for item in items if _case(item) in chosen] if len(chosen) < len(left) else []


def _sample(cases: Iterable[tuple[str, str]], workers: int) -> set[tuple[str, str]]:
    """Cases, as suite and case, from which the others can be told.

    One of each suite, since a clip takes another time than a picture. Of the first suite one more than there are
    workers, if it has twice as many: then one of the workers makes a second one, with its networks loaded.
    """
    suites: dict[str, list[str]] = defaultdict(list)
    for suite, case in cases:
        suites[suite].append(case)
    chosen = set[tuple[str, str]]()
    for suite, own in suites.items():
        count = 1 if chosen else max(1, min(workers + 1, len(own) // 2))
        chosen |= {(suite, case) for case in own[:count]}
    return chosen


def _case(item: PlanItem) -> tuple[str, str]:
    return item.suite, item.case


def _denoises(session: Session, cost: MethodCost) -> bool:
    return isinstance(session.method(cost.method), DiffusionGenerator | TunedMethod)


def probe(session: Session, items: Sequence[PlanItem], methods: Sequence[str]) -> list[MethodCost]:
    """Estimate from a few cases, which are made for this purpose in a temporary folder.

    Args:
        session: The parts of the run.
        items: The plan.
        methods: What must be known afterwards; other methods are estimated too, from the same cases.

    Raises:
        BenchError: When the cases cannot be made.
    """
    sample = _sample(dict.fromkeys(_case(item) for item in items if item.method in methods), workers=1)
    chosen = [item for item in items if _case(item) in sample]
    with tempfile.TemporaryDirectory(prefix="bench-estimate-") as folder:
        changes = {"out": Path(folder), "name": "probe", "workers": 1, "shard": "1/1"}
        changes |= {"executor": ComponentSpec(name="serial")}
        config = session.config.model_copy(update=changes)
        Runner(Session(config), plan=chosen, generates=True).run()
        costs = estimate(session, items, [config.folder])
    return [replace(cost, source=f"a probe of {cases_text(chosen)}" if cost.source else "") for cost in costs]


def cases_of(items: Iterable[PlanItem]) -> list[str]:
    """Ids of the cases that outputs are of, each once, in their order; two suites may have the same id."""
    return [case for _, case in dict.fromkeys(map(_case, items))]


def cases_text(items: Iterable[PlanItem]) -> str:
    """The cases of some outputs for people: the one, or how many."""
    names = cases_of(items)
    return f"case {names[0]}" if len(names) == 1 else f"{len(names)} cases"


def _cost(label: str, left: Sequence[PlanItem], found: Mapping[str, Sequence[_Known]]) -> MethodCost:
    seconds, disk, peak, sources = 0.0, 0, 0, dict[str, int]()
    for item in left:
        alike = _alike(item, found.get(_key(item.fingerprint), ()))
        if not alike:
            return MethodCost(label, len(left))
        frames = item.fingerprint["driving"]["frames"]
        seconds += frames * _typical(one.seconds / one.frames for one in alike)
        disk += round(frames * fmean(one.disk_bytes / one.frames for one in alike))
        peak = max(peak, *(one.peak_bytes for one in alike))
        sources |= {one.run: sum(other.run == one.run for other in alike) for one in alike}
    told = ", ".join(f"{count} output{'s' * (count > 1)} of {run}" for run, count in sources.items())
    return MethodCost(label, len(left), seconds, disk, peak, told or "nothing is left to do")


def _alike(item: PlanItem, known: Sequence[_Known]) -> Sequence[_Known]:
    """Records of the same picture size, and of the same number of frames where there are any."""
    driving = item.fingerprint["driving"]
    sized = [one for one in known if one.size == driving["size"]]
    return [one for one in sized if one.frames == driving["frames"]] or sized


def _latest(own: Path) -> list[Path]:
    """The run's own folder and the latest ones beside it."""
    beside = [path for path in own.parent.glob("*/run.json") if path.parent != own]
    beside.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [own, *(path.parent for path in beside[: RUNS_READ - 1])]


def _done(session: Session) -> set[str]:
    """Keys of the outputs that the run will not make: they are there, or have failed for good."""
    store = Store(session.config.folder)
    try:
        store.load(stage="generate")
    except StoreError:
        return set()  # the run that goes on there says what is wrong with it
    again = RETRIABLE if session.config.retry_failed else frozenset()
    return {key for (_, key), record in store.records.items() if record["status"] not in again}


def _known(folders: Iterable[Path], wanted: set[str]) -> dict[str, list[_Known]]:
    """Outputs made on this machine, by :func:`_key`, from no more folders than it takes to know all that are wanted."""
    found: dict[str, list[_Known]] = defaultdict(list)
    for folder in folders:
        if wanted <= found.keys():
            break
        try:
            run = load_run(folder)
            store = Store(folder)
            store.load(fingerprints=True)
        except StoreError:
            continue  # of another version, damaged, or none yet: nothing is known from there
        if (run.provenance.system, run.provenance.machine) == (platform.platform(), platform.machine()):
            for key, known in _outputs(list(store.records.values()), folder.name):
                found[key].append(known)
    return found


def _outputs(records: Sequence[Record], run: str) -> Iterator[tuple[str, _Known]]:
    """What each output of a run cost, with its scores; the run's looks are dealt out evenly over its frames."""
    made = [one for one in records if one["stage"] == "generate" and one["status"] == Status.OK]
    looks = [one for one in records if one["stage"] == "observe" and one.get("frames")]
    looking = 0.0
    if made and looks:
        looks_per_frame = sum(one["frames"] for one in looks) / sum(one["frames"] for one in made)
        looking = looks_per_frame * _typical(one["seconds"] / one["frames"] for one in looks)
    scoring: dict[tuple[str, str, str], float] = defaultdict(float)
    for one in records:
        if one["stage"] == "score":
            scoring[one["suite"], one["case"], one["method"]] += one["seconds"]
    for record, fingerprint in _told(made):
        scores = scoring[record["suite"], record["case"], record["method"]]
        yield (
            _key(fingerprint),
            _Known(
                frames=record["frames"],
                size=fingerprint["driving"]["size"],
                seconds=record["seconds"] + scores + looking * record["frames"],
                disk_bytes=sum((record.get(part) or {}).get("bytes", 0) for part in _FILES),
                peak_bytes=record["peak_bytes"],
                run=run,
            ),
        )


def _typical(values: Iterable[float]) -> float:
    """The median; of up to four values the least, since the first of each process includes the loading of networks."""
    ordered = sorted(values)
    return ordered[0] if len(ordered) <= 4 else median(ordered)


def _told(made: Sequence[Record]) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """Records that say what decided them, with that."""
    for record in made:
        if {"method", "driving", "device", "threads"} <= record.get("fingerprint", {}).keys():
            yield record, record["fingerprint"]


def _key(fingerprint: Mapping[str, Any]) -> str:
    """What must be the same for costs to be the same, besides the frames: not the files that a method reads by case."""
    method = {name: value for name, value in fingerprint["method"].items() if name != "sha256"}
    return digest([method, fingerprint["device"], fingerprint["threads"]])
