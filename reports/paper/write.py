"""``bench paper``: tables and figures of runs in one folder, with a document around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import ConfigError
from ...core.files import write_text
from ...harness.store import storing
from ..ablation import fronts
from ..front import draw_front
from ..merge import adopt_suites, merge
from ..model import ReportModel, model_of
from ..plots import Panel
from ..run_data import RunData
from .drawing import Locate
from .figures import cost_scatter, save_figure, twin_axes
from .latex import document, latex_of
from .pictures import draw_pictures
from .plots import draw_plots
from .table import PaperTable, csv_of, markdown_of
from .tables import ABLATIONS, ablation_table, table_1, tuning_costs


@dataclass
class Written:
    """What was written.

    Attributes:
        folder: Where.
        tables: Names of the tables' files, without endings.
        figures: Names of the figures' files, without endings, with their captions.
        plots: As many of the plots beside the paper's own figures.
        notes: What could not be shown, and why; a sentence each.
    """

    folder: Path
    tables: list[str] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)
    plots: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write_paper(runs: Mapping[str, RunData], folder: Path, locate: Locate, cases: Sequence[str] = ()) -> Written:
    """Write the paper's tables and figures.

    Runs of ``bench ablate`` give the tables of ablations, one per sweep; all others together give Table 1 and the
    pictures.

    Args:
        runs: From :func:`reports.merge.read_runs`.
        folder: Where to.
        locate: Finds the landmarks of a clip, for zoomed regions.
        cases: Cases that the pictures show; empty for some, spread evenly over each suite.

    Raises:
        ConfigError: When two runs do not fit together, or are ablations of one kind.
        StoreError: When the folder cannot be written.
    """
    done = Written(folder)
    plain = {name: data for name, data in runs.items() if not data.run.config.get("ablation")}
    sweeps = _by_sweep({name: data for name, data in runs.items() if name not in plain})
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        texts = _write_methods(plain, done, locate, cases) if plain else []
        for data in sweeps.values():
            model = model_of(data)
            texts.append(_write_table(ablation_table(model, data), done))
            _draw_ablation(model, data, done)
        write_text(folder / "paper.tex", document(done.tables, done.figures))
        write_text(folder / "paper.md", _page(texts, done))
    return done


def _by_sweep(runs: Mapping[str, RunData]) -> dict[str, RunData]:
    """Ablations by sweep, in the paper's order.

    Raises:
        ConfigError: When two are of one sweep.
    """
    names: dict[str, str] = {}
    for name, data in runs.items():
        sweep = str(data.run.config["ablation"])
        if sweep in names:
            raise ConfigError(f"runs {names[sweep]} and {name} are both ablations of {sweep}: name one of them")
        names[sweep] = name
    order = dict.fromkeys([*ABLATIONS, *names])
    return {sweep: runs[names[sweep]] for sweep in order if sweep in names}


def _write_methods(runs: Mapping[str, RunData], done: Written, locate: Locate, cases: Sequence[str]) -> list[str]:
    """Table 1, the pictures and the plots of all runs together; returns the tables as markdown."""
    data = merge(runs, done.folder)
    adopt_suites(runs.values(), done.folder)
    model = model_of(data)
    texts = [_write_table(table_1(model), done)]
    figures, notes = draw_pictures(data, done.folder, locate, cases)
    done.figures += figures
    done.notes += notes
    done.plots += draw_plots(model, data, done.folder)
    return texts


def _write_table(table: PaperTable, done: Written) -> str:
    markdown = markdown_of(table)
    write_text(done.folder / f"{table.name}.md", markdown)
    write_text(done.folder / f"{table.name}.csv", csv_of(table))
    write_text(done.folder / f"{table.name}.tex", latex_of(table))
    if table.published:
        write_text(done.folder / f"{table.published.name}.csv", csv_of(table.published))
    done.tables.append(table.name)
    return markdown


def _draw_ablation(model: ReportModel, data: RunData, done: Written) -> None:
    """The plots of an ablation: twin axes over a number, memory and speed of ways to decode."""
    sweep = str(data.run.config["ablation"])
    for panels in model.ablation:
        named = {panel.y_label.partition("\n")[0]: panel for panel in panels}
        identity, expression = _starting(named, "id_"), _starting(named, "aed_lmk_px512/")
        suite = panels[0].title.partition(":")[0]
        if identity and expression and not identity.names:
            name = f"table2c_{suite}" if sweep == "steps" else f"ablation_{sweep}_{suite}"
            save_figure(lambda a=identity, b=expression: twin_axes(a, b), done.folder / name)  # type: ignore[misc]
            done.figures.append((name, f"{suite}: identity and AED against {sweep}, with 95 % intervals."))
        if expression and sweep == "decoding":
            costs = tuning_costs(data)
            points = [
                (spot.name.partition("+")[2], spot.mean, costs[spot.name][1], costs[spot.name][0])
                for spot in expression.spots
                if spot.name in costs
            ]
            unit, name = expression.y_label, f"table2b_{suite}"
            place = "graphics card" if data.run.device.startswith("cuda") else "whole process"
            memory = f"peak memory of the {place} [MiB]"
            save_figure(lambda p=points, u=unit, m=memory: cost_scatter(p, u, m), done.folder / name)  # type: ignore[misc]
            done.figures.append((name, f"{suite}: AED, memory and speed of patch-wise and global decoding."))
    for suite, spots, pair in fronts(model.ablation):
        name = f"front_{sweep}_{suite}"
        save_figure(lambda s=spots, p=pair: draw_front(s, *p), done.folder / name)  # type: ignore[misc]
        done.figures.append((name, f"{suite}: identity against AED for the rows of {sweep}."))


def _starting(panels: Mapping[str, Panel], start: str) -> Panel | None:
    return next((panel for name, panel in panels.items() if name.startswith(start)), None)


def _page(texts: Sequence[str], done: Written) -> str:
    parts = ["# Tables and figures\n", *texts]
    parts += [f"![{caption}]({name}.svg)\n\n{caption}\n" for name, caption in (*done.figures, *done.plots)]
    parts += [f"- {note}" for note in done.notes]
    return "\n".join(parts).rstrip() + "\n"
