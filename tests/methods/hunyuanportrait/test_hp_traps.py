"""Stored answers, and each trap of HunyuanPortrait's code (traps.yaml): planted in ours it moves an answer."""

from __future__ import annotations

import sys
from pathlib import Path

import hp_answers
import numpy as np
import pytest
import torch
import yaml
from hp_golden import FILE, answers, difference

from portraitbench.core.errors import NoFaceError

sys.path.insert(0, str(Path(__file__).parents[2]))

from planting import planted

PACKAGE, DETECTOR = "portraitbench.methods.hunyuanportrait", "portraitbench.faces.backends.yoloface"
GOLDEN = dict(np.load(FILE))
TRAPS = yaml.safe_load(Path(__file__).with_name("traps.yaml").read_text())
SEEN, SAME = 1e-3, 1e-4
CUT = {"clip/pixels": 5e-4}
"""Bytes are cut, not rounded: a last digit, which differs between processors, moves a few of them by a level."""
HELPERS = ("hp_native", "hp_answers", "test_hp_preprocessing")


@pytest.mark.parametrize("question", hp_answers.ANSWERS)
def test_answers_are_those_stored(question):
    found = answers([question], hp_answers)
    expected = {name: value for name, value in GOLDEN.items() if name.startswith(f"{question}/")}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert difference(value, expected[name]) <= CUT.get(name, SAME), name


def plant(module, code, mistake):
    name = DETECTOR if module == "yoloface" else f"{PACKAGE}.{module}"
    return planted(name, code, mistake, anew=[PACKAGE, DETECTOR], helpers=HELPERS)


def marked(trap):
    """A whole clip takes too long for every day."""
    return pytest.param(trap, marks=[pytest.mark.slow] * (trap["question"] in ("clip", "case")), id=trap["trap"])


@pytest.mark.parametrize("trap", [marked(trap) for trap in TRAPS])
def test_a_planted_mistake_shows(trap):
    with plant(trap["module"], trap["code"], trap["mistake"]) as helpers:
        assert differs(trap["question"], helpers)


@pytest.mark.parametrize("question", ["denoise", "window", "missing", "config"])
def test_nothing_planted_shows_nothing(question):
    with plant("guidance", "passes: Sequence[Branch]", "passes: Sequence['Branch']") as helpers:
        assert not differs(question, helpers)


def differs(question, helpers):
    """Whether a stored answer has moved, a test of preprocessing fails, or a configuration is lost."""
    tests = {
        "window": "test_the_window_and_the_box_of_the_expression_are_the_first_frames",
        "missing": "test_a_driving_frame_without_a_face_is_named",
    }
    try:
        if question in tests:
            getattr(helpers["test_hp_preprocessing"], tests[question])()
            return False
        if question == "config":
            unet = helpers["hp_answers"].networks().denoiser
            with torch.device("meta"):  # an argument that is lost gives the real size
                return type(unet).from_config(unet.config).conv_in.out_channels != hp_answers.MINI.channels[0]
        found = answers([question], helpers["hp_answers"])
    except (AssertionError, RuntimeError, TypeError, ValueError, NoFaceError, pytest.fail.Exception):
        return True
    return any(not difference(value, GOLDEN[name]) <= SEEN for name, value in found.items())
