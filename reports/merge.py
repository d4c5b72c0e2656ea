"""Several run folders as one: HelloMeme of one day, HunyuanPortrait of another, results of a third system, shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, Status
from ..core.files import write_text
from ..harness.plan import PlanItem
from ..harness.run_file import RunFile
from ..harness.store import Record, Store, storing
from ..harness.suite_copy import FOLDER
from .fitting import require_fit, require_same_cases
from .run_data import RunData, read_run

Output = tuple[str, str, str]
"""Suite, case, method."""
_BY_METHOD = ("method_grades", "method_roles", "method_settings")


def read_runs(folders: Sequence[Path]) -> dict[str, RunData]:
    """Read run folders, by name: the folder's, with its parents' before it as far as that tells two apart.

    Raises:
        ConfigError: When one folder is named twice, or none is.
        StoreError: When one of them is no run.
    """
    if not folders:
        raise ConfigError("name at least one run folder")
    paths = [folder.resolve() for folder in folders]
    for path in paths:
        if paths.count(path) > 1:
            raise ConfigError(f"run {path}: is named twice")
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return {"-".join(path.parts[-depth:]): read_run(folder) for path, folder in zip(paths, folders, strict=True)}


def merge(runs: Mapping[str, RunData], folder: Path, against: str = "", *, versions: bool = False) -> RunData:
    """Put runs together, once it is certain that their numbers mean the same.

    An output that several runs planned under one key is one output (shards, repeated baselines): the run that has got
    furthest with it gives it. A method whose outputs differ between runs is a method per run, ``LABEL@RUN``.

    Args:
        runs: From :func:`read_runs`; a single one is only moved.
        folder: Where reports of the whole will lie; nothing is written.
        against: Row label that all other competitors are compared with; "" leaves each with its own baseline.
        versions: Compare the later forms of a method that differs between runs with its first form.

    Returns:
        Data of a run with all methods, whose outputs stay where they are.

    Raises:
        ConfigError: In one line that names the field in which two runs do not fit, or an unknown ``against``.
    """
    require_fit({name: data.run for name, data in runs.items()}, "merged")
    require_same_cases({name: data.plan for name, data in runs.items()}, "merged")
    own = _own_labels(runs)
    store, items = Store(folder), dict[Output, tuple[int, PlanItem]]()
    for name, data in runs.items():
        store.records |= {key: record for key, record in data.store.records.items() if key[0] == "observe"}
        for item in data.plan:
            made, scores = _records(data, item)
            if item.method in own:
                item = replace(item, method=f"{item.method}@{name}", key=f"{name}:{item.key}")
            if item.baseline in own:
                item = replace(item, baseline=f"{item.baseline}@{name}")
            progress = len(scores) + sum(record["status"] == Status.OK for record in (*made, *scores))
            place = (item.suite, item.case, item.method)
            if place in items and items[place][0] >= progress:
                continue
            items[place] = progress, item
            for record in (*(moved | {"key": item.key} for moved in made), *scores):
                store.records[record["stage"], record["key"]] = record | {"method": item.method}
    about = _about(runs, own)
    plan = _ordered(about, [item for _, item in items.values()])
    if against:
        plan = _rebased(plan, about, against)
    elif versions:
        plan = _by_version(plan, [f"{label}@{name}" for label in own for name in runs])
    return RunData(folder, about, plan, store)


def adopt_suites(runs: Iterable[RunData], folder: Path) -> None:
    """Copy the manifests that runs keep, so that reports in another folder can show the inputs.

    Raises:
        StoreError: When the folder cannot be written.
    """
    for data in runs:
        for path in sorted((data.folder / FOLDER).glob("*.json")):
            target = folder / FOLDER / path.name
            with storing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_text(target, path.read_text(encoding="utf-8"))


def _own_labels(runs: Mapping[str, RunData]) -> set[str]:
    """Labels that stand for different settings or outputs in different runs."""
    seen: dict[Output, tuple[str, str]] = {}
    settings: dict[str, Mapping[str, Any]] = {}
    own = set()
    for data in runs.values():
        given = data.run.method_settings
        own |= {label for label, options in given.items() if settings.setdefault(label, options) != options}
        for item in data.plan:
            place = (item.suite, item.case, item.method)
            made = data.store.records.get(("generate", item.key), {})
            found = item.key, (made.get("output") or {}).get("sha256", "")
            before = seen.setdefault(place, found)
            if before[0] != found[0] or (before[1] and found[1] and before[1] != found[1]):
                own.add(item.method)
            if not before[1]:
                seen[place] = found
    return own


def _records(data: RunData, item: PlanItem) -> tuple[list[Record], list[Record]]:
    """The record of an output, its files named from anywhere; and those of its scores."""
    made = data.store.records.get(("generate", item.key))
    if made is None:
        return [], []
    files = {
        name: part | {"path": str((data.folder / part["path"]).resolve())}
        for name in ("output", "canvas", "pasted")
        if (part := made.get(name))
    }
    if made["status"] != Status.OK:
        return [made | files], []
    found = (data.store.records.get(("score", planned.key(made))) for planned in item.metrics)
    return [made | files], [record for record in found if record]


def _about(runs: Mapping[str, RunData], own: set[str]) -> RunFile:
    """The ``run.json`` of the whole: what any run says of its suites, methods, metrics and face models."""
    all_of = {name: data.run.model_dump(mode="json") for name, data in runs.items()}
    merged: dict[str, Any] = dict(next(iter(all_of.values())))
    for field in ("suites", "primary", "left_out", "metrics"):
        merged[field] = {key: value for about in reversed(all_of.values()) for key, value in about[field].items()}
    for field in _BY_METHOD:
        merged[field] = {
            _label(label, name, own): value for name, about in all_of.items() for label, value in about[field].items()
        }
    labels = [_label(label, name, own) for name, about in all_of.items() for label in about["methods"]]
    merged["methods"] = list(dict.fromkeys(labels))
    backends = {backend["name"]: backend for about in reversed(all_of.values()) for backend in about["backends"]}
    merged["backends"] = list(backends.values())
    if len(runs) > 1:
        merged["config"] = merged["config"] | {"ablation": None}
        kept = ("created", "written_by", "device", "provenance")
        merged["merged"] = {name: {key: about[key] for key in kept} for name, about in all_of.items()}
    return RunFile.model_validate(merged)


def _label(label: str, run: str, own: set[str]) -> str:
    return f"{label}@{run}" if label in own else label


def _ordered(about: RunFile, items: Sequence[PlanItem]) -> list[PlanItem]:
    """Case by case, in the order of the methods, as a plan is."""
    cases = {place: index for index, place in enumerate(dict.fromkeys((item.suite, item.case) for item in items))}
    methods = {label: index for index, label in enumerate(about.methods)}
    return sorted(items, key=lambda item: (cases[item.suite, item.case], methods[item.method]))


def _rebased(plan: Sequence[PlanItem], about: RunFile, against: str) -> list[PlanItem]:
    if against not in about.methods:
        raise ConfigError(f"--against {against!r}: is no method of these runs: {', '.join(about.methods)}")
    return [replace(item, baseline="" if item.method == against else against) for item in plan]


def _by_version(plan: Sequence[PlanItem], forms: Sequence[str]) -> list[PlanItem]:
    """The plan with each later form of a method compared with the first one that is planned."""
    planned = {item.method for item in plan}
    first: dict[str, str] = {}
    for form in forms:
        if form in planned:
            first.setdefault(form.rpartition("@")[0], form)
    later = {form: first[form.rpartition("@")[0]] for form in forms if form in planned}
    return [
        replace(item, baseline=later[item.method]) if later.get(item.method, item.method) != item.method else item
        for item in plan
    ]
