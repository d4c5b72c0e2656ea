"""Blendshape metrics against loops, and what they promise: regions, floors of other people, order of damage."""

from __future__ import annotations

import re

import numpy as np
import pytest

from portraitbench.core.errors import MediaError, Status
from portraitbench.faces.blendshapes import BLENDSHAPES, REGIONS, region_columns
from portraitbench.metrics.resolve import resolve

ALL = ["aed_blendshape52_l1", *(f"aed_blendshape52_{region}_l1" for region in REGIONS)]


@pytest.fixture
def series():
    rng = np.random.default_rng(3)
    return np.clip(0.3 + np.cumsum(rng.normal(0, 0.04, (20, 52)), axis=0), 0, 1)


def score(name, make_scene, make_view, own, driver, **options):
    return resolve(name)(
        make_scene(make_view({"blendshapes": own}, **options), driving=make_view({"blendshapes": driver}))
    )


def test_there_are_52_and_regions_do_not_overlap():
    columns = [column for region in REGIONS for column in region_columns(region)]
    assert len(BLENDSHAPES) == len(set(BLENDSHAPES)) == 52
    assert len(columns) == len(set(columns)) == 49
    assert {BLENDSHAPES[column] for column in set(range(52)) - set(columns)} == {
        "_neutral",
        "noseSneerLeft",
        "noseSneerRight",
    }


@pytest.mark.parametrize("name", ALL)
def test_a_loop_over_the_names_in_the_definition_gives_the_same(name, make_scene, make_view, series):
    definition = resolve(name).spec.definition
    listed = re.search(r"\(((?:[a-zA-Z]+, )+[a-zA-Z]+)\)", definition)
    names = listed[1].split(", ") if name != ALL[0] else list(BLENDSHAPES)
    own = np.clip(series + np.random.default_rng(4).normal(0, 0.1, series.shape), 0, 1)
    total = sum(abs(own[2][BLENDSHAPES.index(part)] - series[2][BLENDSHAPES.index(part)]) for part in names)
    assert score(name, make_scene, make_view, own, series).values[2] == pytest.approx(total / len(names), abs=1e-12)


@pytest.mark.parametrize("region", list(REGIONS))
def test_a_region_sees_its_own_and_no_other(region, make_scene, make_view, series):
    own = series.copy()
    own[:, region_columns(region)] = 1 - own[:, region_columns(region)]
    seen = {name: score(name, make_scene, make_view, own, series).values.mean() > 0 for name in ALL}
    assert seen == {name: name in (ALL[0], f"aed_blendshape52_{region}_l1") for name in ALL}


def test_another_face_costs_the_distance_but_not_the_distance_of_changes(make_scene, make_view, series):
    shape = np.random.default_rng(5).uniform(-0.1, 0.1, 52)
    assert score(ALL[0], make_scene, make_view, series + shape, series).values.mean() > 0.03
    delta = score("aed_blendshape52_delta_l1", make_scene, make_view, series + shape, series)
    assert delta.values[0] < 1e-15


def test_a_still_picture_scores_what_the_driver_changes(make_scene, make_view, series):
    still = np.repeat(series[:1] + 0.05, 20, axis=0)
    scores = score("aed_blendshape52_delta_l1", make_scene, make_view, still, series)
    loop = np.mean([abs(series[t, k] - series[0, k]) for t in range(1, 20) for k in range(52)])
    assert scores.values[0] == pytest.approx(loop)
    assert scores.detail["driver_change"] == pytest.approx(loop)


def test_changes_start_at_the_first_joint_frame(make_scene, make_view, series):
    own = series.copy()
    own[0] = 9
    scores = score("aed_blendshape52_delta_l1", make_scene, make_view, own, series, found=[False] + [True] * 19)
    assert scores.values[0] == 0
    assert (scores.detail["frames_used"], scores.detail["frames_left_out"]) == (19, 1)


@pytest.mark.parametrize("name", [*ALL, "aed_blendshape52_delta_l1", "expression_ccc"])
def test_more_damage_is_worse(name, make_scene, make_view, series):
    noise = np.random.default_rng(6).normal(size=series.shape)
    rises = resolve(name).spec.higher_is_better
    values = [score(name, make_scene, make_view, series + a * noise, series).values.mean() for a in (0, 0.02, 0.1, 0.5)]
    assert values == sorted(values, reverse=rises)
    assert len(set(values)) == 4


@pytest.mark.parametrize("name", ["aed_blendshape52_delta_l1", "expression_ccc", "blink_f1"])
def test_too_few_frames_are_undefined_and_unequal_lengths_refused(name, make_scene, make_view, series):
    quiet = np.zeros((1, 52))
    assert list(score(name, make_scene, make_view, quiet, quiet).status) == [Status.UNDEFINED]
    with pytest.raises(MediaError):
        score(name, make_scene, make_view, series[:5], series)
