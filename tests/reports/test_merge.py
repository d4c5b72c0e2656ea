"""Several runs as one: whose output counts, what is told apart, and what is refused."""

from __future__ import annotations

import json
import re

import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.reports.merge import merge, read_runs
from portraitbench.reports.model import model_of

CASES = ("a-x", "a-y", "b-x", "b-y", "c-x", "c-y")


@pytest.fixture
def runs(tmp_path, blank):
    """Makes a run: its name, its methods with what is added to their values, and the code they were made by."""

    def make(name, methods, code="", done=CASES):
        run = type(blank)(tmp_path / name, code)
        for method, shift in methods.items():
            for index, case in enumerate(CASES):
                values = {"up": [index + shift], "down": [index * 2.0 - shift]}
                run.case(method, case, values, "ok" if case in done else "")
        run.write()
        return run.folder

    return make


def merged(*folders, **options):
    return model_of(merge(read_runs(folders), folders[0].parent / "merged", **options))


def test_methods_of_two_runs_stand_in_one_table_with_their_own_deltas(runs):
    model = merged(runs("one", {"base": 0.0, "ours": 1.0}), runs("other", {"base": 0.0, "theirs": 3.0}))
    up = model.summary[model.summary["metric"] == "up/1"]
    assert dict(zip(up["method"], up["mean"], strict=True)) == {"base": 2.5, "ours": 3.5, "theirs": 5.5}
    assert set(up["n"]) == {6}
    deltas = model.comparison[model.comparison["metric"] == "up/1"]
    assert dict(zip(deltas["method"], deltas["delta"], strict=True)) == {"ours": 1.0, "theirs": 3.0}
    assert set(model.run.model_extra["merged"]) == {"one", "other"}


def test_shards_fill_each_other(runs):
    half = {"base": 0.0, "ours": 1.0}
    model = merged(runs("one", half, done=CASES[:4]), runs("other", half, done=CASES[4:]))
    assert set(model.summary["n"]) == {6}
    assert set(model.summary["coverage"]) == {1.0}
    assert model.failures.empty


def test_a_method_that_has_changed_is_two_rows_and_the_later_is_compared_with_the_first(runs):
    before, after = runs("before", {"base": 0.0}), runs("after", {"base": 2.0}, code="new ")
    assert list(merged(before, after).summary["method"].unique()) == ["base@before", "base@after"]
    assert merged(before, after).comparison.empty
    found = merged(before, after, versions=True).comparison.set_index(["method", "metric"])
    assert found.loc[("base@after", "up/1"), ["baseline", "delta"]].tolist() == ["base@before", 2.0]


def test_any_row_may_be_what_others_are_compared_with(runs):
    one, other = runs("one", {"base": 0.0, "ours": 1.0}), runs("other", {"theirs": 3.0})
    found = merged(one, other, against="ours").comparison
    up = found[found["metric"] == "up/1"]
    assert dict(zip(up["method"], up["delta"], strict=True)) == {"base": -1.0, "theirs": 2.0}
    with pytest.raises(ConfigError, match="--against 'nobody'"):
        merged(one, other, against="nobody")


def test_outputs_are_found_from_anywhere(runs):
    one, other = runs("one", {"base": 0.0}), runs("other", {"theirs": 3.0})
    records = merge(read_runs([one, other]), one.parent / "elsewhere").store.records.values()
    paths = {record["output"]["path"] for record in records if record["stage"] == "generate"}
    assert str((one / "base" / "a-x.png").resolve()) in paths
    assert len(paths) == 2 * len(CASES)


def edit(folder, change):
    data = json.loads((folder / "run.json").read_text())
    change(data)
    (folder / "run.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda data: data["suites"]["tiny"].update(size=128), "canvas: suite tiny is 64 px"),
        (lambda data: data["suites"]["tiny"].update(digest="e"), "suite revision: suite tiny"),
        (lambda data: data["metrics"]["up/1"].update(options={"a": 1}), "metric options: metric up/1"),
        (lambda data: data["backends"][0].update(weights="f"), "face backend toy, weights: "),
        (lambda data: data["backends"][0].update(version="2"), "face backend toy, version: "),
        (lambda data: data["primary"].update(tiny=["up/1"]), "primary metrics: those of suite tiny are up/1, down/1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_that_names_the_field(runs, change, field):
    one, other = runs("one", {"base": 0.0}), runs("other", {"theirs": 3.0})
    edit(other, change)
    with pytest.raises(ConfigError, match=r"^runs one and other cannot be merged: ") as caught:
        merged(one, other)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_shown_side_by_side_when_asked_for(runs, bench):
    one, other = runs("one", {"base": 0.0}), runs("other", {"theirs": 3.0})
    edit(other, lambda data: data["backends"][0].update(weights="f"))
    refused = bench("compare", one, other)
    assert refused.code == 2
    assert len(refused.err.strip().splitlines()) == 1
    shown = bench("compare", one, other, "--side-by-side")
    assert shown.code == 0, shown.err
    assert "one: base" in shown.out
    assert "other: theirs" in shown.out
    assert "unranked" in shown.out
    assert "face backend toy, weights" in shown.out


def test_one_report_of_two_runs_lies_in_a_folder_of_its_own(runs, bench, tmp_path):
    one, other = runs("one", {"base": 0.0}), runs("other", {"theirs": 3.0})
    copies = tmp_path / "both" / "suites"
    copies.mkdir(parents=True)
    (copies / "earlier.json").write_text("{}")  # of other runs that had their report here
    done = bench("report", one, other, "-o", tmp_path / "both", "--against", "base")
    assert done.code == 0, done.err
    assert "theirs against base on tiny" in done.out
    assert "earlier" not in done.out
    table = (tmp_path / "both" / "report" / "tiny.csv").read_text()
    assert "base,up/1" in table
    assert "theirs,up/1" in table
    assert bench("report", one, other, "-o", one).code == 2


def gallery(page):
    """What the page's script is given."""
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_of_two_runs_shows_the_methods_of_both(runs, bench, tmp_path):
    one, other = runs("one", {"base": 0.0}), runs("other", {"base": 0.0, "theirs": 3.0})
    done = bench("report", one, other, "-o", tmp_path / "both")
    assert done.code == 0, done.err
    found = gallery(tmp_path / "both" / "report" / "index.html")
    assert found["suites"]["tiny"]["methods"] == ["base", "theirs"]
    assert len(found["cases"]) == len(CASES)
    for index, case in enumerate(found["cases"]):
        assert {tile["label"] for tile in case["tiles"]} == {"identity", "driver", "base", "theirs"}
        up = found["suites"]["tiny"]["metrics"].index("up/1")
        assert (case["values"]["base"][up], case["values"]["theirs"][up]) == (index, index + 3)


def test_runs_are_found_and_described(runs, bench, tmp_path):
    runs("deep/one", {"base": 0.0})
    runs("other", {"base": 0.0, "ours": 1.0}, done=CASES[:2])
    listed = bench("runs", "list", tmp_path)
    assert listed.code == 0, listed.err
    assert "deep/one: finished, 6/6 outputs, 12/12 scores; tiny: base" in listed.out
    assert "other: unfinished, 4/12 outputs, 8/8 scores; tiny: base, ours" in listed.out
    shown = bench("runs", "show", tmp_path / "other").out
    assert "suite tiny (cross-image, 64 px, revision d): 6 cases" in shown
    assert "outputs missing: 8" in shown
    assert bench("runs", "list", tmp_path / "nowhere").code == 2
