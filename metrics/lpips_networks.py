"""LPIPS as published (Zhang et al., CVPR 2018, v0.1), in torch alone: AlexNet or SqueezeNet features and linear heads.

State-dict keys are those of the publishers' files: torchvision's ``features.N.weight`` for the backbone, the reference
implementation's ``linN.model.1.weight`` for the heads.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.checkpoints import load_state, need_file
from ..core.errors import WeightsError, one_line

SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""Means and deviations of ImageNet, for pictures in [-1, 1]."""
HOW = (
    "features is torchvision's file of the backbone (alexnet-owt-*.pth, squeezenet1_1-*.pth), heads is weights/v0.1/"
    "alex.pth or squeeze.pth of github.com/richzhang/PerceptualSimilarity"
)
_EPSILON = 1e-10


class Fire(nn.Module):
    """SqueezeNet's block: a 1x1 squeeze, then a 1x1 and a 3x3 expansion side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 2 expanded, H, W)."""
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], dim=1)


def alexnet_features() -> nn.Sequential:
    """The convolutional part of AlexNet (one tower), with the indices of torchvision's file."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


def squeezenet_features() -> nn.Sequential:
    """The convolutional part of SqueezeNet 1.1, with the indices of torchvision's file."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), pool()),
        *(Fire(64, 16, 64), Fire(128, 16, 64), pool()),
        *(Fire(128, 32, 128), Fire(256, 32, 128), pool()),
        *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
    )


BACKBONES = {
    "alex": (alexnet_features, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)),
    "squeeze": (squeezenet_features, (1, 4, 7, 9, 10, 11, 12), (64, 128, 256, 384, 384, 512, 512)),
}
"""By name: the features, after which of their layers a head reads, and how many channels there are."""


class Head(nn.Module):
    """Weighs the channels of a squared difference. The dropout is the reference's; it is idle in evaluation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Dropout(), nn.Conv2d(width, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to (N, 1, H, W)."""
        weighed: Tensor = self.model(x)
        return weighed


class Lpips(nn.Module):
    """Distance of pictures in the feature space of a backbone.

    Args:
        backbone: "alex" or "squeeze".
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: str) -> None:
        super().__init__()
        make, self.taps, channels = BACKBONES[backbone]
        self.features = make()
        self.heads = nn.ModuleDict({f"lin{row}": Head(width) for row, width in enumerate(channels)})
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Distances of pairs of RGB pictures in [-1, 1], (N, 3, H, W) twice, shape (N,)."""
        total = torch.zeros(len(one), dtype=one.dtype, device=one.device)
        a, b = ((x - self.shift) / self.scale for x in (one, other))
        heads = iter(self.heads.values())
        for index, layer in enumerate(self.features):
            a, b = layer(a), layer(b)
            if index in self.taps:
                difference = (_unit(a) - _unit(b)).square()
                total = total + next(heads)(difference).mean(dim=(1, 2, 3))
        return total


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON)


def load_lpips(backbone: str, features: Path, heads: Path) -> Lpips:
    """Load a network from its publishers' two files.

    Args:
        backbone: "alex" or "squeeze".
        features: torchvision's file of the backbone (``features.*``; the classifier in it is not read).
        heads: The reference implementation's ``alex.pth`` or ``squeeze.pth`` of v0.1.

    Raises:
        WeightsError: When a file is missing, damaged or of another network.
    """
    network = Lpips(backbone)
    owner = f"metric lpips_{backbone}"
    for part, path, prefix in ((network.features, features, "features."), (network.heads, heads, "lin")):
        state = load_state(need_file(path, owner, HOW), owner)
        cut = len(prefix) if prefix == "features." else 0
        own = {key[cut:]: value for key, value in state.items() if key.startswith(prefix)}
        try:
            part.load_state_dict(own)
        except RuntimeError as error:
            raise WeightsError(f"{owner}: {path} is of another network ({one_line(error, 160)}): {HOW}") from error
    return network.eval().requires_grad_(False)
