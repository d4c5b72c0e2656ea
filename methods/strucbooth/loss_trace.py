"""Losses over the steps of one tuning, and what of them goes into the record."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ...core.errors import DivergedError


class Trace:
    """Loss values step by step, not weighted.

    Args:
        values: Loss values of earlier steps, by name of the loss.
    """

    def __init__(self, values: Mapping[str, Sequence[float]] | None = None) -> None:
        self._values = {name: list(own) for name, own in (values or {}).items()}
        self._steps = 0

    @property
    def values(self) -> dict[str, list[float]]:
        """A copy of all that was noted, by loss."""
        return {name: list(own) for name, own in self._values.items()}

    def add(self, draws: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Note the losses of a step's draws; one may be absent from draws that show no face.

        Returns:
            Each loss's mean over the draws that have it.

        Raises:
            DivergedError: When one is not finite.
        """
        self._steps += 1
        names = dict.fromkeys(name for draw in draws for name in draw)
        losses = {name: _mean([draw[name] for draw in draws if name in draw]) for name in names}
        for name, value in losses.items():
            if not math.isfinite(value):
                raise DivergedError(f"the {name} loss is {value} at step {self._steps}")
            self._values.setdefault(name, []).append(value)
        return losses

    def detail(self, points: int) -> dict[str, float | str]:
        """Facts for the record: for each loss the mean of the first and last tenth, and a curve.

        Args:
            points: Length of the curves, which are means over equal stretches, as JSON lists.
        """
        found: dict[str, float | str] = {}
        for name, values in self._values.items():
            tenth = max(1, len(values) // 10)
            found[f"{name}_first"] = _mean(values[:tenth])
            found[f"{name}_last"] = _mean(values[-tenth:])
            edges = [round(index * len(values) / points) for index in range(points + 1)]
            stretches = [values[a:b] for a, b in pairwise(edges) if a < b]
            found[f"{name}_trace"] = json.dumps([round(_mean(stretch), 5) for stretch in stretches])
        return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
