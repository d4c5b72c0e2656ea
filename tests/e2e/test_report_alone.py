"""``bench report`` from the run folder alone: no plug-in file, no media, no manifest, from anywhere."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

FILES = {"index.md", "index.html", "media", "cost.csv"}
TOYS = Path(__file__).parents[1] / "toys.py"


@pytest.fixture
def lonely(bench, where, suite, tmp_path):
    """A finished run whose plug-in, suite and cache have gone, and the tables that its own command wrote."""
    plugin = tmp_path / "my_plugin.py"
    plugin.write_text(TOYS.read_text())
    flags = [str(plugin) if flag == str(TOYS) else flag for flag in where]
    assert bench("run", "-s", suite, "-m", "copy-driving", "-m", "toy", *flags).code == 0
    folder = tmp_path / "runs" / "tiny"
    before = {path.name: path.read_bytes() for path in (folder / "report").iterdir() if path.is_file()}
    plugin.unlink()
    return folder, suite.parent, before


def test_a_report_needs_no_plug_in(lonely, bench_process):
    folder, _, before = lonely
    shutil.rmtree(folder / "report")
    outcome = bench_process("report", folder)
    assert outcome.code == 0, outcome.err
    assert {path.name: path.read_bytes() for path in (folder / "report").iterdir() if path.is_file()} == before


def test_a_report_needs_neither_suite_nor_cache_and_works_from_anywhere(lonely, bench_process, tmp_path):
    folder, suite, before = lonely
    shutil.rmtree(suite)
    shutil.rmtree(tmp_path / "cache")
    moved = tmp_path / "elsewhere" / "moved"
    shutil.move(folder, moved)
    outcome = bench_process("report", "moved", cwd=moved.parent)
    assert outcome.code == 0, outcome.err
    assert (moved / "report" / "tiny.csv").read_bytes() == before["tiny.csv"]
    assert (moved / "report" / "tiny.png").read_bytes() != before["tiny.png"]
    assert "contact sheet of tiny has empty cells" in (moved / "report" / "index.md").read_text()
    assert set(pd.read_parquet(moved / "records.parquet")["run"]) == {"moved"}


def test_a_run_folder_without_manifests_still_has_its_numbers(lonely, bench):
    folder, _, before = lonely
    shutil.rmtree(folder / "suites")
    assert bench("report", folder).code == 0
    assert (folder / "report" / "tiny.csv").read_bytes() == before["tiny.csv"]
    assert "the run folder has no manifest" in (folder / "report" / "index.md").read_text()


def test_a_damaged_manifest_copy_is_named(lonely, refused):
    folder, _, _ = lonely
    (folder / "suites" / "tiny.json").write_text("{}")
    assert re.search(r"suites/tiny\.json: is damaged: suite: ", refused("report", folder))


@pytest.mark.parametrize("known", [True, False])
def test_a_folder_of_another_format_is_never_reused(finished, refused, known):
    folder, arguments = finished
    data = json.loads((folder / "run.json").read_text())
    assert data["schema"] == 2
    data["schema"] = 3
    data["written_by"] = "portraitbench 9.1.0"
    if not known:  # as versions wrote it that had no number yet
        del data["schema"], data["written_by"]
        data["provenance"]["packages"]["portraitbench"] = "0.0.9"
    (folder / "run.json").write_text(json.dumps(data))
    before = sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    writer = r"portraitbench 9\.1\.0 in format 3" if known else r"portraitbench 0\.0\.9 in format 1"
    for command in (["report", folder], ["score", folder], arguments):
        assert re.search(rf"tiny: written by {writer}, .*reads format 2: .* another --name", refused(*command))
    assert sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file()) == before


def test_another_suite_under_the_same_name_takes_the_old_tables_away(bench, where, suite, make_suite, tmp_path):
    other = make_suite(tmp_path / "other", name="second")
    for manifest in (suite, other):
        assert bench("run", "-s", manifest, "-m", "copy-driving", "--name", "r", *where).code == 0
    report = tmp_path / "runs" / "r" / "report"
    assert {path.name for path in report.iterdir()} == FILES | {"second.md", "second.csv", "second.png"}
    note = "The last command on this run folder left out tiny: results of earlier commands are kept"
    assert (report / "index.md").read_text().count("tiny") == 1
    assert note in (report / "index.md").read_text()
    assert note in bench("report", report.parent).out
    both = bench("run", "-s", suite, "-s", other, "-m", "copy-driving", "--name", "r", *where)
    assert (both.code, note in both.out, " 0 done" in both.out) == (0, False, True)


def test_relative_paths_of_a_run_lead_there_from_anywhere(bench, make_suite, tmp_path, monkeypatch):
    """Manifest, plug-in, cache and results named relatively; then the run is scored from elsewhere, and moved."""
    monkeypatch.chdir(tmp_path)
    make_suite(tmp_path)
    (tmp_path / "my_plugin.py").write_text(TOYS.read_text())
    plain = ["run", "-s", "tiny.yaml", "--plugin", "my_plugin.py", "-f", "toy", "--cache", "cache"]
    assert bench(*plain, "-m", "toy", "--name", "first").code == 0
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for path in (tmp_path / "runs" / "first" / "outputs").rglob("toy.png"):
        shutil.copy(path, theirs / f"{path.parent.name}.png")
    assert bench(*plain, "-m", "toy", "--outputs", "made=theirs", "--metric", "id_sim").code == 0
    folder = tmp_path / "runs" / "tiny"
    values = pd.read_parquet(folder / "records.parquet")["value"]
    elsewhere = tmp_path / "some" / "where"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    for place in (folder, elsewhere / "moved"):
        if place != folder:
            shutil.move(folder, place)
        scored = bench("score", place, "--metric", "id_sim", "--only")
        assert scored.code == 0, scored.err
        assert pd.read_parquet(place / "records.parquet")["value"].equals(values)
        assert "nothing will be computed again" in bench("why", place).out
    assert [path.name for path in elsewhere.iterdir()] == ["moved"]
