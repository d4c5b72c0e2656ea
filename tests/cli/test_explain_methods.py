"""What a person is told of a method's options."""

from __future__ import annotations

import pytest

from portraitbench.core.options import describe_options
from portraitbench.methods import METHODS

BUILT_IN = [name for name in METHODS if METHODS.origin(name) == "built in"]


@pytest.mark.parametrize("method", BUILT_IN)
def test_every_option_is_told_with_a_default_and_a_text(bench, method):
    told = bench("methods", "explain", method)
    assert told.code == 0
    for option in describe_options(METHODS.get(method).options_model):
        assert f"  {option.name} ({option.default})" in told.out
        assert len(option.text) > 10, option.name


def test_the_defaults_are_those_in_effect(bench):
    told = bench("methods", "explain", "hellomeme").out
    assert "fps (8)" in told
    assert "style (x1)" in told
    assert "regions (right_brow+left_brow+" in bench("methods", "explain", "strucbooth").out
    assert "Options" not in bench("methods", "explain", "copy-identity").out


def test_a_tuner_is_explained_as_it_is_on_a_generator(bench):
    alone, tuned = (bench("methods", "explain", "strucbooth", *more).out for more in ((), ("--baseline", "pocket")))
    assert "steps (800)" in alone
    assert "steps (30, with pocket)" in tuned
    assert "rank (8)" in tuned
    assert "800" not in tuned
    refused = bench("methods", "explain", "warp", "--baseline", "pocket")
    assert (refused.code, "warp is no tuner" in refused.err) == (2, True)
    assert bench("methods", "explain", "strucbooth", "--baseline", "warp").code == 2
