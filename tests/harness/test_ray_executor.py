"""The Ray executor: the same reports as one process, whatever dies meanwhile. Skipped where Ray is not installed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from report_files import report_files

from portraitbench.core.errors import ConfigError
from portraitbench.harness.executors import make_executor, ray_executor
from portraitbench.harness.runner import Runner
from portraitbench.harness.stages.base_output import BaseOutput
from portraitbench.harness.stages.generate import GenerateJob
from portraitbench.harness.store import Store
from portraitbench.reports.report import write_report

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'portraitbench[ray]'")

import ray_cluster  # noqa: E402 - it needs Ray

METHODS = ["copy-driving", "toy:canvas=true,noise=true", "bad:how=raise,only=*d1,as=broken"]


@pytest.fixture(scope="module")
def cluster():
    """A head without room for workers, on which the driver is, and one node."""
    with ray_cluster.started(nodes=1) as made:
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()


@pytest.fixture
def reported(perform, tmp_path):
    """Runs into a folder of its own, with a cache of its own; returns the files of its report."""

    def run(place: str, suite: Path, **fields):
        session, _ = perform(suite, **fields, out=tmp_path / place, cache=tmp_path / f"{place}-cache", name="same")
        write_report(session.config.folder)
        return report_files(session.config.folder)

    return run


@pytest.fixture
def suite(make_suite, tmp_path):
    return make_suite(tmp_path / "suite", "cross-video", identities=2, drivings=3)


def test_without_ray_one_line_says_how_to_get_it(make_session, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"executor ray: Ray is not installed: pip install 'portraitbench\[ray\]'"):
        make_executor(make_session(executor="ray"))


def test_options_that_do_not_fit_are_refused(make_session):
    with pytest.raises(ConfigError, match="executor ray: option 'hosts': unknown"):
        make_executor(make_session(executor="ray:hosts=2"))
    with pytest.raises(ConfigError, match="its workers follow from cpus and gpus: leave out workers"):
        make_executor(make_session(executor="ray", workers=2))


def test_workers_that_jobs_have_cost_are_counted_also_of_jobs_that_cannot_be_hashed():
    """A tuned job holds what the records say of the baseline's files; a score its metrics' options."""
    jobs = [GenerateJob("suite", "case", method, "key", BaseOutput({"path": "a.png"}, None, None)) for method in "ab"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(jobs[0])
    losses, died = ray_executor._Losses(), RuntimeError("the worker process died")
    assert losses.reason_to_give_up(jobs[0], died) == ""
    assert losses.reason_to_give_up(jobs[1], died) == ""
    assert losses.reason_to_give_up(jobs[0], died) == "its worker died 2 times"
    machine = RuntimeError("The actor died because its node has died.")
    assert [losses.reason_to_give_up(jobs[1], machine) for _ in range(4)] == ["", "", "", "its worker died 5 times"]


class Starting:
    """Stands for the module of Ray: its instance comes up at the last of some tries."""

    def __init__(self, tries):
        self.left, self.began = tries, 0

    def is_initialized(self):
        return False

    def init(self, **given):
        self.began += 1
        self.left -= 1
        if self.left:
            raise Exception("The current node timed out\nduring startup.")

    def shutdown(self):
        pass


@pytest.mark.parametrize(
    ("options", "tries", "began"),
    [("ray", 1, 1), ("ray", 3, 3), ("ray", 4, 3), ("ray:address=192.0.2.1:1", 2, 1)],
)
def test_an_instance_that_a_busy_machine_does_not_start_in_time_is_started_again(
    make_session, monkeypatch, options, tries, began
):
    starting = Starting(tries)
    monkeypatch.setattr(ray_executor, "_import_ray", lambda: starting)
    executor = make_executor(make_session(executor=options))
    if tries > began:
        with pytest.raises(ConfigError, match=r"executor ray: cannot join .*: The current node timed out during start"):
            executor._connect()
    else:
        executor._connect()
    assert starting.began == began


def test_the_same_report_as_one_process(cluster, reported, suite):
    plain = reported("plain", suite, methods=METHODS)
    assert reported("ray", suite, methods=METHODS, executor="ray") == plain
    assert reported("unshared", suite, methods=METHODS, executor="ray:shared=false") == plain


def test_a_job_that_kills_its_worker_twice_is_a_row(cluster, perform, suite):
    session, summary = perform(suite, methods=["copy-driving", "bad:how=segfault,only=i0__d1"], executor="ray")
    assert summary.failures == {"crash": 1}
    store = Store(session.config.folder)
    store.load()
    reasons = {record["reason"] for record in store.records.values() if record["status"] == "crash"}
    assert reasons == {"its worker died 2 times"}


def test_a_job_that_hangs_is_ended(cluster, perform, suite):
    _, summary = perform(suite, methods=["bad:how=hang,only=i0__d1"], executor="ray", case_timeout=2.0)
    assert summary.failures == {"timeout": 1}


def test_what_a_cluster_has_no_room_for_is_said(cluster, make_session, suite):
    with pytest.raises(ConfigError, match=r"a worker asks for cpus=64,gpus=0, the cluster has CPU \d, GPU 0"):
        Runner(make_session(suite, methods=["toy"], executor="ray:cpus=64")).run()


def test_a_worker_of_another_make_is_named(cluster, make_session, suite, monkeypatch):
    plain = ray_executor.parts_of
    monkeypatch.setattr(ray_executor, "parts_of", lambda session: plain(session) | {"version of torch": "1.0"})
    with pytest.raises(ConfigError, match=r"executor ray: version of torch: 2\S+ on \S+, 1\.0 here: install the same"):
        Runner(make_session(suite, methods=["toy"], executor="ray")).run()


def test_a_plug_in_that_the_worker_does_not_have_travels(cluster, perform, suite, tmp_path, monkeypatch):
    """The file is there when the run begins and gone when a worker would read it."""
    brought = tmp_path / "brought.py"
    shutil.copy(Path(__file__).parents[1] / "planting.py", brought)
    brought.write_text(
        "from portraitbench.methods import METHODS\nfrom portraitbench.methods.base import Animation, Generator\n"
        "class Own(Generator):\n    name = 'own'\n    def animate(self, inputs):\n"
        "        return Animation(inputs.driving)\nMETHODS.add('own', Own)\n"
    )
    plain = ray_executor.Orders

    def orders(*args):
        made = plain(*args)
        brought.unlink()
        return made

    monkeypatch.setattr(ray_executor, "Orders", orders)
    _, summary = perform(suite, methods=["own"], plugins=[str(brought)], executor="ray")
    assert summary.items == 6
    assert not summary.failures


def _command(suite: Path, folder: Path) -> list[str]:
    program = "from portraitbench.cli.app import main; main()"
    toys = Path(__file__).parents[1] / "toys.py"
    given = ["--suite", suite, "--plugin", toys, "--faces", "toy", "--method", "bad:how=slow", "--method", "toy"]
    where = ["--out", folder / "runs", "--cache", folder / "cache", "--name", "same"]
    return [sys.executable, "-c", program, "run", *map(str, given + where)]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_driver_ended_leaves_nothing_behind_and_goes_on(suite, tmp_path, how):
    whole = _command(suite, tmp_path / "whole")
    subprocess.run(whole, check=True, capture_output=True, timeout=300)
    command = [*_command(suite, tmp_path / "ended"), "--executor", "ray:workers=2"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    records = tmp_path / "ended" / "runs" / "same" / "records" / "1-of-1.jsonl"
    while not records.exists() or not records.stat().st_size:
        assert process.poll() is None
        time.sleep(0.02)
    started = psutil.Process(process.pid).children(recursive=True)
    assert started
    process.send_signal(how)
    process.communicate(timeout=60)
    # Nothing may be left, not even agents of Ray, which look after their node only now and then: on a busy machine
    # that takes minutes.
    _, alive = psutil.wait_procs(started, timeout=400)
    assert [one.name() for one in alive] == []
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    runs = [tmp_path / name / "runs" / "same" for name in ("ended", "whole")]
    assert report_files(runs[0]) == report_files(runs[1])
