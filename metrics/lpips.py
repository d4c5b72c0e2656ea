"""Perceptual distance to the target, LPIPS, and its change over time, tLP; an extra that wants the user's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..core.digest import file_sha256
from ..core.errors import ConfigError, Status, WeightsError
from ..core.options import Options, UserPath
from ..datasets.clip import Frame
from ..datasets.manifest import SuiteKind
from ..faces.base import Floats
from .base import Metric, MetricSpec, Scene, Scores, check_lengths
from .per_frame import target_of
from .pixels import check_sizes

if TYPE_CHECKING:
    from .lpips_networks import Lpips

_DEFINITION = (
    "LPIPS v0.1 (Zhang et al., CVPR 2018) with {net} between {pair}: whole frames as they are, RGB in [-1, 1], not "
    "resized, minus (-.030, -.088, -.188) over (.458, .448, .450) per channel; the activations after {taps} are scaled "
    "to unit length over the channels (norm + 1e-10), subtracted, squared, weighed by the head's channel weights, "
    "averaged over positions and summed over layers. "
)
_BATCH = 8
_TAPS = {
    "alex": ("AlexNet", "its five rectified convolutions"),
    "squeeze": (
        "SqueezeNet 1.1",
        "its first convolution and after fire blocks 2, 4, 5, 6, 7 and 8 (modules 4, 7, 9-12)",
    ),
}
_END = (
    " The numbers depend on the resolution and on the backbone: compare the same of both only. Weights are the user's "
    "(options features and heads), and their digests are part of the options; the network is written anew in torch "
    "from the publication and checked against the reference on random backbones with the published heads, because "
    "the published backbones could not be had where it was written."
)


class LpipsOptions(Options):
    """Weights of an LPIPS network.

    Attributes:
        features: Weights file of the backbone, as torchvision publishes it.
        heads: Weights file of the linear heads, v0.1 of the reference implementation.
        digest: Digest of both weights files; filled in when omitted, refused on a mismatch.
    """

    features: UserPath | None = None
    heads: UserPath | None = None
    digest: str | None = None


class _Lpips(Metric):
    """What the LPIPS metrics share: the weights and the network."""

    options_model = LpipsOptions
    backbone: ClassVar[str]

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self._files = [Path(str(self.options[part])) for part in ("features", "heads") if self.options[part]]
        if len(self._files) == 1:
            raise ConfigError(f"metric {self.spec.name}: give both options, features and heads")
        if self._files:
            found = "+".join(self._digest(path) for path in self._files)
            if self.options["digest"] not in (None, found):
                raise WeightsError(f"metric {self.spec.name}: the weights have changed, their digest is {found}")
            self.options = {**self.options, "digest": found}

    def _digest(self, path: Path) -> str:
        if not path.is_file():
            raise WeightsError(f"metric {self.spec.name}: {path} does not exist")
        return file_sha256(path)[:16]

    @cached_property
    def _network(self) -> Lpips:
        from .lpips_networks import HOW

        if not self._files:
            raise WeightsError(f"metric {self.spec.name}: it needs weights, options features and heads: {HOW}")
        return _load_once(self.backbone, *self._files, str(self.options["digest"]))

    def distances(self, ones: Sequence[Frame], others: Sequence[Frame]) -> Floats:
        """LPIPS of pairs of frames of equal size, shape (N,)."""
        import torch

        values: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(ones), _BATCH):
                a, b = (
                    torch.from_numpy(np.stack(part[start : start + _BATCH]).astype(np.float32) / 127.5 - 1)
                    for part in (ones, others)
                )
                values += self._network(a.permute(0, 3, 1, 2), b.permute(0, 3, 1, 2)).tolist()
        return np.array(values)


@lru_cache(maxsize=2)
def _load_once(backbone: str, features: Path, heads: Path, digest: str) -> Lpips:  # noqa: ARG001 - part of the key
    from .lpips_networks import load_lpips

    return load_lpips(backbone, features, heads)


def _spec(backbone: str) -> MetricSpec:
    net, taps = _TAPS[backbone]
    return MetricSpec(
        id=f"lpips_{backbone}/1",
        title=f"LPIPS ({net})",
        unit="LPIPS",
        higher_is_better=False,
        level="frame",
        needs=(),
        roles=("target",),
        kinds=tuple(SuiteKind),
        definition=_DEFINITION.format(net=net, taps=taps, pair="the generated and the target frame")
        + "The case's value is the mean over frames."
        + _END,
        aliases=("LPIPS",),
        by_default=False,
    )


class LpipsAlex(_Lpips):
    """LPIPS with AlexNet."""

    backbone = "alex"
    spec = _spec("alex")

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, target = scene.generated.clip, target_of(scene).clip
        check_lengths(len(generated), len(target), "target")
        check_sizes(generated, target)
        values = self.distances(list(generated), list(target))
        return Scores.of_frames(values, np.ones(len(values), bool))


class LpipsSqueeze(LpipsAlex):
    """LPIPS with SqueezeNet."""

    backbone = "squeeze"
    spec = _spec("squeeze")


class TlpAlex(_Lpips):
    """Temporal change of LPIPS against the target's."""

    backbone = "alex"
    spec = MetricSpec(
        id="tlp_alex/1",
        title="Temporal LPIPS difference (tLP)",
        unit="LPIPS",
        higher_is_better=False,
        level="clip",
        needs=(),
        roles=("target",),
        kinds=(SuiteKind.CROSS_VIDEO, SuiteKind.SELF_VIDEO),
        definition="Mean over t >= 1 of |L(g[t], g[t-1]) - L(r[t], r[t-1])|, g the generated and r the target clip, "
        "L the LPIPS below: how differently the picture changes from frame to frame. Undefined for one frame. Source: "
        "tLP of Chu et al. (TecoGAN, 2020), who print it times 100; here it is not. L: "
        + _DEFINITION.format(net=_TAPS["alex"][0], taps=_TAPS["alex"][1], pair="two frames of one clip").rstrip()
        + _END,
        aliases=("tLP",),
        by_default=False,
    )

    def __call__(self, scene: Scene) -> Scores:
        """Score one case; see :class:`Metric`."""
        generated, target = scene.generated.clip, target_of(scene).clip
        check_lengths(len(generated), len(target), "target")
        detail: dict[str, float | int | str] = {"frames_used": len(target)}
        if len(target) < 2:
            return Scores(np.array([np.nan]), [Status.UNDEFINED], detail)
        steps = [self.distances(list(clip)[1:], list(clip)[:-1]) for clip in (generated, target)]
        return Scores(np.array([np.abs(np.subtract(*steps)).mean()]), [Status.OK], detail)
