"""The arms of ``bench profile tuning``: real tuning steps by every way to decode."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ..methods.lora import Lora
from ..methods.strucbooth.objective import TuningObjective
from ..methods.strucbooth.optimizer import make_optimizer
from .interleaved import ClockReading
from .tuning_subject import TuningSubject

if TYPE_CHECKING:
    from ..methods.base import DiffusionGenerator


ARMS = {
    "patch": ("patch", False),
    "global": ("global", False),
    "patch + identity": ("patch", True),
    "global + identity": ("global", True),
}
"""StrucBooth's option ``decoding`` of each arm, and whether it has the identity loss."""

StepParts = dict[str, ClockReading]
"""What the parts of a step took."""


class TuningArm:
    """Takes real tuning steps.

    Args:
        subject: What is tuned.
        lora: The adapters in it.
        decoding: StrucBooth's option.
        identity: Whether the identity loss takes part.
        seed: Seed of diffusion times and noise; the first draw of all arms is the same.

    Attributes:
        case: Computes losses and gradients.
        parameters: The adapters' weights.
    """

    def __init__(self, subject: TuningSubject, lora: Lora, decoding: str, *, identity: bool, seed: int) -> None:
        config = subject.config.model_copy(update={"decoding": decoding})
        guide = subject.guide(identity=identity)
        # The protocol's attributes can be set, which no generator needs: mypy takes that for a difference.
        generator = cast("DiffusionGenerator", subject.generator)
        self.case = TuningObjective(generator, subject.conditions, guide, config, seed)
        self.parameters = lora.parameters
        self._generator = subject.generator
        self._optimizer = make_optimizer(self.parameters, config.learning_rate)

    def step(self) -> StepParts:
        """Do what the tuner does in one step."""
        marks = self._generator.marks
        marks.clear()
        self.case.backward(self.parameters)
        arrived = ClockReading.now(self._generator.place)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        stepped = ClockReading.now(self._generator.place)
        return {
            "denoiser forward": marks["predicted"].since(marks["asked"]),
            "pixels": marks["pulled"].since(marks["predicted"]),
            "denoiser backward": arrived.since(marks["pulled"]),
            "optimizer": stepped.since(arrived),
        }


def arms(subject: TuningSubject, lora: Lora, seed: int) -> dict[str, TuningArm]:
    """All arms, over the same adapters; each has an optimizer of its own."""
    return {
        name: TuningArm(subject, lora, decoding, identity=identity, seed=seed)
        for name, (decoding, identity) in ARMS.items()
    }
