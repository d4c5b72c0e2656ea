"""Golden answers: samples of what upstream said, small enough to keep, that any build can be held against.

Write them anew with ``HELLOMEME_UPSTREAM=CHECKOUT python tests/methods/hellomeme/hm_golden.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

SAMPLES = 1500
"""Most values kept of one tensor, evenly spaced; a statistic over all of it stands beside them."""
FILE = Path(__file__).with_name("golden.npz")


def digest(tensor):
    """Evenly spaced values, then mean and root mean square, as float32."""
    flat = tensor.detach().double().flatten()
    step = max(1, -(-len(flat) // SAMPLES))
    return torch.cat([flat[::step], flat.mean()[None], flat.square().mean().sqrt()[None]]).float().numpy()


def difference(found, expected):
    """Largest difference as a share of the largest expected value; infinite where shapes differ or NaN is found."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def write():
    import hm_case
    import hm_upstream

    kept = {f"case_{kind}/latents": digest(hm_upstream.sample(kind)["latents"]) for kind in hm_case.FRAMES}
    kept |= {
        f"{question}/{name}": digest(value)
        for question, answer in hm_upstream.ANSWERS.items()
        for name, value in answer().items()
    }
    np.savez_compressed(FILE, **kept)
    print(f"{len(kept)} answers, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    write()
