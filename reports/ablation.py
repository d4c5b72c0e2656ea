"""The plot of an ablation run: its headline metrics against the number of steps, or row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.files import atomic_path
from ..datasets.manifest import SuiteKind
from ..harness.component import ComponentSpec
from ..harness.run_file import RunFile
from .front import FrontPoint, draw_front, front_points
from .plots import Panel, Spot, draw, save
from .statistics import per_clip, two_way

HEADLINES = ("aed_lmk_px512/", "aed_lmk_target_px512/", "id_")
"""Beginnings of the ids of the metrics that are drawn: distance to the driver, to the target, and identity."""
PICTURE = "ablation.png"
FRONT = "front."
"""Beginning of the name of a suite's picture of identity against expression."""


def draw_ablation(folder: Path, rows: Sequence[Sequence[Panel]]) -> None:
    """Draw ``ablation.png`` into a report, if the run is an ablation.

    Args:
        folder: The report's folder.
        rows: What to show, from :func:`panels`.
    """
    for old in folder.glob(f"{FRONT}*.png"):
        old.unlink()
    for suite, points, pair in fronts(rows):
        with atomic_path(folder / f"{FRONT}{suite}.png") as temporary:
            save(lambda points=points, pair=pair: draw_front(points, *pair), temporary)  # type: ignore[misc]
    if not rows:
        (folder / PICTURE).unlink(missing_ok=True)  # of another command on the same run
        return
    with atomic_path(folder / PICTURE) as temporary:
        save(lambda: draw(rows), temporary)


def fronts(rows: Sequence[Sequence[Panel]]) -> list[tuple[str, list[FrontPoint], tuple[Panel, Panel]]]:
    """Per suite that has both metrics: its name, where the rows stand, and the panels of identity and AED."""
    found = []
    for row in rows:
        by_start = {start: panel for panel in row for start in HEADLINES if panel.y_label.startswith(start)}
        identity, expression = by_start.get(HEADLINES[2]), by_start.get(HEADLINES[0])
        if identity and expression:
            names = [spot.name for spot in identity.spots]
            pair = identity, expression
            found.append((identity.title.partition(":")[0], front_points(*pair, names, names[0]), pair))
    return found


def pictures(rows: Sequence[Sequence[Panel]]) -> list[tuple[str, str]]:
    """Names of the files that :func:`draw_ablation` writes, each with what it shows; none for other runs."""
    if not rows:
        return []
    bars = "means over cases with the interval of the difference from the baseline"
    best = "to the right and down is better, ringed rows are not beaten in both"
    return [(PICTURE, f"The ablation: {bars}; one that runs out of its panel is wider")] + [
        (f"{FRONT}{suite}.png", f"Identity against AED on {suite}: {best}") for suite, _, _ in fronts(rows)
    ]


def numbers_of(run: RunFile) -> dict[str, float]:
    """Where the rows of an ablation stand on a numeric axis, by row label; the baseline, which is not tuned, at 0.

    Returns:
        Nothing unless the ablation is named after an option that all its rows state as a number.
    """
    option, baseline = run.config["ablation"], _baseline(run)
    specs = [ComponentSpec.model_validate(spec) for spec in run.config["methods"]]
    values = {f"{baseline}+{spec.label}": spec.options.get(option) for spec in specs}
    numbers = {label: float(v) for label, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return {baseline: 0.0} | numbers if numbers and len(numbers) == len(values) else {}


def panels(run: RunFile, frame: pd.DataFrame) -> list[list[Panel]]:
    """What the plot of an ablation shows: a row per suite, a panel per headline metric that has any value.

    Returns:
        Nothing for a run that is no ablation, or where nothing was measured yet.
    """
    if not run.config.get("ablation"):
        return []
    x = numbers_of(run)
    measured = frame[frame["value"].notna()]
    rows = []
    for suite in run.suites:
        metrics = set(measured.loc[measured["suite"] == suite, "metric"])
        shown = [name for start in HEADLINES for name in run.metrics if name.startswith(start) and name in metrics]
        own = frame[frame["suite"] == suite]
        rows.append([_panel(run, own[own["metric"] == name], suite, name, x) for name in shown])
    return [row for row in rows if row]


def _panel(run: RunFile, part: pd.DataFrame, suite: str, metric: str, x: Mapping[str, float]) -> Panel:
    about, methods = run.metrics[metric], list(dict.fromkeys(part["method"]))
    by_case = part.groupby(["method", "case"], sort=False, observed=True)["value"].mean()
    clusters = part.drop_duplicates("case").set_index("case")[["identity", "driving"]]
    crossed = run.suites[suite].kind != SuiteKind.SELF_VIDEO
    base = by_case.loc[_baseline(run)]
    spots = []
    for index, method in enumerate(methods):
        values = by_case.loc[method].dropna()
        own = clusters.loc[values.index] if crossed else None
        spots.append(_spot(method, x.get(method, index), values, base, own))
    arrow = "higher is better" if about.higher_is_better else "lower is better"
    return Panel(
        title=f"{suite}: {about.title}",
        x_label=str(run.config["ablation"]) if x else "",
        y_label=f"{metric}\n[{about.unit}], {arrow}",
        spots=spots,
        level=float(base.mean()),
        names=[] if x else [method.removeprefix(f"{_baseline(run)}+") for method in methods],
    )


def _spot(name: str, x: float, values: pd.Series, base: pd.Series, clusters: pd.DataFrame | None) -> Spot:
    """A row's mean, with the interval of its paired difference from the baseline around it."""
    deltas = (values - base).dropna()
    if clusters is None:
        delta = per_clip(deltas)
    else:
        own = clusters.loc[deltas.index]
        delta = two_way(deltas, list(own["identity"]), list(own["driving"]))
    mean = float(values.mean())
    return Spot(x, mean, mean + delta.low - delta.mean, mean + delta.high - delta.mean, values.tolist(), name)


def _baseline(run: RunFile) -> str:
    return ComponentSpec.model_validate(run.config["baseline"]).label
