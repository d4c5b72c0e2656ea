"""The report as Markdown: its page, and a file of tables per suite."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ...harness.run_file import ProvenanceAbout
from ..ablation import FRONT, PICTURE, fronts
from ..model import ReportModel
from ..statistics import MIN_DF
from ..tables import LOW_COVERAGE
from .escaping import Bold, Link, as_code, linked, plain
from .numbers import (
    MISSING,
    count_text,
    delta_text,
    interval_text,
    mean_text,
    method_text,
    number,
    percent,
    settings_text,
    stamped_metric,
)
from .verdict import interval_notes, primary_gaps, verdict

LEGEND = (
    "Comparisons: a delta is method minus baseline, the mean over the cases where both have a value, with its 95 % "
    "interval: clustered by identity and by driving picture or clip in crossed suites (not by the person in it), per "
    "clip in self suites. A variance clustered one way is G / (G - 1) times the sum over its G clusters of the "
    "squared sum of (delta - mean), over n squared; crossed, the variance is that by identity plus that by driving "
    "less that by case, or the largest of the three where this is not above zero; the interval is the mean +- "
    "t(.975, df) standard errors, and p two-sided. It is bold where it still excludes zero after Holm's correction "
    "over the primary metrics of the row's method; all other metrics are exploratory, their intervals not corrected. "
    f"There is no verdict below {MIN_DF} degrees of freedom (df: the smaller number of clusters less one). Win rate: "
    "the share of those cases where the method is strictly better, a tie counting half. Coverage: baseline, then "
    "method. Worst case: the delta over all cases with every missing value, also a single frame's, at the worst case "
    "value that any method has on the suite; it stands where coverage differs. Gap closed: (baseline - method) / "
    "(baseline - ideal output), where the ideal output is better than the baseline. References (targets, copies of "
    "the inputs) are ends of the scale and not compared.\n"
)
"""What the columns of a comparison mean; printed once per page."""


def page(model: ReportModel) -> str:
    """The whole report."""
    parts = [f"# {plain(model.name)}\n", f"**{plain(verdict(model))}**\n"]
    for suite in model.suites:
        about = model.run.suites[suite]
        parts.append(f"## {plain(about.title)}\n\n{as_code(suite)}, {about.kind}, {about.size} px.\n")
        if about.guides:
            told = "; ".join(
                f"{as_code(driving)}: {plain(settings_text(guides))}" for driving, guides in about.guides.items()
            )
            parts.append(f"Regions driven by pictures of their own: {told}.\n")
        parts.append(suite_tables(model, suite))
        parts.append(f"![contact sheet of {suite}]({suite}.png)\n")
    parts.append(
        "Cells are means over cases of the mean over frames; a percentage behind one is its coverage, where some "
        "frames or cases have no value: the mean over cases of the share of frames that have one. n: the fewest cases "
        "with a value in a metric of the row, of all cases where that is less.\n"
    )
    if len(model.comparison):
        parts.append(LEGEND)
    if warning := coverage_warning(model.low_coverage):
        parts.append(f"**{plain(warning)}**\n")
    parts += [f"{plain(note)}\n" for note in model.notes]
    if model.ablation:
        parts.append(about_ablation(model.run.config["ablation"]))
        for suite, *_ in fronts(model.ablation):
            parts.append(f"![identity against AED on {suite}]({FRONT}{suite}.png)\n")
    if len(model.failures):
        parts.append("## Values that are missing\n\n" + _frame(model.failures))
    if len(model.details):
        parts.append("## Masks and capped frames\n\n" + details_table(model.details))
    if len(model.crowded):
        names = {"generated": "output frames", "driving": "driving frames"}
        parts.append("## Several faces in a frame\n\n" + _frame(model.crowded.rename(columns=names)))
    parts.append("## What was compared\n\n" + _methods(model))
    parts.append("## What was measured\n\n" + _metrics(model))
    notes = ((suite, model.run.suites[suite].notes) for suite in model.suites)
    shown = [[suite, asset, note] for suite, own in notes for asset, texts in own.items() for note in texts]
    if shown:
        parts.append("## How files were shown\n\n" + markdown(["suite", "asset", "note"], shown))
    left = [[suite, *pair] for suite in model.suites for pair in model.run.left_out.get(suite, {}).items()]
    if left:
        parts.append("## What was left out\n\n" + markdown(["suite", "metric", "why"], left))
    parts.append("## Who measured\n\n" + _backends(model))
    parts.append("## With what\n\n" + _provenance(model.run.provenance))
    return "\n".join(parts)


def suite_tables(model: ReportModel, suite: str) -> str:
    """One suite's means, and its comparison where there is one."""
    parts = [means_table(model.summary, suite)]
    parts += [f"{plain(gap)}.\n" for gap in primary_gaps(model, suite)]
    parts.append(common_table(model.common, suite))
    compared = model.comparison[model.comparison["suite"] == suite]
    parts.append(comparison_table(model.comparison, suite))
    parts += [f"{note[0].upper()}{note[1:]}.\n" for note in interval_notes(compared)]
    return "\n".join(part for part in parts if part)


def common_table(common: pd.DataFrame, suite: str) -> str:
    """Means over the cases that all competitors have a value for; "" where they all cover the same."""
    part = common[common["suite"] == suite]
    if part.empty:
        return ""
    rows = [
        [row["method"], row["metric"], number(row["mean"]), count_text(row["n"], row["cases"])]
        for row in part.to_dict("records")
    ]
    return "### Over the cases that all methods have\n\n" + markdown(["method", "metric", "mean", "n"], rows)


def means_table(summary: pd.DataFrame, suite: str) -> str:
    """One suite's means: a row per method, a column per metric.

    Cells read "mean", with the coverage behind it where it is under 100 %. ``n`` is the number of cases with a value,
    "18/20" where some of the planned ones have none.
    """
    part = summary[summary["suite"] == suite]
    metrics = list(dict.fromkeys(part["metric"]))
    headers = ["method", *(stamped_metric(part[part["metric"] == metric].iloc[0]) for metric in metrics), "n"]
    rows = []
    for method in dict.fromkeys(part["method"]):
        own = part[part["method"] == method].set_index("metric")
        cells = [mean_text(own.loc[metric]) if metric in own.index else MISSING for metric in metrics]
        rows.append([method_text(own.iloc[0]), *cells, count_text(int(own["n"].min()), int(own["cases"].max()))])
    return markdown(headers, rows)


def comparison_table(comparison: pd.DataFrame, suite: str) -> str:
    """One suite's comparison as a section: a row per method and metric.

    Returns:
        The section with its heading; "" where the suite has nothing to compare.
    """
    part = comparison[comparison["suite"] == suite]
    if part.empty:
        return ""
    headers = ["method", "metric", "delta [95 % interval]", "verdict", "win rate", "pairs", "df", "coverage"]
    headers += ["worst case", "gap closed"]
    part = part.sort_values("primary", ascending=False, kind="stable")
    rows = [_compared(row) for _, row in part.iterrows()]
    shown = [index for index in range(len(headers)) if any(cells[index] != MISSING for cells in rows)]
    table = markdown([headers[index] for index in shown], [[cells[index] for index in shown] for cells in rows])
    return f"### vs. {part['baseline'].iloc[0]}\n\n{table}"


def details_table(details: pd.DataFrame) -> str:
    """How much of the frame pixel metrics look at, and how many frames have their largest value."""
    headers = ["suite", "method", "metric", "mask", "mean share of the frame", "frames at the cap"]
    rows = []
    for row in details.to_dict("records"):
        capped = MISSING if pd.isna(row["capped"]) else f"{int(row['capped'])} of {row['frames']}"
        mask = MISSING if pd.isna(row["mask"]) else str(row["mask"])
        rows.append([row["suite"], row["method"], row["metric"], mask, percent(row["mask_fraction"], 1), capped])
    return markdown(headers, rows)


def coverage_warning(methods: Sequence[str]) -> str:
    """One sentence of warning about means that leave out much; "" where none does."""
    if not methods:
        return ""
    share, names = percent(LOW_COVERAGE), ", ".join(methods)
    return f"Coverage is under {share} for {names}: frames or cases are missing from their means."


def about_ablation(what: str) -> str:
    """What the page says about the plot of an ablation."""
    return (
        f"## The ablation\n\n![{what}]({PICTURE})\n\n"
        "Means over cases. Around each mean stands the 95 % interval of its row's paired difference from the baseline "
        "(clustered by identity and driving clip where these are crossed), not corrected for the number of "
        "comparisons; the dashed line is the baseline's mean. Which differences are clear, the verdicts of the tables "
        "say: an interval that leaves the line out is not enough. One that runs out of its panel is wider. Gray "
        "points, where there are any, are single cases.\n"
    )


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is aligned left, the others right. Cells stay text, whatever they hold."""
    lines = [_line(headers), "| --- |" + " ---: |" * (len(headers) - 1), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _compared(row: pd.Series) -> list[str]:
    delta = f"{delta_text(row)} {interval_text(row)}"
    worst = f"{delta_text(row, 'worst_')} {interval_text(row, 'worst_')}" if pd.notna(row["worst_delta"]) else MISSING
    return [
        method_text(row),
        stamped_metric(row),
        Bold(delta) if row["verdict"] in ("better", "worse") else delta,
        row["verdict"],
        percent(row["win_rate"]),
        count_text(row["pairs"], row["cases"]),
        str(row["df"]) if row["df"] else MISSING,
        f"{percent(row['baseline_coverage'], 1)}, {percent(row['coverage'], 1)}",
        worst,
        percent(row["gap_closed"]),
    ]


def _methods(model: ReportModel) -> str:
    """Every method with all its settings, given or not: what a paper leaves open has to be told."""
    run = model.run
    rows = []
    for name in run.methods:
        role, grade = "reference" if run.is_control(name) else "compared", run.method_grades.get(name, "real")
        rows.append([name, role, grade, settings_text(run.method_settings.get(name, {}))])
    return markdown(["method", "role", "grade", "settings"], rows)


def _metrics(model: ReportModel) -> str:
    primary = {name for names in model.run.primary.values() for name in names}
    rows = []
    for name, about in model.run.metrics.items():
        models, use = " + ".join(about.backends) or MISSING, "primary" if name in primary else "exploratory"
        rows.append([name, about.title, about.unit, settings_text(about.options), models, use])
    return markdown(["metric", "what", "unit", "options", "face models", "use"], rows)


def _backends(model: ReportModel) -> str:
    headers = ["backend", "grade", "device", "weights", "options", "licence"]
    rows = []
    for one in model.run.backends:
        name, settings = f"{one.name} {one.version}", settings_text(one.options)
        rows.append([name, one.grade, one.device, one.weights[:12], settings, one.licence])
    return markdown(headers, rows)


def _provenance(about: ProvenanceAbout) -> str:
    checkout = about.checkout
    code = (
        f"{checkout['commit']}{' with uncommitted changes' if checkout['dirty'] else ''}" if checkout else "installed"
    )
    packages = ", ".join(f"{name} {version}" for name, version in about.packages.items())
    return (
        f"Code: {code}. Python {about.python} on {about.system} ({about.machine}).\n\n"
        f"Packages: {packages}.\n\nOutputs are stored without loss (PNG, H.264 RGB at crf 0).\n"
    )


def _frame(table: pd.DataFrame) -> str:
    """A table of names and counts as it is."""
    return markdown([str(name) for name in table.columns], [[str(value) for value in row] for row in table.to_numpy()])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell).replace("|", "\\|") for cell in cells) + " |"


def _cell(cell: str) -> str:
    if isinstance(cell, Link):
        return linked(cell)
    return f"**{plain(cell)}**" if isinstance(cell, Bold) else plain(cell)
