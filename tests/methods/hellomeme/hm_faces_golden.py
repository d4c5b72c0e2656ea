"""Golden answers of upstream's face tools on the crafted models, small enough to keep.

Write them anew with ``HELLOMEME_UPSTREAM=CHECKOUT python tests/methods/hellomeme/hm_faces_golden.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import hm_faces
import hm_filling
import numpy as np
import torch

from portraitbench.datasets.clip import Clip
from portraitbench.methods.hellomeme.face_tools import load_tools
from portraitbench.methods.hellomeme.inputs import FaceSettings

FILE = Path(__file__).with_name("faces_golden.npz")
SAMPLES = 2000
WINDOWS = "windows"
"""Name of the windows of ``hm_filling``'s first clips."""
CLIPS = 300
TOLERANCE = {"rotation": 5e-5, "translation": 5e-5, "coefficients": 5e-5}
"""Largest difference; of pictures a share of samples may differ, by a gray level or two (see :func:`off`)."""


def case():
    """An identity and a driving clip.

    The clip is higher than wide, so that its window can be raised. Its third frame shows no face; in the last one the
    head is where only a fresh detection finds it.
    """
    identity = Clip.from_image(hm_faces.portrait((400, 420), 0.1, seed=4))
    driving = hm_faces.moving_clip(5, hidden=(2,))
    frames = np.concatenate([driving.frames[:4], [hm_faces.portrait((446, 396), 0.24)]])
    return identity, Clip(frames[:, :, 100:700].copy(), driving.fps)


def sampled(tensor):
    """Evenly spaced values of a tensor, as float32."""
    flat = torch.as_tensor(tensor).double().flatten()
    return flat[:: max(1, -(-len(flat) // SAMPLES))].float().numpy()


def off(name, found, expected):
    """Whether an answer is not upstream's."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return True
    apart = np.abs(found - expected)
    if name in TOLERANCE:
        return bool(apart.max() > TOLERANCE[name])
    # Another processor's last digits move a few pixels by one gray level (up to 0.03 in CLIP's scale).
    level = 1.01 if name == "canvas" else 0.032
    return bool((apart > level).any() or (apart > level / 1000).mean() > 0.01)


def prepare(root, control, **settings):
    """The case by our face tools."""
    return load_tools(FaceSettings(control=control, **settings), root, "cpu").prepare(*case())


def unlike_upstream(root, control):
    """Names of the answers that are not upstream's. It drops frames without a face; ours has them as repeats."""
    out = prepare(root, control)
    golden = np.load(FILE)
    kept = np.flatnonzero(out.found)
    wrong = []
    for name in set(golden.files) - {WINDOWS}:
        value = out.canvas.frames if name == "canvas" else getattr(out, name)
        if value is None:
            continue
        value = torch.tensor(np.asarray(value))
        found = sampled(value if name == "reference" else value[kept])
        wrong += [name] if off(name, found, golden[name]) else []
    return wrong


def moved_windows():
    """How many windows around faces that fill the frame are not upstream's, to the pixel."""
    found = np.array([hm_filling.window(seed) for seed in range(CLIPS)])
    return int((found != np.load(FILE)[WINDOWS]).any(axis=1).sum())


def write():
    import hm_faces_upstream

    with tempfile.TemporaryDirectory() as folder:
        answers = hm_faces_upstream.prepare(hm_faces.save_models(Path(folder)), *case())
    windows = np.array([hm_faces_upstream.window(seed) for seed in range(CLIPS)], np.uint16)
    kept = {name: sampled(value) for name, value in answers.items() if name != "points"}
    np.savez_compressed(FILE, **kept, **{WINDOWS: windows})
    print(FILE.stat().st_size, "bytes")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    write()
