"""The report folder: of finished, unfinished and moved runs; and what the contact sheet shows."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from portraitbench.harness.runner import Runner
from portraitbench.harness.suite_copy import load_copy
from portraitbench.reports.contact_sheet import CELL, FOOTER, GAP, HEADER, MISSING, contact_sheet
from portraitbench.reports.records_frame import tidy
from portraitbench.reports.report import write_report
from portraitbench.reports.run_data import read_run

METHODS = ["copy-identity", "bad:how=raise,only=i0__d1"]


def cell(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    """The pixels of one cell, shape (CELL, CELL, 3)."""
    left, top = GAP + column * (CELL + GAP), HEADER + row * (CELL + FOOTER + GAP)
    return np.asarray(sheet.crop((left, top, left + CELL, top + CELL)))


@pytest.fixture
def finished(perform):
    """A run of three cases and two methods, one of which fails on the second case."""
    session, _ = perform(methods=METHODS)
    return session


def sheet_of(session, **options) -> Image.Image:
    data = read_run(session.config.folder)
    return contact_sheet(data, load_copy(data.folder, "tiny"), data.plan, **options)[0]


def test_the_sheet_has_a_cell_per_case_and_column(finished):
    sheet = sheet_of(finished)
    assert sheet.size == (4 * (CELL + GAP) + GAP, HEADER + 3 * (CELL + FOOTER + GAP))
    assert sheet_of(finished, rows=2).height == HEADER + 2 * (CELL + FOOTER + GAP)


def test_cells_show_identity_driving_and_outputs(finished):
    sheet = sheet_of(finished)
    for row in range(3):
        # 64-pixel pictures fill their cell, three times as large: averaged over 3 x 3 pixels they are back.
        case = finished.media.case("tiny", f"i0__d{row}")
        for column, window in enumerate((case.identity, case.driving)):
            shown = cell(sheet, row, column).reshape(64, 3, 64, 3, 3).mean(axis=(1, 3))
            assert np.abs(shown - finished.media.load("tiny", window).frames[0]).mean() < 2
        assert np.array_equal(cell(sheet, row, 2), cell(sheet, row, 0))
    assert np.array_equal(cell(sheet, 0, 3), cell(sheet, 0, 1))


def test_a_failed_cell_is_gray_and_says_why(finished):
    failed = cell(sheet_of(finished), 1, 3)
    gray = (failed == MISSING).all(axis=-1)
    assert gray[0].all()
    assert gray[-1].all()
    assert 0.95 < gray.mean() < 1.0  # the rest is the word "crash"


def test_a_damaged_output_is_gray_as_well(finished):
    (finished.config.folder / "outputs" / "tiny" / "i0__d0" / "bad.png").write_bytes(b"\x89PNG")
    assert tuple(cell(sheet_of(finished), 0, 3)[0, 0]) == MISSING


def test_inputs_that_have_gone_or_changed_are_gray_and_noted(finished, bench):
    """A report can be written again where the suite's files are missing, as long as nothing is to be scored."""
    folder, suite = finished.config.folder, finished.media.suite("tiny")
    (suite.folder / suite.suite.assets[finished.media.case("tiny", "i0__d0").identity.asset].path).unlink()
    changed = suite.folder / suite.suite.assets[finished.media.case("tiny", "i0__d2").driving.asset].path
    changed.write_bytes(changed.read_bytes()[::-1])
    sheet = sheet_of(finished)
    assert [tuple(cell(sheet, row, 0)[0, 0]) == MISSING for row in range(3)] == [True] * 3
    assert [tuple(cell(sheet, row, 1)[0, 0]) == MISSING for row in range(3)] == [False, False, True]
    outcome = bench("report", folder)
    assert outcome.code == 0
    page = (folder / "report" / "index.md").read_text()
    assert re.search(r"contact sheet of tiny has empty cells: asset i0: .*is not there; asset d2: .*has changed", page)
    assert "contact sheet of tiny has empty cells" in outcome.out


def test_the_report_is_a_function_of_the_results(finished):
    folder = finished.config.folder
    write_report(folder)
    first = {path.name: path.read_bytes() for path in (folder / "report").iterdir() if path.is_file()}
    assert set(first) == {"index.md", "tiny.md", "tiny.csv", "tiny.png", "cost.csv", "index.html"}
    write_report(folder)
    assert {path.name: path.read_bytes() for path in (folder / "report").iterdir() if path.is_file()} == first


def test_the_page_names_failures_backends_and_versions(finished):
    write_report(finished.config.folder)
    page = (finished.config.folder / "report" / "index.md").read_text()
    for part in (
        "# tiny\n",
        "`tiny`, cross-image, 64 px.",
        "![contact sheet of tiny](tiny.png)",
        "| tiny | bad | crash | 1 | ",
        "RuntimeError: first line second line",
        "| toy 1 | test, not a measurement | cpu | none |",
        "portraitbench 0.",
        "Python 3.",
    ):
        assert part in page, part


def test_the_page_names_the_options_of_metrics(perform, make_suite, tmp_path):
    """Two masks give two scores under one id, so the page must say which."""
    suite = make_suite(tmp_path / "self", "self-video")
    session, _ = perform(suite=suite, methods=["copy-driving"], metrics=["psnr_mask:mask=hull"])
    write_report(session.config.folder)
    page = (session.config.folder / "report" / "index.md").read_text()
    assert "| psnr_mask/1 | PSNR on the face | dB | mask=hull | toy |" in page


def test_an_unfinished_run_has_a_report(make_session, bench):
    session = make_session(methods=METHODS)

    class StopError(Exception):
        """Raised in the middle."""

    class Impatient:
        left = 7

        def begin(self, device, found):
            pass

        def stage(self, name, total, reused):
            pass

        def step(self, done, total, figures):
            pass

        def done(self, records):
            self.left -= 1
            if self.left == 0:
                raise StopError

    with pytest.raises(StopError):
        Runner(session, Impatient()).run()
    outcome = bench("report", session.config.folder)
    assert outcome.code == 0
    assert set(tidy(session.config.folder)["reason"]) == {"not done yet", "not scored yet"}
    page = (session.config.folder / "report" / "index.md").read_text()
    missing = re.findall(r"\| tiny \| bad \| missing \| (\d) \| \d+ \| (.*?) \|", page)
    assert sum(int(count) for count, _ in missing) == 3
    assert {reason for _, reason in missing} == {"not done yet", "not scored yet"}


def test_a_run_before_its_first_record_has_a_report(make_session):
    session = make_session(methods=METHODS)
    Runner(session).run()
    shutil.rmtree(session.config.folder / "records")
    table = write_report(session.config.folder).summary
    assert set(table["coverage"]) == {0.0}
    assert table["mean"].isna().all()


@pytest.mark.parametrize("name", ["moved", "My run (2)"])
def test_a_moved_run_is_reported_where_it_is_now(finished, bench, tmp_path, name):
    before = finished.config.folder
    write_report(before)
    sheet = (before / "report" / "tiny.png").read_bytes()
    after = tmp_path / "elsewhere" / name
    after.parent.mkdir()
    before.rename(after)
    shutil.rmtree(after / "report")
    assert bench("report", after).code == 0
    assert (after / "report" / "tiny.png").read_bytes() == sheet
    assert bench("score", after, "--workers", "2", "--metric", "id_sim").code == 0
    assert bench("report", after).code == 0
    assert not before.exists()


@pytest.mark.parametrize("verb", ["report", "score"])
def test_a_run_is_named_by_its_folder_from_inside(finished, bench, monkeypatch, verb):
    monkeypatch.chdir(finished.config.folder)
    assert bench(verb, ".").code == 0
    assert (finished.config.folder / "report" / "tiny.png").exists()
    assert sorted(path.name for path in finished.config.folder.parent.iterdir()) == ["tiny"]
    assert not (finished.config.folder / "tiny").exists()
