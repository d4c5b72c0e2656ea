"""Several runs side by side, and what is refused because its numbers mean something else."""

from __future__ import annotations

import json

import pytest

import portraitbench as pb
from portraitbench.core.errors import ConfigError


def craft(made, shift=0.0):
    for index, case in enumerate(("a-x", "b-y")):
        made.case("base", case, {"up": [1.0 + index + shift], "down": [0.0]})
        made.case("ours", case, {"up": [2.0 + index + shift, 4.0 + index + shift], "down": [1.0, 3.0]})
    made.write()
    return made.folder


@pytest.fixture
def two(tmp_path, new_run):
    """Folders of two runs of the same cases, the values of the second 10 higher."""
    return {"one": craft(new_run(tmp_path / "a")), "other": craft(new_run(tmp_path / "b"), 10.0)}


def edit(folder, change):
    path = folder / "run.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_frames_are_joined_and_means_stand_per_method_and_run(two):
    both = pb.compare(two)
    single = pb.load(two["one"]).frame()
    assert len(both.frame) == 2 * len(single)
    part = both.frame[both.frame["run"] == "one"].drop(columns="run")
    assert part.equals(single.drop(columns="run"))
    rows = both.table[both.table["metric"] == "up/1"]
    assert list(zip(rows["method"], rows["run"], rows["mean"], strict=True)) == [
        ("base", "one", 1.5),
        ("base", "other", 11.5),
        ("ours", "one", 3.5),
        ("ours", "other", 13.5),
    ]
    assert list(both.table.columns[:4]) == ["suite", "metric", "method", "run"]


def test_runs_are_called_as_their_folders(two):
    assert set(pb.compare(list(two.values())).table["run"]) == {"a", "b"}
    assert set(pb.compare([pb.load(two["one"])]).table["run"]) == {"a"}
    with pytest.raises(ConfigError, match="two runs are called a"):
        pb.compare([two["one"], two["one"]])
    with pytest.raises(ConfigError, match="at least one"):
        pb.compare([])


def rename_metric(data):
    data["metrics"]["up/2"] = data["metrics"].pop("up/1")


CHANGES = [
    (lambda data: data["suites"]["tiny"].update(digest="e"), "suite tiny has other contents"),
    (lambda data: data["suites"].update(more=data["suites"]["tiny"]), "suite more is in one of them only"),
    (rename_metric, "metric up is up/1 in the one and up/2 in the other"),
    (lambda data: data["metrics"]["up/1"].update(options={"model": "x"}), "metric up/1 has other options"),
    (lambda data: data["backends"][0].update(weights="f"), "other face models, weights or settings"),
    (lambda data: data["backends"][0].update(options={"size": 2}), "other face models, weights or settings"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[words for _, words in CHANGES])
def test_other_meanings_are_refused_in_one_line(two, change, words):
    edit(two["other"], change)
    with pytest.raises(ConfigError, match=r"^runs one and other cannot be compared: ") as caught:
        pb.compare(two)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_device_is_no_other_meaning(two):
    edit(two["other"], lambda data: data["backends"][0].update(device="cuda"))
    assert len(pb.compare(two).table) == 8


def test_other_cases_are_refused(two, tmp_path, new_run):
    fewer = new_run(tmp_path / "c")
    fewer.case("base", "a-x", {"up": [1.0], "down": [0.0]})
    fewer.write()
    with pytest.raises(ConfigError, match=r"they cover other cases of tiny \(b-y is in one of them only\)"):
        pb.compare({"one": two["one"], "fewer": tmp_path / "c"})
