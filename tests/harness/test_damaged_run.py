"""A run folder with damage: what is lost is made again, and no value is shown that is not that of the file on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from report_files import report_files

from portraitbench.core.errors import StoreError
from portraitbench.reports.records_frame import tidy
from portraitbench.reports.report import write_report

METHODS = ["copy-driving", "toy:canvas=true,noise=true"]


def reports(folder: Path) -> dict[str, bytes]:
    """The files of a report, written anew, that are a function of the results and the run's name."""
    write_report(folder)
    return report_files(folder)


@pytest.fixture
def again(perform):
    """The same run once more; returns how many jobs it had to do."""
    return lambda: perform(methods=METHODS)[1].performed


@pytest.fixture
def folder(perform) -> Path:
    session, _ = perform(methods=METHODS)
    return session.config.folder


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data, last: data[:-1], id="line-end-cut"),
        pytest.param(lambda data, last: data[: last + 1], id="one-byte-left"),
        pytest.param(lambda data, last: data[: (last + len(data)) // 2], id="half"),
        pytest.param(lambda data, last: data + b"\0" * 5000, id="zeros"),
        pytest.param(lambda data, last: data[: (last + len(data)) // 2] + b"\0" * 5000, id="half-and-zeros"),
        pytest.param(lambda data, last: data + b"\xff\xfe{garbage", id="garbage"),
        pytest.param(lambda data, last: data + data[last:-1], id="last-line-again-cut"),
        pytest.param(lambda data, last: data + data[last:], id="last-line-doubled"),
        pytest.param(lambda data, last: data + data, id="all-lines-doubled"),
        pytest.param(lambda data, last: b"", id="empty"),
    ],
)
def test_a_damaged_end_of_the_records_gives_the_same_report(folder, again, damage):
    whole = reports(folder)
    path = folder / "records" / "1-of-1.jsonl"
    data = path.read_bytes()
    spoiled = damage(data, data.rindex(b"\n", 0, -1) + 1)
    path.write_bytes(spoiled)
    frame = tidy(folder)  # before it is mended nothing is wrong either: rows may be missing
    assert set(frame["status"]) <= {"ok", "missing"}
    done = again()
    assert (done > 0) == (not spoiled.startswith(data))
    assert reports(folder) == whole


@pytest.mark.parametrize("line", [b"\0" * 200, b"\xff\xfe", b"{}", b"3.5"])
def test_a_finished_line_that_is_no_record_is_refused_by_all(folder, again, line):
    path = folder / "records" / "1-of-1.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    for work in (again, lambda: write_report(folder)):
        with pytest.raises(StoreError, match=r"1-of-1\.jsonl: line \d+: "):
            work()


@pytest.mark.parametrize("name", ["toy.png", "toy.canvas.png"])
@pytest.mark.parametrize("damage", ["other picture", "one bit", "cut", "empty"])
def test_no_value_is_shown_of_an_output_that_has_changed(folder, again, name, damage):
    whole, before = reports(folder), tidy(folder)
    path = folder / "outputs" / "tiny" / "i0__d1" / name
    data = path.read_bytes()
    if damage == "other picture":
        shutil.copy(path.parent.with_name("i0__d0") / name, path)
    else:
        path.write_bytes({"one bit": data[:-1] + bytes([data[-1] ^ 1]), "cut": data[:-7], "empty": b""}[damage])
    frame = tidy(folder)
    mine = (frame["case"] == "i0__d1") & (frame["method"] == "toy")
    assert set(frame[mine]["status"]) == {"missing"}
    assert frame[mine]["value"].isna().all()
    assert set(frame[mine]["reason"]) == {"its file has changed since it was made: run the command again"}
    assert frame[~mine].equals(before[~mine])
    page = reports(folder)["index.md"].decode()
    assert "1 outputs have changed on disk since they were made and count as missing" in page
    assert again() > 0
    assert reports(folder) == whole


def test_values_of_an_output_that_is_gone_stay_and_the_report_says_so(folder, again):
    whole, before = reports(folder), tidy(folder)
    (folder / "outputs" / "tiny" / "i0__d1" / "toy.png").unlink()
    assert tidy(folder).equals(before)
    page = reports(folder)["index.md"].decode()
    assert "1 output files are not in the run folder any more (outputs/tiny/i0\\_\\_d1/toy.png)" in page
    assert again() > 0
    assert reports(folder) == whole


@pytest.mark.parametrize("damage", [None, b"", b"PAR1 and garbage"])
def test_the_table_of_all_values_is_made_anew(folder, damage):
    write_report(folder)
    path = folder / "records.parquet"
    before = pd.read_parquet(path)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert len(tidy(folder)) == len(before)
    write_report(folder)
    assert pd.read_parquet(path).equals(before)


def test_without_run_json_a_report_is_refused_and_the_same_command_mends_it(folder, again):
    whole = reports(folder)
    (folder / "run.json").unlink()
    with pytest.raises(StoreError, match=r"no run\.json there"):
        write_report(folder)
    assert again() == 0
    assert reports(folder) == whole
