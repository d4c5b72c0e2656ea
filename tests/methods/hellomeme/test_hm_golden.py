"""Our networks and whole cases against what upstream said when its checkout was at hand (golden.npz)."""

from __future__ import annotations

import hm_case
import hm_native
import numpy as np
import pytest
from hm_golden import FILE, difference, digest

GOLDEN = dict(np.load(FILE))
TOLERANCE = 2e-5
"""Of the largest value. On the machine that wrote them it was 1e-6; other processors round differently."""


def check(question, answers):
    expected = {name.partition("/")[2]: value for name, value in GOLDEN.items() if name.startswith(question + "/")}
    assert expected.keys() == answers.keys()
    off = {name: difference(digest(answers[name]), value) for name, value in expected.items()}
    assert max(off.values()) <= TOLERANCE, off


@pytest.mark.parametrize("question", hm_native.ANSWERS)
def test_networks_answer_as_upstream_does(question):
    check(question, hm_native.ANSWERS[question]())


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * kind.startswith("long")) for kind in hm_case.FRAMES]
)
def test_whole_cases_are_sampled_as_upstream_does(kind):
    check(f"case_{kind}", hm_case.sample(kind))


def test_the_golden_file_is_small_and_complete():
    assert FILE.stat().st_size < 1_000_000
    questions = {name.partition("/")[0] for name in GOLDEN}
    assert questions == {*hm_native.ANSWERS, *(f"case_{kind}" for kind in hm_case.FRAMES)}
