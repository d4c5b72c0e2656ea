"""The embedded suites as shipped, and that their script makes them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from portraitbench.datasets.catalog import GROUPS, members, open_suite
from portraitbench.datasets.framing import frame_window
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.datasets.media import Limits
from portraitbench.harness.plan import spread
from portraitbench.methods.pocket.training.suites import Cast, Studio

COUNTS = {"pocket-image": 64, "pocket-video": 12, "pocket-self": 6}


def load(opened, window):
    path = opened.folder / opened.suite.assets[window.asset].path
    return frame_window(opened.suite, window, path, Limits()).frames


@pytest.mark.parametrize("name", members("pocket"))
def test_a_suite_is_whole_and_every_cross_case_knows_its_ideal_output(name, tmp_path):
    opened = open_suite(name, tmp_path)
    cases = opened.suite.cases()
    assert len(cases) == COUNTS[name]
    assert all(case.target is not None for case in cases)
    assert opened.suite.quick < len(cases)
    assert sum(asset.bytes for asset in opened.suite.assets.values()) < 3_000_000


def test_the_ideal_output_is_the_identity_in_the_drivers_pose(tmp_path):
    """Borders (background, clothes) are the identity's own scene, not the driver's."""
    opened = open_suite("pocket-image", tmp_path)
    for case in opened.suite.cases()[::9]:
        own, driver, ideal = (load(opened, w)[0].astype(int) for w in (case.identity, case.driving, case.target))
        corner = np.s_[:4, :4]
        assert np.abs(ideal[corner] - own[corner]).mean() < np.abs(ideal[corner] - driver[corner]).mean() + 1
        assert np.abs(ideal - own).mean() > 1


def test_nobody_is_shared_between_the_roles(tmp_path):
    people = [
        {(name, asset.person) for name, asset in open_suite(suite, tmp_path).suite.assets.items() if "-as-" not in name}
        for suite in GROUPS["pocket"]
    ]
    seeds = [int(person.split()[1]) for group in people for _, person in group]
    assert min(seeds) >= 2_000_000  # training people lie below a million, test people below two


def test_the_script_makes_what_is_shipped(kit, tmp_path):
    """Same pixels for an identity, a driver and a case; files may differ where the codec's version does."""
    from portraitbench.methods.pocket.training.renderer import Renderer

    opened = open_suite("pocket-image", tmp_path)
    Studio(Renderer(kit, 128), Cast(), tmp_path).cross(SuiteKind.CROSS_IMAGE, (1, 2))
    made = open_suite(tmp_path / "pocket-image.yaml", tmp_path)
    for case in made.suite.cases():
        shipped = opened.case(case.id)
        for ours, theirs in zip(*((c.identity, c.driving, c.target) for c in (case, shipped)), strict=True):
            difference = np.abs(load(made, ours).astype(int) - load(opened, theirs))
            assert difference.mean() < 0.05  # another processor may round a shade differently


def test_controls_keep_the_pose_and_drop_the_expression(kit, tmp_path):
    from portraitbench.methods.pocket.training.renderer import Renderer

    studio = Studio(Renderer(kit, 64), Cast(), tmp_path)
    studio.controls(SuiteKind.CROSS_IMAGE, (1, 1), tmp_path / "controls")
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert names == ["controls/coarse/pii1__pid1.png", "controls/neutral/pii1__pid1.png"]


def test_a_first_look_is_chosen_for_power(tmp_path):
    """Intervals are clustered by identity and driver: the first look has many of both, each two to four times."""
    opened = open_suite("pocket-image", tmp_path)
    cases = opened.suite.cases()
    chosen = [cases[row] for row in spread(len(cases), opened.suite.quick)]
    assert len(chosen) >= 24
    for asset in ("identity", "driving"):
        counts = Counter(getattr(case, asset).asset for case in chosen)
        assert len(counts) == 8
        assert max(counts.values()) - min(counts.values()) <= 2
