"""Train the face network.

``python -m portraitbench.methods.pocket.training.train_facenet SET HELD_OUT_SET OUT.safetensors``

First all of it, then the head that reads expression and pose once more on the finished features.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ....faces.backends.pocket import SIZE
from ....faces.networks.pocket import CODE, EMBEDDING, POSE, PocketFaceNet, PocketReading
from .augment import Batch, augmented, draw_batch, non_faces
from .dataset import RenderedSet, load_set
from .train_autoencoder import to_tensor

PEOPLE, SHOTS = 12, 2
NEGATIVES = 4
RATE = 2e-3
STATE_BATCH, STATE_RATE = 48, 1.5e-3
EYES, MOUTH, BROWS, JAW = slice(36, 48), slice(48, 68), slice(17, 27), slice(0, 17)
MARGIN, SHARPNESS = 0.25, 20.0


class CosineHead(nn.Module):
    """Who of the training people is it: softmax over cosines with a margin (CosFace)."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, EMBEDDING))

    def forward(self, vectors: Tensor, person: Tensor, margin: float) -> Tensor:
        """Cross entropy of the right person."""
        cosine = F.normalize(vectors) @ F.normalize(self.centres).T
        return F.cross_entropy(SHARPNESS * (cosine - margin * F.one_hot(person, len(self.centres))), person)


def loss_of(reading: PocketReading, batch: Batch, head: CosineHead, margin: float) -> Tensor:
    """Weighted sum of all heads' losses; rows after the batch's are non-faces and only count for presence."""
    count = len(batch.frames)
    weight = torch.ones(68)
    weight[EYES], weight[MOUTH] = 2.0, 2.0
    distance = (reading.landmarks[:count] - batch.landmarks).abs().mean(dim=2)
    present = torch.zeros(len(reading.presence))
    present[:count] = 1.0
    total: Tensor = (
        (distance * weight).mean()
        + 4.0 * F.mse_loss(reading.emotion[:count], batch.emotion)
        + 4.0 * F.mse_loss(reading.code[:count], batch.code)
        + 20.0 * F.mse_loss(reading.pose[:count], batch.pose)
        + 0.3 * head(reading.identity[:count], batch.person, margin)
        + 0.3 * F.binary_cross_entropy_with_logits(reading.presence, present)
    )
    return total


@torch.no_grad()
def read_set(network: PocketFaceNet, data: RenderedSet) -> tuple[PocketReading, Tensor]:
    """Readings of all pictures of a set, in order, and the presence of as many non-faces."""
    rows = [to_tensor(data.frames[person]) for person in range(data.config.people)]
    readings = [network(row) for row in rows]
    joined = {
        name: torch.cat([getattr(reading, name) for reading in readings]) for name in PocketReading.__dataclass_fields__
    }
    absent = torch.cat([network(non_faces(row)).presence for row in rows])
    return PocketReading(**joined), absent


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@torch.no_grad()
def quality(network: PocketFaceNet, data: RenderedSet) -> dict[str, float]:
    """Held-out figures: landmark errors in px of the frame, correlations, identity cosines, presence accuracy.

    Identity: cosines of each person's first picture with their others and with other people's others, means, and the
    equal error rate over all pairs.
    """
    reading, absent = read_set(network, data)
    people, frames = data.frames.shape[:2]
    truth = torch.from_numpy(np.array(data.landmarks)).reshape(-1, 68, 2)
    error = (reading.landmarks - truth).norm(dim=2)
    parts = {"eyes": EYES, "mouth": MOUTH, "brows": BROWS, "jaw": JAW, "all": slice(0, 68)}
    result = {f"px_{name}": float(error[:, part].mean()) for name, part in parts.items()}
    for name, own, true in (("emotion", reading.emotion, data.emotion), ("code", reading.code, data.code)):
        flat = torch.from_numpy(np.array(true)).reshape(len(own), -1)
        for column in range(flat.shape[1]):
            result[f"r_{name}{column}"] = _correlation(own[:, column], flat[:, column])
    pose = torch.from_numpy(np.array(data.pose[..., :3])).reshape(-1, 3)
    result["pose_deg"] = float((reading.pose - pose).abs().mean() * 57.2958)
    vectors = F.normalize(reading.identity).reshape(people, frames, -1)
    cosines = torch.einsum("pd,qfd->pqf", vectors[:, 0], vectors[:, 1:])
    same = torch.eye(people, dtype=torch.bool)
    own, other = cosines[same].flatten(), cosines[~same].flatten()
    cuts = torch.linspace(-1, 1, 401)
    misses = torch.stack([(own < cut).float().mean() for cut in cuts])
    alarms = torch.stack([(other >= cut).float().mean() for cut in cuts])
    at = (misses - alarms).abs().argmin()
    result |= {"cos_same": float(own.mean()), "cos_other": float(other.mean())}
    result["eer"] = float((misses[at] + alarms[at]) / 2)
    result["faces_found"] = float((reading.presence > 0).float().mean())
    result["false_faces"] = float((absent > 0).float().mean())
    return {name: round(value, 3) for name, value in result.items()}


def train(data: RenderedSet, held_out: RenderedSet, steps: int, seed: int) -> PocketFaceNet:
    """Train on random pairs of pictures of random people; prints the curve."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network, head = PocketFaceNet(), CosineHead(data.config.people)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.08)
    start = time.monotonic()
    for step in range(1, steps + 1):
        people = np.repeat(rng.choice(data.config.people, PEOPLE, replace=False), SHOTS)
        batch = augmented(draw_batch(data, people, torch.from_numpy(rng.integers(0, data.config.frames, len(people)))))
        frames = torch.cat([batch.frames, non_faces(batch.frames[:NEGATIVES])])
        reading = network(frames.contiguous(memory_format=torch.channels_last))
        loss = loss_of(reading, batch, head, margin=MARGIN * min(1.0, 3 * step / steps))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == steps:
            report = quality(network.eval(), held_out)
            network.train()
            print(f"step {step} {time.monotonic() - start:.0f} s loss {loss.item():.3f} {report}", flush=True)
    return network.eval()


def train_state(network: PocketFaceNet, data: RenderedSet, steps: int, seed: int) -> None:
    """Fit the head for emotion, code and pose anew, on features that stay as they are."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    for layer in network.state:
        if isinstance(layer, nn.Linear | nn.BatchNorm1d):
            layer.reset_parameters()
    optimizer = torch.optim.AdamW(network.state.parameters(), STATE_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, STATE_RATE, total_steps=steps, pct_start=0.08)
    network.eval().state.train()
    scale = torch.tensor([1.0] * (2 + CODE) + [4.0] * POSE)
    for step in range(1, steps + 1):
        people = rng.integers(0, data.config.people, STATE_BATCH)
        batch = augmented(draw_batch(data, people, torch.from_numpy(rng.integers(0, data.config.frames, STATE_BATCH))))
        with torch.no_grad():
            features = network.look(batch.frames)[1]
        truth = torch.cat([batch.emotion, batch.code, batch.pose], dim=1)
        loss = F.mse_loss(network.state(features) * scale, truth * scale)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"state step {step} loss {loss.item():.4f}", flush=True)
    network.eval()


def as_saved(network: PocketFaceNet) -> dict[str, Tensor]:
    """Tensors in float16, counters as they are."""
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }


def main() -> None:
    """Train from the command line and save float16 weights."""
    parser = argparse.ArgumentParser(description="Train the embedded face network.")
    parser.add_argument("set", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2800)
    parser.add_argument("--state-steps", type=int, default=1000, help="steps of the head for expression and pose")
    parser.add_argument("--start", type=Path, help="weights to take instead of the first part of the training")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data, held_out = load_set(given.set), load_set(given.held_out)
    if data.config.size != SIZE:
        parser.error(f"the network reads {SIZE} px pictures, the set has {data.config.size}")
    if given.start is None:
        network = train(data, held_out, given.steps, given.seed)
    else:
        network = PocketFaceNet()
        kept = {name: value for name, value in load_file(given.start).items() if not name.startswith("state.")}
        network.load_state_dict(network.state_dict() | kept)
    train_state(network, data, given.state_steps, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(as_saved(network), given.out)
    print("as saved, float16", quality(network.half().float(), held_out), flush=True)


if __name__ == "__main__":
    main()
