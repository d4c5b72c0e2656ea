"""A picture of a run: identity, driving frame and every method's output, case by case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ..core.errors import AssetError, CaseError, Status
from ..datasets.clip import Clip
from ..datasets.media import read_output
from ..harness.plan import PlanItem, spread
from ..harness.session import Session
from ..harness.store import Store
from .picture_style import BACKGROUND, GAP, INK, fitted, font

CELL = 192
HEADER = 24
FOOTER = 16
MISSING = (232, 232, 232)


def contact_sheet(session: Session, store: Store, items: Sequence[PlanItem], rows: int = 8) -> Image.Image:
    """Draw some cases of one suite.

    Args:
        session: Knows the suite's media.
        store: The run's records, loaded.
        items: The plan's items of one suite.
        rows: At most this many cases, spread over the suite.

    Returns:
        An RGB picture: columns identity, driving and one per method; a clip shows its middle frame.
    """
    methods = list(dict.fromkeys(item.method for item in items))
    cases = list(dict.fromkeys(item.case for item in items))
    if len(cases) > rows:
        cases = [cases[index] for index in spread(len(cases), rows)]
    by_cell = {(item.case, item.method): item for item in items}
    columns = ["identity", "driving", *methods]
    width = len(columns) * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, HEADER + len(cases) * (CELL + FOOTER + GAP)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(columns):
        draw.text((GAP + column * (CELL + GAP), 5), title, INK, font(13))
    for row, case_id in enumerate(cases):
        top = HEADER + row * (CELL + FOOTER + GAP)
        case = session.media.case(items[0].suite, case_id)
        loads: list[Callable[[], Clip]] = [
            lambda case=case: session.media.load(case.suite, case.identity),  # type: ignore[misc]
            lambda case=case: session.media.load(case.suite, case.driving),  # type: ignore[misc]
        ]
        for column, load in enumerate(loads):
            sheet.paste(_cell(load), (GAP + column * (CELL + GAP), top))
        for column, method in enumerate(methods, start=2):
            sheet.paste(
                _output(session.config.folder, store, by_cell[case_id, method]), (GAP + column * (CELL + GAP), top)
            )
        draw.text((GAP, top + CELL + 1), case_id, INK, font(11))
    return sheet


def _output(folder: Path, store: Store, item: PlanItem) -> Image.Image:
    record = store.records.get(("generate", item.key))
    if record is None or record["status"] != Status.OK:
        return _blank(str(record["status"]) if record else "not done yet")
    return _cell(lambda: read_output(folder / record["output"]["path"]))


def _cell(load: Callable[[], Clip]) -> Image.Image:
    """The middle frame of a clip, fitted into a cell; a clip that cannot be read is a gray cell that says so."""
    try:
        clip = load()
    except CaseError as error:
        return _blank(str(error.status))
    except AssetError:
        return _blank("not at hand")
    return fitted(clip.frames[len(clip) // 2], CELL)


def _blank(text: str) -> Image.Image:
    cell = Image.new("RGB", (CELL, CELL), MISSING)
    ImageDraw.Draw(cell).text((8, CELL // 2 - 8), text, INK, font(13))
    return cell
