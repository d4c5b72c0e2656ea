"""The page: the report model and the gallery through the templates, and the files that lie beside it."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...core.digest import digest
from ...core.files import human_size, write_text
from ..ablation import pictures
from ..model import ReportModel
from ..render.markdown import LEGEND, coverage_warning
from ..render.numbers import count_text, duration, number, percent, settings_text
from ..render.verdict import interval_notes, primary_gaps, verdict_parts
from ..run_data import RunData
from .cases import MEDIA, Curves, Gallery, script_json
from .proxies import LARGEST, LARGEST_PICTURE, Proxies, make_proxies
from .tables import FOREST_WIDTH, comparison_rows, forest, table

PAGE = "index.html"
SINGLE = "single.html"
SINGLE_LIMIT = 10 * 2**20
"""Bytes of media in a single file, as they stand there; what does not fit is left out, and the page says so."""
_TEMPLATES = Path(__file__).with_name("templates")


def write_page(data: RunData, model: ReportModel, report: Path, *, single_file: bool = False) -> None:
    """Write ``index.html`` and its media into a report; on request the one file that holds both as well.

    Args:
        data: The run.
        model: Its numbers.
        report: The report's folder.
        single_file: Whether to write ``single.html`` too; an older one is taken away otherwise.
    """
    gallery = Gallery(data, model)
    proxies = make_proxies(report / MEDIA, gallery.sources)
    curves = gallery.curves()
    places = _write_curves(report / MEDIA, gallery, curves)
    content = gallery.as_data(proxies, lambda name: f"{MEDIA}/{name}", places)
    write_text(report / PAGE, _render(model, content, proxies, gallery.all_cases, pictures(model.ablation)))
    if single_file:
        write_text(report / SINGLE, _single(model, gallery, proxies, curves, report))
    else:
        (report / SINGLE).unlink(missing_ok=True)


def _write_curves(folder: Path, gallery: Gallery, curves: Mapping[int, Curves]) -> dict[int, str]:
    """Write each case's curves as a script, which a page read from a disk may load where it may not read data."""
    places = {}
    for index, own in curves.items():
        name = f"curves-{digest(gallery.name_of(index))[:16]}.js"
        write_text(folder / name, f"portraitCurves({index},{script_json(own)})\n")
        places[index] = f"{MEDIA}/{name}"
    for path in folder.glob("curves-*.js"):
        if f"{MEDIA}/{path.name}" not in places.values():
            path.unlink()
    return places


def _single(model: ReportModel, gallery: Gallery, proxies: Proxies, curves: Mapping[int, Curves], report: Path) -> str:
    """The page with its media inside, in the gallery's order as far as they fit."""
    left, inside = SINGLE_LIMIT, dict[str, str]()
    for proxy in proxies.made.values():
        kind = mimetypes.guess_type(proxy.name)[0] or "image/webp"
        size = len(f"data:{kind};base64,") + 4 * -(-proxy.bytes // 3)
        if size <= left:
            left -= size
            inside[proxy.name] = _inside(report / MEDIA / proxy.name)
    content = gallery.as_data(proxies, lambda name: inside.get(name, ""), curves, linked=False)
    gone = len(proxies.made) - len(inside)
    note = f"A single file: {len(inside)} of {len(proxies.made)} pictures and clips are inside it"
    note += f", {gone} were left out to stay below {human_size(SINGLE_LIMIT)} of media." if gone else "."
    plots = [(_inside(report / name), caption) for name, caption in pictures(model.ablation)]
    return _render(model, content, proxies, gallery.all_cases, plots, note)


def _inside(path: Path) -> str:
    """A file as an address that holds all of it."""
    kind = mimetypes.guess_type(path.name)[0] or "image/webp"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _render(
    model: ReportModel,
    content: Mapping[str, Any],
    proxies: Proxies,
    all_cases: int,
    plots: Sequence[tuple[str, str]],
    note: str = "",
) -> str:
    """The page; ``plots`` are addresses and captions of an ablation's."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (count_text, duration, human_size, number, percent, settings_text):
        environment.filters[function.__name__] = function
    failed = model.failures.to_dict("records")
    return environment.get_template("page.html.j2").render(
        model=model,
        run=model.run,
        config=json.dumps(model.run.config, indent=1, ensure_ascii=False),
        verdict=verdict_parts(model),
        suites=[_suite(model, name) for name in model.suites],
        legend=LEGEND if len(model.comparison) else "",
        warning=coverage_warning(model.low_coverage),
        failures=failed,
        crowded=model.crowded.to_dict("records"),
        cost=model.cost.sort_values(["stage", "method", "phase"]).to_dict("records"),
        plots=plots,
        shown=None if len(content["cases"]) == all_cases else (len(content["cases"]), all_cases),
        media={"count": len(proxies.made), "bytes": proxies.bytes, "gone": len(proxies.gone)},
        sides=(LARGEST, LARGEST_PICTURE),
        note=note,
        forest_width=FOREST_WIDTH,
        # Markup: our own files, and JSON that script_json has made safe.
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704
        script=Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),  # noqa: S704
        data=Markup(script_json(content)),  # noqa: S704
    )


def _suite(model: ReportModel, name: str) -> dict[str, Any]:
    compared = model.comparison[model.comparison["suite"] == name]
    summary = model.summary[model.summary["suite"] == name]
    return {
        "name": name,
        "about": model.run.suites[name],
        "cases": int(summary["cases"].max()),
        "primary": table(model, name, primary=True),
        "others": table(model, name, primary=False),
        "comparison": comparison_rows(model, name),
        "forest": forest(model, name),
        "baseline": compared["baseline"].iloc[0] if len(compared) else "",
        "gaps": primary_gaps(model, name),
        "intervals": interval_notes(compared),
        "left_out": model.run.left_out.get(name, {}),
        "common": model.common[model.common["suite"] == name].to_dict("records"),
        "coverage": summary[summary["coverage"] < 1 - 1e-12].to_dict("records"),
    }
