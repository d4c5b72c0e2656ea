"""Two processes in one folder, and folders that vanish: the same report or one clear refusal, never a mixture.

What another process does at the worst moment is done here between two jobs of a run, so that nothing is left to chance.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from report_files import report_files

from portraitbench import scoring
from portraitbench.core.digest import text_sha256
from portraitbench.core.errors import StoreError
from portraitbench.harness.plan import make_plan, plan_lines
from portraitbench.harness.runner import Runner, Silent
from portraitbench.harness.same_work import require_same_work
from portraitbench.harness.store import Store, read_lines
from portraitbench.reports.records_frame import tidy
from portraitbench.reports.report import write_report

METHODS = ["copy-driving", "toy:canvas=true,noise=true"]
FLAGS = [part for method in METHODS for part in ("-m", method)]


class Between(Silent):
    """Does something after each finished job, or after one of them."""

    def __init__(self, act: Callable[[], object], after: int | None = None) -> None:
        self._act, self._after, self._count = act, after, 0

    def done(self, records):
        self._count += 1
        if self._after in (None, self._count):
            self._act()


def reports(folder: Path) -> dict[str, bytes]:
    """The files of a report, written anew, that are a function of the results and the run's name."""
    write_report(folder)
    return report_files(folder)


@pytest.fixture
def whole(perform, tmp_path) -> dict[str, bytes]:
    """The report of a run that was left alone."""
    session, _ = perform(methods=METHODS, out=tmp_path / "whole", cache=tmp_path / "other-cache")
    return reports(session.config.folder)


def test_other_work_is_refused_while_a_run_is_on_and_its_own_shards_are_not(make_session):
    own = make_session(methods=METHODS, shard="1/2")
    with require_same_work(own.config.folder, text_sha256(*plan_lines(make_plan(own))), 2, generates=True):
        for fields, what in [
            ({"seed": 1, "shard": "2/2"}, "other settings, another seed or other cases"),
            ({"methods": METHODS[:1], "shard": "2/2"}, "other settings, another seed or other cases"),
            ({"limit": 2, "shard": "2/2"}, "other settings, another seed or other cases"),
            ({"metrics": ["id_sim"], "shard": "2/2"}, "other settings, another seed or other cases"),
            ({"shard": "1/1"}, "2 shards where this one has 1"),
            ({"shard": "3/3"}, "2 shards where this one has 3"),
        ]:
            with pytest.raises(StoreError, match=rf"process \d+ on \S+ is at work there with {what}: wait for it, or"):
                Runner(make_session(**{"methods": METHODS} | fields)).run()
        with pytest.raises(StoreError, match="is at work there with bench run: wait"):
            Runner(make_session(methods=METHODS, shard="1/2"), plan=make_plan(own)).run()
        assert not (own.config.folder / "records").exists()
        assert Runner(make_session(methods=METHODS, shard="2/2")).run().items == 2
        with Store(own.config.folder, "1-of-2").writing(), pytest.raises(StoreError, match="writing 1-of-2"):
            Runner(make_session(methods=METHODS, shard="1/2")).run()


def test_shards_at_once_in_processes_of_their_own_give_the_report_of_one_run(make_session, whole, tmp_path):
    session = make_session(methods=METHODS)
    flags = ["-s", session.config.suites[0], "--plugin", session.config.plugins[0], "-f", "toy", *FLAGS]
    where = ["--out", session.config.out, "--cache", session.config.cache]
    command = [sys.executable, "-c", "from portraitbench.cli.app import main; main()", "run", *flags, *where]
    both = [
        subprocess.Popen([*map(str, command), "--shard", shard], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for shard in ("1/2", "2/2")
    ]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    folder = session.config.folder
    # Whoever was last has reported the records of both.
    assert (folder / "report" / "tiny.csv").read_bytes() == whole["tiny.csv"]
    assert reports(folder) == whole


def test_a_report_while_a_run_writes_is_one_of_its_moments(make_session, whole):
    session = make_session(methods=METHODS)
    folder, seen, calls = session.config.folder, [], []

    def look() -> None:
        if len(calls) % 4 == 0:
            frame = write_report(folder).frame
            seen.append((frame["status"] == "ok").sum())
        calls.append(None)

    Runner(session, Between(look)).run()
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] > 0
    assert len(calls) > 12
    assert reports(folder) == whole


def test_what_is_mended_in_another_shard_layout_stays_mended(perform, make_session, tmp_path):
    """The file of the later command sorts before that of the earlier one."""
    flag = tmp_path / "repaired"
    plugin = tmp_path / "once.py"
    plugin.write_text(
        "from pathlib import Path\n"
        "from portraitbench.methods import METHODS\n"
        "from portraitbench.methods.base import Animation, Generator\n"
        "class Once(Generator):\n"
        "    name = 'once'\n"
        "    def animate(self, inputs):\n"
        f"        if not Path({str(flag)!r}).exists():\n"
        "            raise OSError('no licence')\n"
        "        return Animation(inputs.driving)\n"
        "METHODS.add('once', Once)\n"
    )
    fields = {"methods": ["once"], "plugins": [str(plugin)], "metrics": ["id_sim"]}
    session, summary = perform(**fields, shard="1/2")
    assert summary.failures == {"crash": 2}
    flag.touch()
    perform(**fields, retry_failed=True)
    assert sorted(path.name for path in (session.config.folder / "records").iterdir()) == [
        "1-of-1.jsonl",
        "1-of-2.jsonl",
    ]
    assert set(tidy(session.config.folder)["status"]) == {"ok"}
    _, summary = perform(**fields, retry_failed=True)
    assert summary.performed == 0


def test_rescoring_covers_the_outputs_of_all_shards(perform):
    for shard in ("1/2", "2/2"):
        session, _ = perform(methods=METHODS, metrics=["id_sim"], shard=shard)
    scored = scoring.score(session.config.folder, metrics=["aed_lmk_px512"])
    assert scored.outcome is not None
    assert scored.outcome.items == 6
    frame = scored.frame()
    assert set(frame["metric"]) == {"id_sim/1", "aed_lmk_px512/1"}
    assert set(frame["status"]) == {"ok"}


@pytest.mark.parametrize("after", [2, 6, 12])
def test_a_run_folder_that_is_removed_ends_the_run_in_one_line(make_session, whole, after):
    session = make_session(methods=METHODS)
    folder = session.config.folder
    with pytest.raises(
        StoreError, match=r"was removed or (replaced|changed) while this command was at work.*: give the same"
    ):
        Runner(session, Between(lambda: shutil.rmtree(folder), after)).run()
    Runner(make_session(methods=METHODS)).run()
    assert reports(folder) == whole


def test_a_run_folder_that_is_replaced_ends_the_run_in_one_line(make_session):
    session = make_session(methods=METHODS)
    folder = session.config.folder

    def replace() -> None:
        folder.rename(folder.with_name("old"))
        shutil.copytree(folder.with_name("old"), folder)

    with pytest.raises(StoreError, match="was removed or replaced"):
        Runner(session, Between(replace, 6)).run()


@pytest.mark.parametrize("after", [2, 6, 12])
def test_a_cache_that_is_removed_costs_time_and_nothing_else(make_session, whole, after):
    session = make_session(methods=METHODS)
    Runner(session, Between(lambda: shutil.rmtree(session.config.cache), after)).run()
    assert reports(session.config.folder) == whole


def test_one_cache_serves_two_runs_at_once(make_session, whole, tmp_path):
    session = make_session(methods=METHODS)
    inner = [make_session(methods=METHODS, out=tmp_path / str(number)) for number in range(3)]
    left = iter(inner)

    def another() -> None:
        if (one := next(left, None)) is not None:
            Runner(one).run()

    Runner(session, Between(another)).run()
    for one in (session, *inner):
        assert reports(one.config.folder) == whole


def test_an_output_that_is_swapped_during_a_run_is_never_scored(make_session, whole):
    session = make_session(methods=METHODS)
    outputs = session.config.folder / "outputs" / "tiny"

    def swap() -> None:
        shutil.copy(outputs / "i0__d0" / "copy-driving.png", outputs / "i0__d0" / "toy.png")

    with pytest.raises(StoreError, match=r"toy\.png: was removed or changed while this command was at work"):
        Runner(session, Between(swap, 10)).run()
    made = list(read_lines(session.config.folder / "records" / "1-of-1.jsonl"))
    assert not [record for record in made if record["status"] != "ok"]
    Runner(make_session(methods=METHODS)).run()
    assert reports(session.config.folder) == whole


def test_run_json_of_a_killed_beginner_names_nobody_as_at_work(make_session):
    """What a killed process left in the lock file is no lock."""
    session = make_session(methods=METHODS)
    session.config.folder.mkdir(parents=True)
    left = {"pid": "1", "host": "elsewhere", "plan": "other", "shards": "7", "verb": "run"}
    (session.config.folder / ".at-work").write_text(json.dumps(left))
    assert not Runner(session).run().failures
    assert (session.config.folder / ".at-work").read_bytes() == b""
