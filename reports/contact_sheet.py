"""A picture of a run: identity, driving frame and every method's output, case by case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ..core.errors import AssetError, CaseError, ManifestError, Status
from ..datasets.clip import Frame
from ..datasets.manifest import Window
from ..datasets.media import read_output
from ..harness.plan import PlanItem, spread
from ..harness.store import Record
from ..harness.suite_copy import SuiteCopy
from .picture_style import BACKGROUND, GAP, INK, fitted, font
from .run_data import RunData

CELL = 192
HEADER = 24
FOOTER = 16
MISSING = (232, 232, 232)


def contact_sheet(
    data: RunData, copy: SuiteCopy | None, items: Sequence[PlanItem], rows: int = 8
) -> tuple[Image.Image, list[str]]:
    """Draw some cases of one suite.

    Args:
        data: The run.
        copy: The run's copy of the suite's manifest; without one the inputs are not shown.
        items: The plan's items of the suite.
        rows: At most this many cases, spread over the suite.

    Returns:
        An RGB picture: columns identity, driving and one per method; a clip shows its middle frame. And what could not
        be shown, a line each; its cells are gray and say so.
    """
    sheet = _Sheet(data, copy, items, rows)
    sheet.draw()
    return sheet.image, sheet.gone


class _Sheet:
    """The picture while it is drawn."""

    def __init__(self, data: RunData, copy: SuiteCopy | None, items: Sequence[PlanItem], rows: int) -> None:
        self._folder, self._records, self._copy = data.folder, data.store.records, copy
        self._changed = data.changed
        self._methods = list(dict.fromkeys(item.method for item in items))
        cases = list(dict.fromkeys(item.case for item in items))
        self._cases = [cases[index] for index in spread(len(cases), rows)] if len(cases) > rows else cases
        self._items = {(item.case, item.method): item for item in items}
        self.gone: list[str] = []
        width = (2 + len(self._methods)) * (CELL + GAP) + GAP
        self.image = Image.new("RGB", (width, HEADER + len(self._cases) * (CELL + FOOTER + GAP)), BACKGROUND)

    def draw(self) -> None:
        text = ImageDraw.Draw(self.image)
        for column, title in enumerate(["identity", "driving", *self._methods]):
            text.text((GAP + column * (CELL + GAP), 5), title, INK, font(13))
        for row, case in enumerate(self._cases):
            top = HEADER + row * (CELL + FOOTER + GAP)
            made = [self._output(self._items[case, method]) for method in self._methods]
            for column, cell in enumerate([*self._inputs(case), *made]):
                self.image.paste(cell, (GAP + column * (CELL + GAP), top))
            text.text((GAP, top + CELL + 1), case, INK, font(11))

    def _inputs(self, case_id: str) -> list[Image.Image]:
        case = self._copy.cases.get(case_id) if self._copy else None
        if case is None:
            self.gone.append(f"inputs of {case_id}: the run folder has no manifest of them")
            return [_blank("not at hand")] * 2
        return [self._window(case.identity), self._window(case.driving)]

    def _window(self, window: Window) -> Image.Image:
        copy = self._copy
        return self._cell(lambda: copy.middle_frame(window))  # type: ignore[union-attr] # there is one for a case

    def _output(self, item: PlanItem) -> Image.Image:
        record = self._records.get(("generate", item.key))
        if record is None or record["status"] != Status.OK:
            return _blank(str(record["status"]) if record else "not done yet")
        if item.key in self._changed:
            self.gone.append(f"output of {item.case}, {item.method}: its file has changed since it was made")
            return _blank("changed")
        return self._cell(lambda: _middle_of_output(self._folder, record))

    def _cell(self, load: Callable[[], Frame]) -> Image.Image:
        """A frame fitted into a cell; one that cannot be read is a gray cell that says so."""
        try:
            return fitted(load(), CELL)
        except CaseError as error:
            self.gone.append(str(error))
            return _blank(str(error.status))
        except (AssetError, ManifestError) as error:
            self.gone.append(str(error))
            return _blank("not at hand")


def _middle_of_output(folder: Path, record: Record) -> Frame:
    clip = read_output(folder / record["output"]["path"])
    frame: Frame = clip.frames[len(clip) // 2]
    return frame


def _blank(text: str) -> Image.Image:
    cell = Image.new("RGB", (CELL, CELL), MISSING)
    ImageDraw.Draw(cell).text((8, CELL // 2 - 8), text, INK, font(13))
    return cell
