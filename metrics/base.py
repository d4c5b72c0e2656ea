"""Contracts of the metric room: what a metric is shown, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.component import Component
from ..core.errors import MediaError, Status
from ..core.options import parse_options
from ..datasets.clip import Clip
from ..datasets.manifest import SuiteKind
from ..faces.base import Floats, Observation

Role = Literal["identity", "driving", "target"]
ANY_MODEL = "MODEL"
"""Stands for the face model in the id of a metric that has one form per model, until one is named."""


class View:
    """One clip of a case, decoded and looked at only when a metric asks.

    Args:
        load: Decodes the frames.
        observe: Looks at them; the observation holds every feature the metrics of this run need.
    """

    def __init__(self, load: Callable[[], Clip], observe: Callable[[], Observation]) -> None:
        self._load = load
        self._observe = observe

    @cached_property
    def clip(self) -> Clip:
        """The frames."""
        return self._load()

    @cached_property
    def seen(self) -> Observation:
        """What the face models saw."""
        return self._observe()

    def separate(self) -> View:
        """The same clip for one metric: frames are copied when it asks, so that it cannot change another's."""
        return View(lambda: self.clip.copy(), lambda: self.seen)

    @property
    def known_length(self) -> int | None:
        """Number of frames; None as long as nobody has asked for them or for what was seen in them."""
        if "seen" in vars(self):
            return len(self.seen.counts)
        return len(self.clip) if "clip" in vars(self) else None

    @property
    def crowded(self) -> int:
        """How many frames show more than one face; 0 as long as no metric has asked what was seen."""
        return int((self.seen.counts > 1).sum()) if "seen" in vars(self) else 0


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a metric may look at for one case and one method.

    Attributes:
        kind: Which benchmark the case belongs to.
        generated: The method's output.
        identity: The identity image, one frame.
        driving: The driving clip as the generator framed it (its canvas), so that positions can be compared.
        target: The ideal output, where the suite knows it; None elsewhere.
    """

    kind: SuiteKind
    generated: View
    identity: View
    driving: View
    target: View | None

    def separate(self) -> Scene:
        """The same scene for one metric; see :meth:`View.separate`."""
        target = self.target.separate() if self.target else None
        return Scene(self.kind, self.generated.separate(), self.identity.separate(), self.driving.separate(), target)


@dataclass(frozen=True, eq=False)
class Scores:
    """A metric's answer for one case: a value per frame, or a single value for a clip-level metric.

    Attributes:
        values: float64, shape (T,) for level "frame", (1,) for level "clip"; NaN where undefined.
        status: One per value; ``Status.OK`` exactly where the value is a number.
        detail: Named parts worth recording (terms, counts, mask fraction); plain numbers and strings.
    """

    values: Floats
    status: Sequence[Status]
    detail: Mapping[str, float | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.status) != len(self.values):
            raise ValueError(f"{len(self.values)} values with {len(self.status)} statuses")
        for value, status in zip(self.values, self.status, strict=True):
            if np.isnan(value) == (status is Status.OK):
                raise ValueError(f"a value of {value} cannot have the status {status.value!r}")

    @classmethod
    def of_frames(
        cls, values: Floats, found: NDArray[np.bool_], detail: Mapping[str, float | int | str] | None = None
    ) -> Scores:
        """Scores of frames: ``no_face`` where ``found`` (shape (T,)) is false, ``undefined`` where the value is NaN."""
        status = [
            Status.NO_FACE if not ok else Status.UNDEFINED if np.isnan(value) else Status.OK
            for ok, value in zip(found, values, strict=True)
        ]
        return cls(np.where(found, values, np.nan), status, detail or {})


@dataclass(frozen=True)
class MetricSpec:
    """What a metric is, for people and for the runner.

    Attributes:
        id: Name and version, "aed_lmk_px512/1". The version changes whenever the numbers may.
        title: A few words for a table header.
        unit: "px at 512", "cosine", "dB", ...
        higher_is_better: Direction.
        level: Whether it scores frames or whole clips.
        needs: Face features it reads ("landmarks", "identity/arcface").
        roles: Clips it reads besides the generated one; a case without a target is not scored by metrics of targets.
        kinds: Benchmarks it belongs to.
        definition: One paragraph, printed by ``bench metrics explain``: exactly what is computed, and the source.
        aliases: Names under which papers cite it.
        by_default: Whether it is scored without being asked for by name, wherever its needs are met.
    """

    id: str
    title: str
    unit: str
    higher_is_better: bool
    level: Literal["frame", "clip"]
    needs: tuple[str, ...]
    roles: tuple[Role, ...]
    kinds: tuple[SuiteKind, ...]
    definition: str
    aliases: tuple[str, ...] = ()
    by_default: bool = True

    @property
    def name(self) -> str:
        """The id without its version."""
        return self.id.partition("/")[0]


class Metric(Component):
    """Contract of a metric: a spec, options that change its numbers, and a call.

    Made without options it has its default form. A metric that comes in one form per face model has the option
    ``model`` (resolved from ``name[model]``) and defaults it to :data:`ANY_MODEL`.

    Attributes:
        spec: What it is.
        options: All options, as plain data.
    """

    spec: MetricSpec
    options: Mapping[str, Any]

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = parse_options(self.options_model, options, f"metric {self.spec.name}").model_dump(mode="json")

    @property
    def name(self) -> str:  # type: ignore[override]
        """The id without its version."""
        return self.spec.name

    def fingerprint(self) -> Mapping[str, Any]:
        """Id with version, and options."""
        return {"id": self.spec.id, "options": dict(self.options)}

    def __call__(self, scene: Scene) -> Scores:
        """Score one case.

        Raises:
            CaseError: When the case cannot be scored; becomes a typed row.
        """
        raise NotImplementedError(f"metric {self.spec.name} cannot be called")


def check_lengths(generated: int, reference: int, reference_name: str = "driving clip") -> None:
    """Refuse clips of unequal length: a shift by one frame already ruins a per-frame comparison.

    Raises:
        MediaError: With both lengths.
    """
    if generated != reference:
        raise MediaError(f"the output has {generated} frames, the {reference_name} {reference}: resample it first")
