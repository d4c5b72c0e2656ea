"""One case with the pictures that a paper shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import AssetError, CaseError, ManifestError, Status
from ...datasets.clip import Clip
from ...datasets.manifest import Case
from ...datasets.media import read_output
from ...harness.plan import PlanItem
from ...harness.suite_copy import SuiteCopy
from ..run_data import RunData


@dataclass(frozen=True)
class Shown:
    """One case with what was made of it.

    Attributes:
        case: Identity, driving, guides.
        identity: The identity image.
        driving: The driving clip.
        base: What the baseline made.
        ours: What the method made.
        guides: By region: what drives it instead of ``driving``.
    """

    case: Case
    identity: Clip
    driving: Clip
    base: Clip
    ours: Clip
    guides: dict[str, Clip]


class Source:
    """The outputs of one method and its baseline in one suite."""

    def __init__(self, data: RunData, copy: SuiteCopy, suite: str, method: str, baseline: str) -> None:
        self._data, self.copy = data, copy
        self.method, self.baseline = method, baseline
        self._items = {(item.case, item.method): item for item in data.plan if item.suite == suite}

    @property
    def cases(self) -> list[Case]:
        """Cases whose outputs are there, in manifest order."""
        made = [case for case, method in self._items if method == self.method]
        return [
            self.copy.cases[case]
            for case in made
            if self._output(case, self.method) and self._output(case, self.baseline)
        ]

    def load(self, cases: Sequence[Case], notes: list[str]) -> list[Shown]:
        """The pictures of cases; those that are not at hand become notes."""
        shown = []
        for case in cases:
            try:
                shown.append(
                    Shown(
                        case,
                        self.copy.clip(case.identity),
                        self.copy.clip(case.driving),
                        read_output(self._path(case.id, self.baseline)),
                        read_output(self._path(case.id, self.method)),
                        {region: self.copy.clip(window) for region, window in case.guides.items()},
                    )
                )
            except (AssetError, CaseError, ManifestError) as error:
                notes.append(f"Case {case.id} is not shown: {error}")
        return shown

    def _output(self, case: str, method: str) -> str:
        item: PlanItem | None = self._items.get((case, method))
        made = self._data.store.records.get(("generate", item.key)) if item else None
        return made["output"]["path"] if made and made["status"] == Status.OK else ""

    def _path(self, case: str, method: str) -> Path:
        return self._data.folder / self._output(case, method)
