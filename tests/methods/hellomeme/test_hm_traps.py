"""Each trap of HelloMeme's code (traps.yaml), planted in ours, moves an answer away from upstream's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hm_clip import run_clip
from hm_golden import FILE, difference, digest
from hm_mutants import planted

GOLDEN = dict(np.load(FILE))
TRAPS = yaml.safe_load(Path(__file__).with_name("traps.yaml").read_text())
SEEN = 1e-4
"""A mistake must show by far more than the tolerance of the golden tests."""


def marked(trap):
    """Whole cases and clips take too long for every day."""
    is_slow = trap["question"].startswith("case_") or trap["question"] == "denoise_video"
    return pytest.param(trap, marks=[pytest.mark.slow] * is_slow, id=trap["trap"])


@pytest.mark.parametrize("trap", [marked(trap) for trap in TRAPS])
def test_a_planted_mistake_shows(trap):
    with planted(trap["module"], trap["code"], trap["mistake"]) as helpers:
        assert differs(trap["question"], helpers)


def test_nothing_planted_shows_nothing():
    with planted("control", "TOKEN = 320", "TOKEN = 300 + 20") as helpers:
        assert not differs("control_cntrl2", helpers)


def differs(question, helpers):
    """Whether any answer is another than upstream's.

    What a clip's networks are asked says of "clip"; test_hm_samplers.py knows the right answers.
    """
    if question == "clip":
        return helpers["hm_clip"].run_clip(25)[0] != run_clip(25)[0]
    kind = question.removeprefix("case_")
    answers = helpers["hm_native"].ANSWERS[kind]() if kind == question else helpers["hm_case"].sample(kind)
    expected = {name.partition("/")[2]: value for name, value in GOLDEN.items() if name.startswith(question + "/")}
    assert expected.keys() == answers.keys()
    return any(difference(digest(answers[name]), value) > SEEN for name, value in expected.items())
