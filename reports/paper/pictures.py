"""Which cases the qualitative figures show, and which figures there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import ConfigError
from ...datasets.manifest import Case
from ...harness.plan import spread
from ...harness.suite_copy import load_copy
from ..run_data import RunData
from .drawing import Locate
from .figures import figure_name, save_figure
from .overview import overview_figure
from .qualitative import paste_figure, still_figure, strip_figure
from .shown import Shown, Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVERVIEW = "figure2"
_CAPTIONS = {
    OVERVIEW: "As the paper's Figure 2(b): regions and gradient fields (hue: direction, brightness: norm). ",
    "figure3": "As the paper's Figure 3. ",
    "figure4": "As the paper's Figure 4. ",
    "figure5": "As the paper's Figure 5: the red frame is the source of the pose, green what drives a region. ",
    "figure6-7": "As the paper's Figures 6 and 7. ",
    "figure8": "As the paper's Figure 8. ",
}
FIRST, MORE = 3, 6
"""Cases of the first figure of a method, and of the one with more results."""


def draw_pictures(
    data: RunData, folder: Path, locate: Locate, cases: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Draw the qualitative figures of every method that has a baseline, suite by suite.

    Args:
        data: The runs, merged.
        folder: Where to.
        locate: Finds landmarks.
        cases: Cases to show; empty for some, spread evenly over each suite.

    Returns:
        Names and captions of the figures; and what could not be shown, a sentence each.

    Raises:
        ConfigError: When a case is named that no run has.
    """
    figures: list[tuple[str, str]] = []
    notes: list[str] = []
    if unknown := sorted(set(cases) - {item.case for item in data.plan}):
        raise ConfigError(f"--case {unknown[0]}: is in none of the runs (bench suites show NAME lists the ids)")
    pairs = dict.fromkeys((item.suite, item.method, item.baseline) for item in data.plan if item.baseline)
    for suite, method, baseline in pairs:
        if data.run.is_control(method):
            continue
        copy = load_copy(data.folder, suite)
        if copy is None:
            notes.append(f"No pictures of {suite}: the run folder has no manifest of it.")
            continue
        source = Source(data, copy, suite, method, baseline)
        for stem, chosen in _chosen(source, cases):
            shown = source.load(chosen, notes)
            if not shown:
                continue
            name = figure_name(stem, suite, method)
            make = _figure_of(stem, shown, (method, baseline), locate)
            save_figure(make, folder / name)
            figures.append((name, _CAPTIONS[stem] + _caption(suite, method, baseline, shown, given=bool(cases))))
    return figures, notes


def _chosen(source: Source, named: Sequence[str]) -> list[tuple[str, list[Case]]]:
    """Names of figures with their cases."""
    cases = source.cases
    if not cases:
        return []
    if named:
        by_id = {case.id: case for case in cases}
        cases = [by_id[name] for name in named if name in by_id]
    pasted = [case for case in cases if case.guides]
    plain = [case for case in cases if not case.guides]
    order = [plain[index] for index in _interleaved(len(plain))] if not named else plain
    clips = bool(plain) and plain[0].driving.frames > 1
    first, more = ("figure3", "figure6-7") if clips else ("figure4", "figure8")
    parts = [(OVERVIEW, order[:1]), (first, order[:FIRST]), (more, order[FIRST : FIRST + MORE])]
    parts.append(("figure5", pasted[:FIRST]))
    return [(stem, own) for stem, own in parts if own]


def _interleaved(count: int) -> list[int]:
    """Indices of the cases to show, spread evenly: the first figure's, then those of the one with more."""
    first = spread(count, min(FIRST, count))
    more = [index for index in spread(count, min(FIRST + MORE, count)) if index not in first]
    return [*first, *more]


def _caption(suite: str, method: str, baseline: str, shown: Sequence[Shown], *, given: bool) -> str:
    how = "named by hand" if given else "spread evenly over the suite, not chosen by result"
    cases = ", ".join(one.case.id for one in shown)
    return f"{suite}: {method} against {baseline}. Cases {how}: {cases}."


def _figure_of(stem: str, shown: Sequence[Shown], pair: tuple[str, str], locate: Locate) -> Callable[[], Figure]:
    if stem == OVERVIEW:
        return lambda: overview_figure(shown[0], *pair, locate)
    if shown[0].guides:
        return lambda: paste_figure(shown, pair[0], locate)
    if shown[0].ours.is_image:
        return lambda: still_figure(shown, *pair, locate)
    return lambda: strip_figure(shown, *pair, locate)
