"""Stored answers: ``python hp_golden.py`` writes golden.npz. Only after the parity tests have passed (HP_UPSTREAM)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("golden.npz")
_PARTS = 64


def digest(tensor):
    """Few numbers that any change of a tensor moves: random projections of it, as shares of its size."""
    flat = tensor.detach().double().numpy().ravel()
    random = np.random.default_rng(0)
    signs = random.integers(0, 2, (_PARTS, len(flat)), dtype=np.int8) * 2 - 1
    return np.array([*(signs @ flat / np.sqrt(len(flat))), flat.mean(), np.abs(flat).mean()])


def difference(one, other):
    """Largest difference, as a share of the largest number."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def answers(names, module):
    """Digests of some questions' answers, by ``question/name``."""
    return {f"{name}/{key}": digest(value) for name in names for key, value in module.ANSWERS[name]().items()}


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2] / "faces" / "backends"))
    import hp_answers

    np.savez_compressed(FILE, **answers(hp_answers.ANSWERS, hp_answers))
