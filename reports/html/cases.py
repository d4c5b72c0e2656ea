"""What the page's script knows: cases with their values, what to show of them, and their curves over time."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from ...core.digest import digest
from ...core.errors import Status
from ...datasets.clip import Clip
from ...datasets.manifest import Case, Window
from ...datasets.media import read_output
from ...harness.plan import PlanItem, spread
from ...harness.suite_copy import load_copy
from ...methods.base import MethodRole
from ..model import ReportModel
from ..records_frame import case_values
from ..run_data import RunData
from .proxies import Load, Proxies

MEDIA = "media"
"""Folder of proxies and curves, beside the page."""
SHOWN_CASES = 1000
"""Cases that a page shows, spread evenly over a run that has more: each brings files, and the browser reads all."""
_DIGITS = 6
Curves = dict[str, dict[str, list[float | None]]]
"""By metric and method: a value per frame, None where there is none."""


class Gallery:
    """The cases of a run that a page shows, as plain data.

    Args:
        data: The run.
        model: Its numbers.
    """

    def __init__(self, data: RunData, model: ReportModel) -> None:
        self._data, self._model = data, model
        self._copies = {suite: load_copy(data.folder, suite) for suite in model.suites}
        self._items: dict[tuple[str, str], list[PlanItem]] = defaultdict(list)
        for item in data.plan:
            self._items[item.suite, item.case].append(item)
        self._baselines = {item.baseline for item in data.plan}
        self._by_suite: dict[str, list[str]] = {}
        self._windows = _windows(data)
        self.sources: dict[str, Load] = {}
        """How to read what is shown, by digest."""
        self.all_cases = len(self._items)
        """Cases of the run."""
        if self.all_cases > SHOWN_CASES:
            kept = list(self._items)
            self._items = {kept[row]: self._items[kept[row]] for row in spread(self.all_cases, SHOWN_CASES)}
        self._cases = [self._case(*key) for key in self._items]

    def name_of(self, index: int) -> tuple[str, str]:
        """Suite and id of a case."""
        return list(self._items)[index]

    def curves(self) -> dict[int, Curves]:
        """By index of the case: metrics that have a value per frame."""
        frame = self._model.frame
        timed = frame[frame["frame"].notna()]
        if self.all_cases > len(self._items):
            shown = [key in self._items for key in zip(timed["suite"], timed["case"], strict=True)]
            timed = timed[np.array(shown, bool)]
        order = {key: index for index, key in enumerate(self._items)}
        found: dict[int, Curves] = defaultdict(dict)
        groups = timed.groupby(["suite", "case", "metric", "method"], sort=False, observed=True)["value"]
        for key, values in groups:
            suite, case, metric, method = map(str, key)
            found[order[suite, case]].setdefault(metric, {})[method] = [_short(value) for value in values]
        return dict(found)

    def as_data(
        self, proxies: Proxies, source: Callable[[str], str], curves: Mapping[int, Any], *, linked: bool = True
    ) -> dict[str, Any]:
        """The gallery for the page's script.

        Args:
            proxies: Of :attr:`sources`.
            source: Where the page finds a proxy, by its name; "" where it was left out.
            curves: By index of the case: where its curves are, or the curves themselves.
            linked: Whether outputs are linked to; a single file travels without them.
        """
        keys = {key: index for index, key in enumerate(self.sources)}
        media = [_medium(key, proxies, source) for key in keys]
        cases = []
        for index, case in enumerate(self._cases):
            tiles = [tile | {"media": keys.get(tile["media"])} for tile in case["tiles"]]
            if not linked:
                tiles = [{name: value for name, value in tile.items() if name != "original"} for tile in tiles]
            cases.append(case | {"tiles": tiles, "curves": curves.get(index)})
        run = self._model.run
        return {
            "run": self._model.name,
            "metrics": {
                name: {"title": about.title, "unit": about.unit, "up": about.higher_is_better}
                for name, about in run.metrics.items()
            },
            "suites": {name: self._suite(name) for name in self._model.suites},
            "media": media,
            "cases": cases,
        }

    def _suite(self, name: str) -> dict[str, Any]:
        items = [item for item in self._data.plan if item.suite == name]
        methods = dict.fromkeys(item.method for item in items)
        return {
            "title": self._model.run.suites[name].title,
            "primary": self._model.run.primary.get(name, []),
            "metrics": self._metrics(name),
            "methods": [method for method in methods if not self._model.run.is_control(method)],
            "baseline": next((item.baseline for item in items if item.baseline), ""),
        }

    def _metrics(self, suite: str) -> list[str]:
        """The primary ones first."""
        if suite not in self._by_suite:
            own = self._model.summary[self._model.summary["suite"] == suite]
            ordered = own.sort_values("primary", ascending=False, kind="stable")["metric"]
            self._by_suite[suite] = list(dict.fromkeys(ordered))
        return self._by_suite[suite]

    def _case(self, suite: str, case_id: str) -> dict[str, Any]:
        items = sorted(self._items[suite, case_id], key=self._place)
        inputs = list(self._inputs(suite, case_id))
        if any(self._model.run.method_roles.get(item.method) == MethodRole.TARGET for item in items):
            inputs = [tile for tile in inputs if tile["label"] != "target"]  # that method's output is the target
        made = [self._output(item) for item in items]
        return {
            "suite": suite,
            "id": case_id,
            "identity": items[0].identity,
            "driving": items[0].driving,
            "tiles": [*inputs[:2], *made, *inputs[2:]],
            "values": {item.method: self._values(item) for item in items},
            "windows": self._driving_windows(suite, case_id),
        }

    def _driving_windows(self, suite: str, case_id: str) -> dict[str, list[float]]:
        """Where the face is in the driving clip, whose pose the outputs have; nothing where that was not recorded."""
        copy = self._copies[suite]
        case = copy.cases.get(case_id) if copy else None
        return self._windows.get(copy.suite.window_key(case.driving), {}) if copy and case else {}

    def _place(self, item: PlanItem) -> int:
        """The baseline first, references last."""
        if item.method in self._baselines:
            return 0
        return 2 if self._model.run.is_control(item.method) else 1

    def _values(self, item: PlanItem) -> list[float | None]:
        keys = ((item.suite, item.method, metric, item.case) for metric in self._metrics(item.suite))
        return [_short(self._by_case.get(key, math.nan)) for key in keys]

    @cached_property
    def _by_case(self) -> dict[Any, float]:
        values: dict[Any, float] = case_values(self._model.frame)["value"].to_dict()
        return values

    def _inputs(self, suite: str, case_id: str) -> Iterator[dict[str, Any]]:
        copy = self._copies[suite]
        case = copy.cases.get(case_id) if copy else None
        if copy is None or case is None:
            reason = "the run folder has no manifest of the inputs"
            yield from (_tile(label, "input", status="not at hand", reason=reason) for label in ("identity", "driver"))
            return
        for label, window in _roles(case):
            key = copy.suite.window_key(window)
            self.sources.setdefault(key, partial(copy.clip, window))
            yield _tile(label, "input", media=key)

    def _output(self, item: PlanItem) -> dict[str, Any]:
        record = self._data.store.records.get(("generate", item.key))
        role = "control" if self._model.run.is_control(item.method) else "method"
        if record is None:
            return _tile(item.method, role, status=str(Status.MISSING), reason="not done yet")
        if record["status"] != Status.OK:
            return _tile(item.method, role, status=str(record["status"]), reason=record["reason"])
        output = record["output"]
        key = digest(["output", output["sha256"]])
        self.sources.setdefault(key, partial(_read, self._data.folder / output["path"]))
        return _tile(item.method, role, media=key, original=f"../{quote(output['path'])}")


def script_json(value: Any) -> str:
    r"""Plain data as JSON that can stand inside an HTML script element, whatever names are in it.

    >>> script_json({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _windows(data: RunData) -> dict[str, dict[str, list[float]]]:
    """By key of a clip: where the face models saw which part of the face in it."""
    seen = (record for record in data.store.records.values() if record["stage"] == "observe" and record.get("windows"))
    return {record["source"]: record["windows"] for record in seen}


def _read(path: Path) -> Clip:
    return read_output(path)


def _roles(case: Case) -> Iterator[tuple[str, Window]]:
    yield "identity", case.identity
    same = case.target == case.driving
    yield "driver = target" if same else "driver", case.driving
    if case.target and not same:
        yield "target", case.target


def _tile(label: str, role: str, **more: str) -> dict[str, Any]:
    return {"label": label, "role": role, "media": None, "status": str(Status.OK)} | more


def _medium(key: str, proxies: Proxies, source: Callable[[str], str]) -> dict[str, Any]:
    proxy = proxies.made.get(key)
    if proxy is None:
        return {"gone": proxies.gone[key]}
    found = source(proxy.name)
    if not found:
        return {"gone": "left out of this single file; the report's folder has it"}
    return {"src": found, "video": proxy.frames > 1, "frames": proxy.frames, "fps": round(proxy.fps, 6)}


def _short(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.{_DIGITS}g}")
