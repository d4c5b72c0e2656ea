"""One worker or several give the same; whoever dies, hangs or runs out of memory costs one case."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import Future

import pytest

from portraitbench.core.errors import BenchError, ConfigError
from portraitbench.harness import threads
from portraitbench.harness.executors import EXECUTORS, ExecutorBase, make_executor
from portraitbench.harness.executors.processes import ProcessExecutor
from portraitbench.harness.executors.serial import SerialExecutor
from portraitbench.harness.executors.time_limit import TimeLimit
from portraitbench.harness.stages.jobs import perform as perform_job
from portraitbench.harness.store import Store
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator

COSTS = ("seconds", "peak_bytes", "calls")
ONLY = "only=i0__d1"


def results(session) -> dict[tuple[str, str], dict[str, object]]:
    """Records without what may differ from worker to worker: costs, times of files, and who showed a frame first."""
    store = Store(session.config.folder)
    store.load()
    return {key: plain(record) for key, record in store.records.items()}


def plain(record: dict[str, object]) -> dict[str, object]:
    return {
        name: plain(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if name not in (*COSTS, "modified")
    }


def made(session) -> dict[tuple[str, str], tuple[str, str]]:
    """Status and reason of the outputs by case and method."""
    return {
        (record["case"], record["method"]): (record["status"], record["reason"])
        for (stage, _), record in results(session).items()
        if stage == "generate"
    }


def test_one_worker_without_a_time_limit_works_in_this_process(make_session):
    assert isinstance(make_executor(make_session()), SerialExecutor)
    for fields in ({"workers": 2}, {"case_timeout": 5.0}):
        assert isinstance(make_executor(make_session(**fields)), ProcessExecutor)
        with pytest.raises(ConfigError, match="executor serial: has one worker and no time limit"):
            make_executor(make_session(**fields, executor="serial"))


def test_executors_are_chosen_by_name_and_plug_ins_bring_their_own(make_session, perform):
    assert isinstance(make_executor(make_session(executor="processes")), ProcessExecutor)
    with pytest.raises(ConfigError, match="unknown executor 'proceses': did you mean processes"):
        make_executor(make_session(executor="proceses"))
    with pytest.raises(ConfigError, match="executor processes: option 'hosts': unknown"):
        make_executor(make_session(executor="processes:hosts=2"))
    done = []

    class Backwards(ExecutorBase):
        """Does the last job first."""

        def run(self, jobs):
            done.extend(jobs)
            for job in reversed(jobs):
                yield perform_job(job, self.session)

    EXECUTORS.add("backwards", Backwards)
    own, _ = perform(methods=["toy"], executor="backwards", name="own")
    assert len(done) == 4 + 3 + 3 + 3
    plain, _ = perform(methods=["toy"], name="plain")
    assert results(own) == results(plain)


def test_one_two_and_three_workers_give_the_same_records(perform, make_suite, tmp_path):
    """With all that can go wrong at that: a crash and a case without a face are results as well."""
    suite = make_suite(tmp_path / "suite", "cross-video", drivings=2)
    methods = [
        "copy-driving",
        "warp",
        "toy:noise=true,canvas=true",
        f"bad:how=raise,{ONLY}",
        f"bad:how=face,{ONLY},as=f",
    ]
    runs = [perform(suite, methods=methods, workers=count, name=f"w{count}") for count in (1, 2, 3)]
    one, *others = (results(session) for session, _ in runs)
    assert len(one) > 40
    assert {record["status"] for record in one.values()} == {"ok", "crash", "no_face"}
    assert all(other == one for other in others)
    assert len({summary.performed for _, summary in runs}) == 1


@pytest.mark.parametrize(
    ("how", "status", "reason"),
    [
        ("raise", "crash", "RuntimeError: first line second line"),
        ("face", "no_face", "nobody there"),
        ("memory", "oom", "MemoryError"),
        ("cuda", "oom", "OutOfMemoryError: CUDA out of memory"),
        ("exit", "crash", "SystemExit: called from inside a method"),
        ("die", "crash", "SystemExit: os._exit(7) was called"),
        ("quiet", "crash", "SystemExit: os._exit(0) was called"),
        ("protected", "crash", "PermissionError: [Errno 13] Permission denied: 'weights.bin'"),
        ("nothing", "crash", "TypeError: the method must return an Animation of a Clip, not NoneType"),
        ("clip", "crash", "TypeError: the method must return an Animation of a Clip, not Clip"),
        ("float", "crash", "TypeError: clip frames must be a uint8 array, not float64"),
        ("long", "decode", "the output has 2 frames, the driving clip 1: resample it first"),
        ("canvas", "decode", "the canvas has 2 frames, the driving clip 1: resample it first"),
        ("detail", "crash", "TypeError: Object of type float32 is not JSON serializable"),
        ("nan", "crash", "ValueError: Out of range float values are not JSON compliant"),
        ("surrogate", "crash", "RuntimeError: cannot read \udcff.png"),
        ("write", "crash", "ValueError: assignment destination is read-only"),
    ],
)
def test_a_method_that_fails_costs_its_case(perform, how, status, reason):
    session, summary = perform(methods=[f"bad:how={how},{ONLY}", "copy-driving"])
    own = made(session)
    assert own.pop(("i0__d1", "bad")) == (status, reason)
    assert set(own.values()) == {("ok", "")}
    assert len(own) == 5
    assert summary.failures == {status: 1}
    logs = list(session.config.folder.glob("logs/*"))
    assert len(logs) == (status in ("crash", "oom"))
    assert all("Traceback" in log.read_text() for log in logs)


@pytest.mark.parametrize("how", ["small", "pixel"])
def test_an_odd_size_is_no_failure(perform, how, make_suite, tmp_path):
    session, summary = perform(make_suite(tmp_path / "suite", "cross-video"), methods=[f"bad:how={how}"])
    assert not summary.failures
    assert set(made(session).values()) == {("ok", "")}


def test_workers_that_die_or_hang_cost_one_case_each(perform):
    """``native_quiet`` ends its process with exit code 0, as a library that calls exit() would."""
    expected = {
        "die": ("crash", "SystemExit: os._exit(7) was called"),
        "segfault": ("crash", "the worker process died with exit code -11"),
        "hang": ("timeout", "took longer than 4 s"),
        "native_quiet": ("crash", "the worker process died with exit code 0"),
    }
    methods = [f"bad:how={how},{ONLY},as={how}" for how in expected]
    session, summary = perform(methods=[*methods, "copy-driving"], workers=2, case_timeout=4.0)
    own = made(session)
    assert {how: own.pop(("i0__d1", how)) for how in expected} == expected
    assert set(own.values()) == {("ok", "")}
    assert len(own) == 3 * 5 - 4
    assert summary.failures == {"crash": 3, "timeout": 1}


def test_a_worker_that_ends_with_exit_code_0_costs_its_case_without_a_time_limit_too(perform):
    """A library that calls exit(): the pool alone would wait for ever."""
    session, summary = perform(methods=[f"bad:how=native_quiet,{ONLY}", "copy-driving"], executor="processes")
    own = made(session)
    assert own.pop(("i0__d1", "bad")) == ("crash", "the worker process died with exit code 0")
    assert set(own.values()) == {("ok", "")}
    assert (len(own), summary.failures) == (5, {"crash": 1})


class Clock:
    """A monotonic clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_time_limit_is_about_working_time_and_not_about_the_time_of_day(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr("time.time", lambda: pytest.fail("the time of day was asked"))
    at_work, waiting = Future(), Future()
    at_work.set_running_or_notify_cancel()
    limit = TimeLimit(1.0)
    assert limit.tick == 0.25
    for _ in range(4):
        clock.now += 0.25
        assert limit.overdue([at_work, waiting]) == []
    clock.now += 0.01
    assert limit.overdue([at_work, waiting]) == [at_work]


def test_a_run_that_was_stopped_for_an_hour_is_charged_two_ticks(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    job = Future()
    job.set_running_or_notify_cancel()
    limit = TimeLimit(1.0)
    clock.now += 3600
    assert limit.overdue([job]) == []
    clock.now += 0.25
    assert limit.overdue([job]) == []
    assert TimeLimit(None).overdue([job]) == []


def test_a_worker_that_cannot_start_ends_the_run_in_one_line(make_session, perform, tmp_path):
    plugin = tmp_path / "once.py"
    plugin.write_text("import multiprocessing\nif multiprocessing.parent_process():\n    raise OSError('no licence')\n")
    with pytest.raises(BenchError, match="--workers 1"):
        perform(methods=["toy"], plugins=[str(plugin)], workers=2)


def test_a_face_model_that_fails_costs_its_rows(perform):
    session, summary = perform(methods=["copy-driving"], faces=["toy:broken=true"])
    rows = results(session)
    assert not summary.failures
    assert {record["status"] for (stage, _), record in rows.items() if stage != "generate"} == {"crash"}
    assert all("the toy model is broken" in record["reason"] for (stage, _), record in rows.items() if stage == "score")


def test_a_metric_that_fails_takes_no_other_with_it(perform, monkeypatch):
    from portraitbench.metrics.identity import IdSim

    def fail(self, scene):
        raise ZeroDivisionError("no norm")

    monkeypatch.setattr(IdSim, "__call__", fail)
    session, _ = perform(methods=["copy-driving"])
    by_metric = {record["metric"]: record for (stage, _), record in results(session).items() if stage == "score"}
    failed = {name: record["reason"] for name, record in by_metric.items() if record["status"] != "ok"}
    assert failed == {"id_sim/1": "ZeroDivisionError: no norm"}
    assert len(by_metric) > 3


def test_without_jobs_no_process_is_started(make_session):
    session = make_session(methods=["toy"], workers=2)
    with ProcessExecutor({}, session) as executor:
        assert list(executor.run([])) == []
        assert multiprocessing.active_children() == []


def test_processes_last_for_the_run_and_not_longer(perform):
    """One process each for all stages, so that a model is loaded once per worker."""
    session, _ = perform(methods=["bad:how=pid"], workers=2)
    pids = {row["detail"]["pid"] for (stage, _), row in results(session).items() if stage == "generate"}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert multiprocessing.active_children() == []


def test_threads_are_limited_inside_and_restored_outside(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    with threads.limit_threads(3):
        assert torch.get_num_threads() == 3
        assert [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")] == ["3", "3"]
    assert torch.get_num_threads() == before
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("workers", [1, 2])
def test_methods_see_the_threads_asked_for(perform, tmp_path, workers):
    """A method that loads torch itself must find the limit, in this process and in workers."""
    pytest.importorskip("torch")
    plugin = tmp_path / "counts.py"
    plugin.write_text(
        "from portraitbench.methods import METHODS\n"
        "from portraitbench.methods.base import Animation, Generator\n"
        "class Counts(Generator):\n"
        "    name = 'counts'\n"
        "    def animate(self, inputs):\n"
        "        import torch\n"
        "        return Animation(inputs.driving, detail={'threads': torch.get_num_threads()})\n"
        "METHODS.add('counts', Counts)\n"
    )
    session, _ = perform(methods=["counts"], plugins=[str(plugin)], workers=workers, threads=1)
    details = [record["detail"] for (stage, _), record in results(session).items() if stage == "generate"]
    assert details == [{"threads": 1}] * 3


@pytest.mark.parametrize(("failures", "status"), [(1, "ok"), (2, "oom")])
def test_a_job_that_runs_out_of_memory_is_tried_once_more(perform, failures, status):
    """By the method made anew: what it held is freed, and it is told to keep less."""
    out_of_memory = type("OutOfMemoryError", (RuntimeError,), {})  # as torch's is called
    tried, told = [], []

    class Large(Generator):
        name = "large"

        def __init__(self, options, context):
            super().__init__(options, context)
            told.append(context.is_memory_short)

        def animate(self, inputs):
            tried.append(self)
            if len(tried) <= failures:
                raise out_of_memory("CUDA out of memory")
            return Animation(inputs.driving)

    METHODS.add("large", Large)
    session, _ = perform(methods=["large"], cases=["i0__d0"])
    assert [found for found, _ in made(session).values()] == [status]
    assert len(tried) == 2
    assert (told[0], told[-1]) == (False, True)
