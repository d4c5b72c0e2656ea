"""Table 1 and the tables of ablations, from the numbers of runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ...core.errors import Status
from ...datasets.manifest import SuiteKind
from ...metrics.primary import PRIMARY
from ..model import ReportModel, left_out_rows
from ..render.numbers import percent
from ..render.verdict import interval_notes
from ..run_data import RunData
from . import published
from .table import Cell, Column, PaperTable, Row

KINDS = (SuiteKind.CROSS_VIDEO, SuiteKind.SELF_VIDEO, SuiteKind.CROSS_IMAGE)
"""In the paper's order."""
_TITLES = {
    SuiteKind.CROSS_VIDEO: "Cross-Video",
    SuiteKind.SELF_VIDEO: "Self-Video",
    SuiteKind.CROSS_IMAGE: "Cross-Image",
}
_DIGITS = {"EMO-SIM": 4, "PSNR": 2}
_DECIMALS = 3
ABLATIONS = {
    "losses": ("table2a", "2(a)", "The losses, one after another"),
    "decoding": ("table2b", "2(b)", "Patches decoded alone against whole frames: AED, speed and memory of tuning"),
    "steps": ("table2c", "2(c)", "Optimization steps"),
}
"""The paper's ablations, in its order: name of the files, number, caption."""
_MIB = 2**20
BOLD_NOTE = (
    "Bold: the 95 % interval of the paired difference excludes zero after Holm's correction over the suite's primary "
    "metrics; the difference is bold, and the better of the two means."
)


class Measured:
    """A report model, looked up as the tables ask.

    Args:
        model: The numbers.
    """

    def __init__(self, model: ReportModel) -> None:
        self.model, self.run = model, model.run
        keys = ["suite", "method", "metric"]
        self._means = {tuple(row[key] for key in keys): row for row in model.summary.to_dict("records")}
        self._deltas = {tuple(row[key] for key in keys): row for row in model.comparison.to_dict("records")}
        pairs = model.frame.drop_duplicates("method")
        self.baseline = {str(a): str(b) for a, b in zip(pairs["method"], pairs["baseline"], strict=True)}

    def suites(self, kind: SuiteKind) -> list[str]:
        """The suites of a kind."""
        return [name for name in self.model.suites if self.run.suites[name].kind == kind]

    def metric(self, suite: str, choices: Sequence[str]) -> str:
        """The suite's metric that stands for a column; "" where none was measured."""
        measured = {metric.partition("/")[0]: metric for one, _, metric in self._means if one == suite}
        return next((measured[name] for name in choices if name in measured), "")

    def mean(self, suite: str, method: str, metric: str, digits: int) -> Cell:
        """A method's mean; bold where it is clearly the better one of a pair."""
        row = self._means.get((suite, method, metric))
        own = self._deltas.get((suite, method, metric))
        bold = own["verdict"] == "better" if own else self._beats_all(suite, method, metric)
        return Cell(float(row["mean"]), digits, bold=bold) if row else Cell()

    def delta(self, suite: str, method: str, metric: str, digits: int) -> Cell:
        """A method's paired difference from its baseline."""
        row = self._deltas.get((suite, method, metric))
        if row is None:
            return Cell()
        return Cell(float(row["delta"]), digits, signed=True, bold=row["verdict"] in ("better", "worse"))

    def competitors(self) -> list[str]:
        """Methods that are no reference lines, baselines before what is compared with them."""
        names = [name for name in self.run.methods if not self.run.is_control(name)]
        heads = [name for name in names if not self.baseline.get(name)]
        return [name for head in heads for name in (head, *(one for one in names if self.baseline.get(one) == head))]

    def notes(self, columns: Mapping[tuple[str, str], str]) -> Iterator[str]:
        """Footnotes: what each column measures, the protocol of each suite, and whose numbers leave something out.

        Args:
            columns: By suite and title: the metric's id.
        """
        for suite in dict.fromkeys(suite for suite, _ in columns):
            about, config = self.run.suites[suite], self.run.config
            summary = self.model.summary[self.model.summary["suite"] == suite]
            yield (
                f"{suite}: {_cases(int(summary['cases'].max()))}, {about.size} px, revision {about.digest[:12]}, seed "
                f"{config.get('seed', 0)}; a case is the mean over its frames, a cell the mean over cases."
            )
            own = {title: metric for (of, title), metric in columns.items() if of == suite and metric}
            yield f"{suite}: {'; '.join(self._column_note(suite, title, metric) for title, metric in own.items())}."
            compared = self.model.comparison
            part = compared[(compared["suite"] == suite) & compared["metric"].isin(own.values())]
            for note in interval_notes(part):
                yield f"{suite}, {note}."
            for row in summary[summary["metric"].isin(own.values())].to_dict("records"):
                if row["coverage"] < 1 - 1e-12 and row["method_role"] == "competitor":
                    yield (
                        f"{suite}: {row['method']} in {row['metric']}: n = {row['n']} of {row['cases']}, coverage "
                        f"{percent(row['coverage'], 1)}."
                    )

    def _column_note(self, suite: str, title: str, metric: str) -> str:
        names = self.run.metrics[metric].backends
        backends = [one for one in self.run.backends if one.name in names]
        faces = [f"{one.name} {one.version}, {one.grade}, weights {one.weights[:8] or 'none'}" for one in backends]
        by = f" by {'; '.join(faces)}" if faces else ""
        rows = self.model.summary
        own = rows[(rows["suite"] == suite) & (rows["metric"] == metric) & (rows["method_role"] == "competitor")]
        if own.empty:
            return f"{title} is {metric} [{self.run.metrics[metric].unit}]{by} (of reference lines alone)"
        counts = f"n = {int(own['n'].min())}, coverage at least {percent(float(own['coverage'].min()), 1)}"
        return f"{title} is {metric} [{self.run.metrics[metric].unit}]{by} ({counts})"

    def _beats_all(self, suite: str, method: str, metric: str) -> bool:
        rivals = [
            row for (s, _, m), row in self._deltas.items() if (s, m) == (suite, metric) and row["baseline"] == method
        ]
        return bool(rivals) and all(row["verdict"] == "worse" for row in rivals)


def _cases(count: int) -> str:
    return f"{count} case{'s' * (count != 1)}"


def table_1(model: ReportModel) -> PaperTable:
    """The paper's Table 1: every baseline, what is built on it, and the difference; "-" where nothing was measured."""
    measured = Measured(model)
    columns, sources = _primary_columns(measured, KINDS)
    rows: list[Row] = []
    for method in measured.competitors():
        baseline = measured.baseline.get(method, "")
        means = [measured.mean(suite, method, metric, digits) for suite, metric, digits in sources]
        rows.append(Row(_label(method, baseline), means, new_block=not baseline and bool(rows)))
        if baseline:
            deltas = [measured.delta(suite, method, metric, digits) for suite, metric, digits in sources]
            rows.append(Row("vs. Base", deltas))
    named = {
        (suite, column.title): metric for (suite, metric, _), column in zip(sources, columns, strict=True) if suite
    }
    notes = [BOLD_NOTE, *measured.notes(named)]
    caption = "Methods, what is built on them, and the difference"
    return PaperTable("table1", "1", caption, "Method", columns, rows, notes, published.table_1())


def ablation_table(model: ReportModel, data: RunData) -> PaperTable:
    """An ablation: its rows against the baseline, with the speed and memory of tuning.

    Args:
        model: The ablation's numbers.
        data: Its run, for the records of its outputs.
    """
    measured, sweep = Measured(model), str(data.run.config["ablation"])
    name, number, caption = ABLATIONS.get(sweep, (f"ablation_{sweep}", "", f"Ablation: {sweep}"))
    kinds = [kind for kind in KINDS if measured.suites(kind)]
    columns, sources = _primary_columns(measured, kinds)
    costs = tuning_costs(data)
    rows = []
    for index, method in enumerate(measured.competitors(), start=1):
        baseline = measured.baseline.get(method, "")
        cells = []
        for suite, metric, digits in sources:
            cells += [measured.mean(suite, method, metric, digits), measured.delta(suite, method, metric, digits)]
        speed, peak = costs.get(method, (math.nan, math.nan))
        rows.append(Row(f"{index} {_label(method, baseline)}", [*cells, Cell(speed, 2), Cell(peak / _MIB, 0)]))
    wide = [part for column in columns for part in (column, Column(column.group, "vs. Base"))]
    on_card = data.run.device.startswith("cuda")
    wide += [Column("Tuning", "it/s", True), Column("Tuning", "GPU MiB" if on_card else "process MiB", False)]
    named = {(suite, column.title): metric for (suite, metric, _), column in zip(sources, columns, strict=True)}
    notes = [BOLD_NOTE, *measured.notes(named), _cost_note(on_card=on_card), *left_out_rows(data.run)]
    notes += [published.CHARTS[sweep]] if sweep in published.CHARTS else []
    return PaperTable(
        name, number, caption, "Row", wide, rows, notes, published.table_2a() if sweep == "losses" else None
    )


def _cost_note(*, on_card: bool) -> str:
    """What the columns of speed and memory are, and what they are not."""
    memory = (
        "the most that was allocated on the graphics card during a case"
        if on_card
        else "the most resident memory of the whole process during a case, weights, libraries and what the allocator "
        "keeps included: small differences mean nothing"
    )
    return (
        f"Tuning: median over cases of steps per second, and {memory}; the largest of all cases. Both are of the run "
        "itself, other work on the machine included; bench profile decoding measures each way alone."
    )


def tuning_costs(data: RunData) -> dict[str, tuple[float, float]]:
    """By method: median steps per second of the tunings that were done, and the largest peak memory, in bytes."""
    rows: list[dict[str, Any]] = []
    for item in data.plan:
        made = data.store.records.get(("generate", item.key))
        if made and made["status"] == Status.OK and made["detail"].get("seconds_tune"):
            steps = made["detail"].get("tuned_steps", math.nan)
            reused = made["detail"].get("tuning_reused")  # what such a row took is no tuning's
            speed = math.nan if reused else steps / made["detail"]["seconds_tune"]
            rows.append({"method": item.method, "speed": speed, "peak": math.nan if reused else made["peak_bytes"]})
    if not rows:
        return {}
    table = pd.DataFrame(rows).groupby("method").agg(speed=("speed", "median"), peak=("peak", "max"))
    return {str(name): (float(row["speed"]), float(row["peak"])) for name, row in table.iterrows()}


def _primary_columns(measured: Measured, kinds: Sequence[SuiteKind]) -> tuple[list[Column], list[tuple[str, str, int]]]:
    """The columns of the benchmarks' primary metrics, and where their numbers are: suite, metric and decimals."""
    columns, sources = [], []
    for kind in kinds:
        suites = measured.suites(kind) or [""]
        for suite in suites:
            group = _TITLES[kind] + (f" ({suite})" if len(suites) > 1 else "")
            for primary in PRIMARY[kind]:
                metric = measured.metric(suite, primary.choices) if suite else ""
                up = measured.run.metrics[metric].higher_is_better if metric else primary.title != "AED"
                columns.append(Column(group, primary.title, up))
                sources.append((suite, metric, _DIGITS.get(primary.title, _DECIMALS)))
    return columns, sources


def _label(method: str, baseline: str) -> str:
    """What is built on a baseline is named by what it adds."""
    added = method.removeprefix(f"{baseline}+") if baseline else method
    return f"+ {added}" if added != method else method
