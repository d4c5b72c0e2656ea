"""``bench paper``: numbers where the paper has them, bold where it is earned, and files that compile and repeat."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.reports.merge import merge, read_runs
from portraitbench.reports.model import model_of
from portraitbench.reports.paper import published
from portraitbench.reports.paper.drawing import boxes_of
from portraitbench.reports.paper.figures import cost_scatter, save_figure, twin_axes
from portraitbench.reports.paper.latex import document, escape, latex_of
from portraitbench.reports.paper.table import Cell, Column, PaperTable, Row, csv_of, markdown_of
from portraitbench.reports.paper.tables import table_1
from portraitbench.reports.paper.write import write_paper
from portraitbench.reports.plots import Panel, Spot

TINY = Path(__file__).parents[1] / "methods" / "strucbooth" / "tiny_generators.py"
TOYS = Path(__file__).parents[1] / "toys.py"
CASES = [f"{identity}-{driving}" for identity in "abcd" for driving in "wxyz"]


@pytest.fixture
def model(tmp_path, blank):
    """Cross-Image with ID-SIM unclear and AED clearly better; the metrics are called as Table 1 wants them."""
    rng = np.random.default_rng(5)
    for case in CASES:
        base = rng.uniform(0.4, 0.6)
        blank.case("base", case, {"up": [base], "down": [base * 10]})
        up = base + rng.normal(0, 0.05)
        blank.case("base+ours", case, {"up": [up], "down": [base * 10 - 1 + rng.normal(0, 0.02)]})
    blank.write()
    for name in ("run.json", "plan.jsonl"):
        path = blank.folder / name
        path.write_text(path.read_text().replace("up/1", "id_sim/1").replace("down/1", "aed_lmk_px512/1"))
    return model_of(merge(read_runs([blank.folder]), tmp_path / "out"))


def row(table, label):
    return next(one for one in table.rows if one.label == label)


def test_table_1_says_what_the_runs_say(model):
    table = table_1(model)
    assert [f"{c.group} {c.heading}" for c in table.columns][-2:] == ["Cross-Image ID-SIM↑", "Cross-Image AED↓"]
    frame = model.frame
    means = frame[frame["metric"] == "aed_lmk_px512/1"].groupby("method")["value"].mean()
    assert row(table, "base").cells[-1].value == pytest.approx(means["base"])
    assert row(table, "+ ours").cells[-1].value == pytest.approx(means["base+ours"])
    assert row(table, "vs. Base").cells[-1].text == f"{means['base+ours'] - means['base']:+.3f}"
    assert [cell.text for cell in row(table, "base").cells[:5]] == ["-"] * 5


def test_bold_only_where_the_corrected_interval_excludes_zero(model):
    table = table_1(model)
    verdicts = model.comparison.set_index("metric")["verdict"]
    assert verdicts.to_dict() == {"id_sim/1": "unclear", "aed_lmk_px512/1": "better"}
    bold = {one.label: [cell.bold for cell in one.cells[-2:]] for one in table.rows}
    assert bold == {"base": [False, False], "+ ours": [False, True], "vs. Base": [False, True]}


def test_footnotes_name_metric_protocol_n_and_coverage(model):
    notes = " ".join(table_1(model).notes)
    told = ("id_sim/1 [u]", "toy 1", "weights 01234567", "n = 16", "at least 100.0%", "16 cases, 64 px", "4 x 4")
    for words in told:
        assert words in notes


def test_published_numbers_stand_in_a_block_of_their_own(model):
    text = markdown_of(table_1(model))
    measured, _, theirs = text.partition("**Published")
    assert "HelloMeme" not in measured
    assert "| HelloMeme | 0.494 | 0.2572 | 6.37 | 18.89 | 0.78 | 0.721 | 1.16 |" in theirs
    assert "Definitions of AED differ" in theirs


def test_published_differences_are_those_of_the_published_rows():
    rows = published.table_1().rows
    for base, ours, delta in (rows[:3], rows[3:]):
        for first, second, third in zip(base.cells, ours.cells, delta.cells, strict=True):
            if not math.isnan(third.value):
                assert second.value - first.value == pytest.approx(third.value, abs=1e-9)


def test_rows_of_the_published_ablation_are_named_by_the_signs_of_the_papers_text():
    table = published.table_2a()
    assert [one.label for one in table.rows] == ["① Base", "② ① + PGT", "③ ② + grad", "④ ③ + id"]
    assert "\n(2) (1) + PGT & " in latex_of(table)


def test_a_table_that_the_paper_does_not_have_carries_no_number():
    rows = [Row("a", [Cell(0.5)])]
    theirs, ours = (PaperTable("t", number, "Caption", "Row", [Column("", "x")], rows) for number in ("2(a)", ""))
    assert (theirs.title, ours.title) == ("Table 2(a): Caption", "Caption")
    assert r"\renewcommand{\thetable}{2(a)}" in latex_of(theirs)
    assert r"\caption" in latex_of(theirs)
    assert r"\caption" not in latex_of(ours)
    assert "Caption" in latex_of(ours)


def test_csv_holds_all_digits_and_the_printed_numbers_are_its_own(model):
    table = table_1(model)
    lines = list(csv.reader(io.StringIO(csv_of(table))))
    assert lines[0][-1] == "Cross-Image AED"
    for line, own in zip(lines[1:], table.rows, strict=True):
        for text, cell in zip(line[1:], own.cells, strict=True):
            assert (f"{float(text):{'+' if cell.signed else ''}.{cell.digits}f}" if text else "-") == cell.text


def test_small_differences_keep_their_sign_and_nothing_is_minus_zero():
    cells = [Cell(-0.00031, signed=True), Cell(0.0, signed=True), Cell(-0.0001), Cell(math.nan), Cell(-1.25, 2, True)]
    assert [cell.text for cell in cells] == ["-0.00031", "+0.00000", "0.000", "-", "-1.25"]


HOSTILE = r"a_b & 100% $x$ #1 {y} \input{/etc/passwd} ~^<>| é 漢"


def test_any_text_is_shown_and_never_run():
    text = escape(HOSTILE)
    assert r"\input" not in text
    assert text.endswith("é ?")
    assert r"\textbackslash{}input\{/etc/passwd\}" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs a TeX")
def test_latex_compiles_whatever_the_names_and_twice_to_the_same_bytes(tmp_path, model):
    hostile = PaperTable(
        "odd",
        "2(a)",
        HOSTILE,
        HOSTILE,
        [Column(HOSTILE, HOSTILE, True)],
        [Row(HOSTILE, [Cell(-1.5, bold=True)])],
        [HOSTILE],
    )
    for table in (table_1(model), hostile):
        (tmp_path / f"{table.name}.tex").write_text(latex_of(table))
    save_figure(lambda: twin_axes(PANEL, PANEL), tmp_path / "plot")
    (tmp_path / "paper.tex").write_text(document(["table1", "odd"], [("plot", HOSTILE)]))
    made = []
    for _ in range(2):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
        made.append((tmp_path / "paper.pdf").read_bytes())
    assert made[0] == made[1]
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", "-layout", "paper.pdf", "-"], cwd=tmp_path, capture_output=True, check=True)
        assert row(table_1(model), "base").cells[-1].text in text.stdout.decode()


PANEL = Panel("t", "steps", "id_$x$", [Spot(x, x / 10, x / 10 - 1, x / 10 + 1, []) for x in (0.0, 5.0)], 0.0)


def test_figures_repeat_byte_for_byte_and_name_no_day_or_version(tmp_path):
    for name in ("a", "b"):
        save_figure(lambda: twin_axes(PANEL, PANEL), tmp_path / name)
    for ending in ("pdf", "svg"):
        data = (tmp_path / f"a.{ending}").read_bytes()
        assert data == (tmp_path / f"b.{ending}").read_bytes()
        assert b"CreationDate" not in data
        assert b"<dc:date>" not in data


@pytest.mark.parametrize("memory", [850.0, math.nan])
def test_costs_are_drawn_from_zero_and_no_point_is_cut(memory):
    points = [("patch", 5.0, memory * 2**20, 0.75), ("global", 5.1, (memory + 1) * 2**20, 0.78)]
    figure = cost_scatter(points, "aed", "MiB")
    for axes, most in zip(figure.axes, (memory + 1, 0.78), strict=True):
        if math.isfinite(most):
            low, high = axes.get_xlim()
            assert (low, high > 1.1 * most) == (0, True)


def test_guides_may_name_pairs_of_regions():
    points = np.random.default_rng(0).uniform(10, 50, (1, 68, 2))
    frame = np.zeros((64, 64, 3), np.uint8)
    assert boxes_of(frame, ("eyes",), lambda clip: points) == boxes_of(
        frame, ("right_eye", "left_eye"), lambda clip: points
    )
    assert len(boxes_of(frame, ("eyes", "mouth"), lambda clip: points)) == 3


def make_ablation(run, sweep):
    """Turns a crafted run into an ablation with two rows."""
    for case in CASES[:6]:
        run.case("base", case, {"up": [0.5], "down": [4.0]})
        for steps in (5, 9):
            run.case(f"base+steps={steps}", case, {"up": [0.5 - steps / 100], "down": [4.0 - steps / 10]})
    run.write()
    path = run.folder / "run.json"
    text = path.read_text().replace("up/1", "id_sim/1").replace("down/1", "aed_lmk_px512/1")
    data = json.loads(text)
    rows = [{"name": "strucbooth", "label": f"steps={steps}", "options": {"steps": steps}} for steps in (5, 9)]
    data["config"] |= {"ablation": sweep, "baseline": {"name": "base"}, "methods": rows}
    path.write_text(json.dumps(data))
    plan = run.folder / "plan.jsonl"
    plan.write_text(plan.read_text().replace("up/1", "id_sim/1").replace("down/1", "aed_lmk_px512/1"))
    return run.folder


def test_ablations_give_their_tables_in_the_papers_order(blank, tmp_path):
    folders = [make_ablation(type(blank)(tmp_path / sweep), sweep) for sweep in ("steps", "losses")]
    read = read_runs(folders)
    for data in read.values():
        for number, made in enumerate(data.store.records.values()):
            made["detail"] = {"seconds_tune": 2.0, "tuned_steps": 5} if "steps" in made["method"] else {}
            made["peak_bytes"] = number * 2**20
            if "steps=5" in made["method"]:
                made["detail"]["tuning_reused"] = 1
    done = write_paper(read, tmp_path / "paper", lambda clip: np.full((len(clip), 68, 2), np.nan))
    assert done.tables == ["table2a", "table2c"]
    lines = list(csv.reader((tmp_path / "paper" / "table2c.csv").open()))
    assert lines[0][1:5] == ["Cross-Image ID-SIM", "Cross-Image vs. Base", "Cross-Image AED", "Cross-Image vs. Base"]
    assert [line[0] for line in lines[1:]] == ["1 base", "2 + steps=5", "3 + steps=9"]
    assert [float(text) for text in lines[3][1:6]] == pytest.approx([0.41, -0.09, 3.1, -0.9, 2.5])
    assert lines[1][5:] == lines[2][5:] == ["", ""]
    assert float(lines[3][6]) > 0
    assert "table2c_tiny" in [name for name, _ in done.figures]
    text = (tmp_path / "paper" / "paper.md").read_text()
    assert "Published: Table 2(a)" in text
    assert lines[0][5:] == ["Tuning it/s", "Tuning process MiB"]
    told = (tmp_path / "paper" / "table2c.md").read_text()
    assert "the most resident memory of the whole process" in told
    assert "400 to 600 steps" in told.partition("Published, Table 2(c)")[2]
    twice = {"one": read["steps"], "other": read["steps"]}
    with pytest.raises(ConfigError, match="runs one and other are both ablations of steps"):
        write_paper(twice, tmp_path / "twice", lambda clip: np.zeros((len(clip), 68, 2)))
    assert not (tmp_path / "twice").exists()


def paste_a_mouth(data):
    data["drivings"][1]["guides"] = {"mouth": {"asset": "d0", "frames": data["drivings"][0]["frames"]}}


@pytest.mark.parametrize("kind", ["cross-image", pytest.param("cross-video", marks=pytest.mark.slow)])
def test_the_command_writes_tables_and_pictures_of_real_runs(bench, tmp_path, make_suite, kind):
    suite = make_suite(tmp_path / "suite", kind=kind, drivings=2, edit=paste_a_mouth)
    folders = ["--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    flags = ["--suite", suite, "--plugin", TINY, "--faces", "tiny", "--baseline", "tiny-v", *folders]
    tuner = "strucbooth:steps=1,lora_targets=.*to_q,regions=mouth"
    made = bench("run", *flags, "--method", tuner, "--name", "one")
    assert made.code == 0, made.err
    done = bench("paper", tmp_path / "runs" / "one", "-o", tmp_path / "paper")
    assert done.code == 0, done.err
    figures = ["figure2", "figure4" if kind == "cross-image" else "figure3", "figure5"]
    names = [f"{stem}_tiny_tiny-v+strucbooth" for stem in figures]
    assert f"figures: {', '.join(names)}" in done.out
    assert all((tmp_path / "paper" / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in names)
    assert "not chosen by result: i0__d1." in (tmp_path / "paper" / "paper.md").read_text()
    first = {path.name: path.read_bytes() for path in (tmp_path / "paper").glob("*.*")}
    again = bench("paper", tmp_path / "runs" / "one", "-o", tmp_path / "again")
    assert again.code == 0, again.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").glob("*.*")} == first
    assert bench("paper", tmp_path / "runs" / "one", "-o", tmp_path / "runs" / "one").code == 2


def test_the_command_merges_two_runs_of_one_suite_into_one_table_1(bench, tmp_path, make_suite):
    suite = make_suite(tmp_path / "suite", identities=2, drivings=2)
    flags = ["--suite", suite, "--plugin", TOYS, "--faces", "toy", "--metric", "aed_lmk_px512"]
    flags += ["--out", tmp_path / "runs", "--cache", tmp_path / "cache", "--no-report"]
    for name, mix in (("monday", 0.2), ("friday", 0.9)):
        made = bench("run", *flags, "--method", f"toy:mix={mix},as={name}-toy", "--name", name)
        assert made.code == 0, made.err
    done = bench("paper", tmp_path / "runs" / "monday", tmp_path / "runs" / "friday", "-o", tmp_path / "paper")
    assert done.code == 0, done.err
    lines = list(csv.DictReader((tmp_path / "paper" / "table1.csv").open()))
    assert [line["Method"] for line in lines] == ["monday-toy", "friday-toy"]
    for line in lines:
        folder = tmp_path / "runs" / line["Method"].removesuffix("-toy")
        texts = [text for path in (folder / "records").glob("*.jsonl") for text in path.read_text().splitlines()]
        records = [json.loads(text) for text in texts]
        own = [one for one in records if one["stage"] == "score" and one["method"] == line["Method"]]
        assert len(own) == 4
        assert float(line["Cross-Image AED"]) == pytest.approx(np.mean([np.mean(one["values"]) for one in own]))
    assert lines[0]["Cross-Image AED"] != lines[1]["Cross-Image AED"]
    assert "4 cases" in (tmp_path / "paper" / "table1.md").read_text()
