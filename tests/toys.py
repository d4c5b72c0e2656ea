"""A plug-in file with toys: a face backend that reads nothing but pixels, and methods that fail in every way."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from portraitbench.core.digest import array_digest
from portraitbench.core.errors import NoFaceError
from portraitbench.core.options import Options, parse_options
from portraitbench.datasets.clip import Clip
from portraitbench.faces import BACKENDS
from portraitbench.faces.base import BackendInfo, Face, FaceBackend, Grade
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator, Inputs

DARK, BRIGHT = 40, 215
"""Frames darker than the one have no face, frames brighter than the other have two."""


class ToyFaceOptions(Options):
    weights: str = "none"
    log: Path | None = None
    broken: bool = False


class ToyFace(FaceBackend):
    """Finds a fixed box in every frame that is not dark; all else is computed from mean colours.

    ``log`` names a file that gets a line per frame and model: what was really looked at, whatever the observer says.
    """

    space = "arcface"
    model = "toy"

    def __init__(self, options: Mapping[str, Any], *, device: str = "cpu") -> None:
        self._options = parse_options(ToyFaceOptions, options, "face backend toy")
        self.info = BackendInfo("toy", "1", self._options.weights, "ours", device, Grade.TEST)

    def detect(self, frames):
        self._note("detect", frames)
        if self._options.broken:
            raise RuntimeError("the toy model is broken")
        return [self._faces(frame) for frame in frames]

    def landmarks(self, frames, faces):
        self._note("landmarks", frames)
        grid = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 17), np.linspace(0.2, 0.8, 4)), -1).reshape(68, 2)
        return np.stack([self._points(grid, frame, face) for frame, face in zip(frames, faces, strict=True)])

    def embed(self, frames, faces):
        self._note("embed", frames)
        return np.stack([self._code(frame, 4).ravel() for frame in frames])

    def emotion(self, frames, faces):
        self._note("emotion", frames)
        return np.stack([np.tanh(self._code(frame, 1).ravel()[:2]) for frame in frames])

    def coefficients(self, frames, faces):
        self._note("coefficients", frames)
        return np.stack([self._code(frame, 2).ravel()[:6] for frame in frames])

    def _faces(self, frame):
        height, width = frame.shape[:2]
        box = np.array([width / 8, height / 8, width * 7 / 8, height * 7 / 8])
        count = 0 if frame.mean() < DARK else 2 if frame.mean() > BRIGHT else 1
        return [Face(box / (1 + index), 1.0) for index in range(count)]

    def _points(self, grid, frame, face):
        corner, size = face.box[:2], face.box[2:] - face.box[:2]
        return corner + size * (grid + 0.02 * np.sin(3 * grid[:, ::-1] + self._code(frame, 1).ravel()[:2]))

    def _code(self, frame, cells):
        """Mean colours of cells x cells blocks, about zero; other weights shift them."""
        blocks = [part for rows in np.array_split(frame, cells, 0) for part in np.array_split(rows, cells, 1)]
        shift = 0.0 if self._options.weights == "none" else 0.25
        means = [block.mean((0, 1)) if block.size else np.zeros(3) for block in blocks]
        return np.stack(means) / 128.0 - 1.0 + shift

    def _note(self, model, frames):
        if self._options.log is not None:
            with self._options.log.open("a") as file:
                file.writelines(f"{model} {array_digest(frame)}\n" for frame in frames)


class ToyOptions(Options):
    mix: float = 0.5
    canvas: bool = False
    noise: bool = False


class Toy(Generator):
    """Blends the identity image into the driving frames; ``noise`` adds some from the seed."""

    name = "toy"

    options_model = ToyOptions

    def animate(self, inputs: Inputs) -> Animation:
        frames = (1 - self.options.mix) * inputs.identity.frames + self.options.mix * inputs.driving.frames
        if self.options.noise:
            frames = frames + np.random.default_rng(inputs.seed).normal(0, 5, frames.shape)
        clip = Clip(np.clip(frames, 0, 255).astype(np.uint8), inputs.driving.fps)
        canvas = Clip(np.roll(inputs.driving.frames, 2, axis=2), inputs.driving.fps) if self.options.canvas else None
        return Animation(clip, canvas, {"mix": self.options.mix})


class BadOptions(Options):
    how: str
    only: str = "*"


class Bad(Generator):
    """Misbehaves in the way ``how`` says, on cases that match ``only``; else it copies the driving clip."""

    name = "bad"
    options_model = BadOptions

    def __init__(self, options, context):
        super().__init__(options, context)
        if self.options.how == "construct":
            raise KeyError("no such layer")

    def case_fingerprint(self, case_id):
        if self.options.how == "fingerprint":
            raise ZeroDivisionError("in the fingerprint")
        return self.fingerprint()

    def animate(self, inputs: Inputs) -> Animation:
        if not fnmatchcase(inputs.case_id, self.options.only):
            return Animation(inputs.driving)
        return getattr(self, f"_{self.options.how}")(inputs)

    def _raise(self, inputs):
        raise RuntimeError("first line\nsecond line")

    def _face(self, inputs):
        raise NoFaceError("nobody there")

    def _memory(self, inputs):
        raise MemoryError

    def _cuda(self, inputs):
        raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")

    def _exit(self, inputs):
        sys.exit("called from inside a method")

    def _die(self, inputs):
        os._exit(7)

    def _quiet(self, inputs):
        os._exit(0)

    def _native_quiet(self, inputs):
        ctypes.CDLL(None)._exit(0)

    def _segfault(self, inputs):
        os.kill(os.getpid(), signal.SIGSEGV)

    def _hang(self, inputs):
        time.sleep(3600)

    def _slow(self, inputs):
        time.sleep(0.05)
        return Animation(inputs.driving)

    def _pid(self, inputs):
        return Animation(inputs.driving, detail={"pid": os.getpid()})

    def _protected(self, inputs):
        raise PermissionError(13, "Permission denied", "weights.bin")

    def _nothing(self, inputs):
        return None

    def _clip(self, inputs):
        return inputs.driving

    def _float(self, inputs):
        return Animation(Clip(inputs.driving.frames / 255.0))

    def _short(self, inputs):
        return Animation(Clip(np.repeat(inputs.driving.frames, 2, axis=0)[:-1][: max(1, len(inputs.driving) - 1)]))

    def _long(self, inputs):
        return Animation(Clip(np.repeat(inputs.driving.frames, 2, axis=0)))

    def _canvas(self, inputs):
        return Animation(inputs.driving, Clip(np.repeat(inputs.driving.frames, 2, axis=0)))

    def _small(self, inputs):
        return Animation(Clip(np.ascontiguousarray(inputs.driving.frames[:, ::2, ::2])))

    def _pixel(self, inputs):
        return Animation(Clip(np.ascontiguousarray(inputs.driving.frames[:, :1, :1])))

    def _detail(self, inputs):
        return Animation(inputs.driving, detail={"loss": np.float32(0.5)})

    def _nan(self, inputs):
        return Animation(inputs.driving, detail={"loss": float("nan")})

    def _surrogate(self, inputs):
        raise RuntimeError("cannot read \udcff.png")

    def _write(self, inputs):
        inputs.driving.frames[:] = 0


BACKENDS.add("toy", ToyFace)
METHODS.add("toy", Toy)
METHODS.add("bad", Bad)
