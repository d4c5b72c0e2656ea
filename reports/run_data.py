"""All that a report reads of a run folder, read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..harness.plan import PlanItem
from ..harness.run_file import RunFile, load_plan, load_run
from ..harness.store import Store


@dataclass(frozen=True)
class RunData:
    """A run folder's files.

    Attributes:
        folder: The run folder.
        run: Its ``run.json``.
        plan: Its ``plan.jsonl``.
        store: Its records, loaded.
    """

    folder: Path
    run: RunFile
    plan: list[PlanItem]
    store: Store

    @property
    def name(self) -> str:
        """The folder's name, wherever it is and however it was spelled."""
        return self.folder.resolve().name


def read_run(folder: Path) -> RunData:
    """Read a run folder.

    Raises:
        StoreError: When it is none, another version wrote it, or one of its files is damaged.
    """
    run = load_run(folder)
    plan = load_plan(folder, run)
    store = Store(folder)
    store.load()
    return RunData(folder, run, plan, store)
