"""The curve of a training as a csv file, which goes on where a resumed training does."""

from __future__ import annotations

import csv
from pathlib import Path

from ....core.files import write_text

COLUMNS = ("step", "samples", "seconds", "rate", "loss", "held_out_loss")


class Curve:
    """Rows of a training's losses; each is on disk once :meth:`add` returns.

    ``seconds`` are those of all pieces together, pauses left out. ``held_out_loss`` is empty between checkpoints.

    Args:
        path: The file; made if it is absent.
        step: Where the training goes on: rows beyond it belong to steps that a kill undid, and are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = []
        if path.is_file():
            with path.open(newline="") as file:
                kept = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) <= step]
        self._before = float(kept[-1][2]) if kept else 0.0
        write_text(path, "".join(",".join(row) + "\n" for row in [COLUMNS, *kept]))

    def add(self, step: int, samples: int, seconds: float, rate: float, *losses: float) -> None:
        """Append a row.

        Args:
            step: Steps done.
            samples: Pairs seen in them.
            seconds: Since this piece of the training began.
            rate: Learning rate of the last step.
            losses: The training loss and, at a checkpoint, the held-out one.
        """
        values = [f"{loss:.5f}" for loss in losses] + [""] * (2 - len(losses))
        with self._path.open("a", newline="") as file:
            row = [step, samples, f"{self._before + seconds:.1f}", f"{rate:.3g}", *values]
            csv.writer(file, lineterminator="\n").writerow(row)
