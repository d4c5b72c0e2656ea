"""Train the landmark motion.

``python -m portraitbench.methods.pocket.training.train_motion SET HELD_OUT_SET OUT.safetensors``

Takes a quarter of a minute on one CPU core, after the face network has read the pictures.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from ....core.files import atomic_path
from ....faces.networks.pocket import load_pocket_face
from ..motion import LandmarkMotion, scalars
from .pairs import PairSet, draw_pairs

RATE, BATCH = 2e-3, 256


def train(data: PairSet, steps: int, seed: int) -> LandmarkMotion:
    """Fit by least squares on random pairs, rate falling to zero along a cosine."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = LandmarkMotion()
    optimizer = torch.optim.AdamW(network.parameters(), RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        pairs = draw_pairs(data, BATCH, generator)
        driving = scalars(pairs.code, pairs.pose, pairs.own_code, pairs.own_pose)
        loss = (network(pairs.own_landmarks, driving) - pairs.landmarks).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@torch.no_grad()
def errors(network: LandmarkMotion, data: PairSet, count: int = 4000) -> dict[str, float]:
    """Mean distance to the true landmarks on random pairs, px of 128: all, eyes, mouth, and without any motion."""
    pairs = draw_pairs(data, count, torch.Generator().manual_seed(1))
    placed = network(pairs.own_landmarks, scalars(pairs.code, pairs.pose, pairs.own_code, pairs.own_pose))
    distance = (placed - pairs.landmarks).norm(dim=2)
    still = (pairs.own_landmarks - pairs.landmarks).norm(dim=2)
    parts = {"all": distance, "eyes": distance[:, 36:48], "mouth": distance[:, 48:], "still": still}
    return {name: round(float(part.mean()), 3) for name, part in parts.items()}


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description="Train pocket's landmark motion.")
    parser.add_argument("set", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    face = load_pocket_face()
    network = train(PairSet.load(given.set, face), given.steps, given.seed)
    with atomic_path(given.out) as temporary:
        save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, temporary)
    print(errors(network, PairSet.load(given.held_out, face)), flush=True)


if __name__ == "__main__":
    main()
