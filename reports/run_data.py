"""All that a report reads of a run folder, read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..harness.plan import PlanItem
from ..harness.run_file import RunFile, load_plan, load_run
from ..harness.store import Store, is_intact


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

    @cached_property
    def changed(self) -> frozenset[str]:
        """Keys of outputs whose files are not those that were scored: no value is theirs."""
        return frozenset(key for key, parts in self._outputs.items() if any(self._is_changed(part) for part in parts))

    @cached_property
    def gone(self) -> list[str]:
        """Files of outputs that are not in the folder any more; their values are those of when they were made."""
        parts = [part for parts in self._outputs.values() for part in parts]
        return sorted({part["path"] for part in parts if not (self.folder / part["path"]).exists()})

    @property
    def _outputs(self) -> dict[str, list[dict[str, Any]]]:
        """By key: the files that scores are about."""
        made = {item.key: self.store.records.get(("generate", item.key)) for item in self.plan}
        found = {key: (record["output"], record["canvas"]) for key, record in made.items() if record}
        return {key: [part for part in parts if part] for key, parts in found.items()}

    def _is_changed(self, part: dict[str, Any]) -> bool:
        return (self.folder / part["path"]).exists() and not is_intact(self.folder, part)

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
