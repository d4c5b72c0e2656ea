"""Devices: found once, of no weight by their index, and one card for each worker."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from portraitbench import animating  # noqa: E402 - after the skip
from portraitbench.animating import AnimateConfig  # noqa: E402
from portraitbench.faces.base import BackendInfo  # noqa: E402
from portraitbench.harness import devices  # noqa: E402
from portraitbench.harness.arithmetic import arithmetic  # noqa: E402
from portraitbench.harness.executors import processes, worker_slots  # noqa: E402
from portraitbench.harness.executors.serial import SerialExecutor  # noqa: E402
from portraitbench.harness.plan import make_plan  # noqa: E402
from portraitbench.harness.run_file import describe, load_run  # noqa: E402
from portraitbench.harness.telemetry import Meter  # noqa: E402


@pytest.fixture
def cards(monkeypatch):
    """A machine with this many graphics cards, as far as torch tells."""

    def make(count, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card {torch.device(device).index or 0}/X")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


def keys(session) -> list[str]:
    plan = make_plan(session)
    return [item.key for item in plan] + [part.base for item in plan for part in item.metrics]


@pytest.mark.parametrize(("count", "mps", "expected"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_takes_the_best_there_is_and_a_name_is_kept(cards, count, mps, expected):
    cards(count, mps)
    assert devices.resolve_device("auto") == expected
    assert [devices.resolve_device(name) for name in ("cpu", "mps", "cuda:3")] == ["cpu", "mps", "cuda:3"]


def test_keys_hold_the_kind_of_device_and_never_its_index(make_session, cards):
    cards(2)
    first, second, found = (
        keys(make_session(methods=["warp", "toy"], device=device)) for device in ("cuda:0", "cuda:1", "auto")
    )
    assert first == second == found == keys(make_session(methods=["warp", "toy"], device="cuda"))
    assert not set(first) & set(keys(make_session(methods=["warp", "toy"], device="cpu")))
    assert BackendInfo("a", "1", "none", "ours", "cuda:1").device == "cuda"


def test_the_cards_model_decides_where_it_is_asked_to(make_session, cards):
    cards(2)
    told = {"methods": ["toy"], "gpu_in_key": True}
    one, other = (make_session(device=device, **told) for device in ("cuda:0", "cuda:1"))
    assert not set(keys(one)) & set(keys(other))
    assert make_plan(other)[0].fingerprint["gpu"] == "Card 1/X"
    assert [session.observer.cache.path.name for session in (one, other)] == [
        "features-Card-0-X.sqlite",
        "features-Card-1-X.sqlite",
    ]
    assert keys(make_session(device="cpu", **told)) == keys(make_session(device="cpu", methods=["toy"]))


def test_a_run_tells_and_keeps_what_auto_found(cards, bench, make_suite, tmp_path):
    cards(0)
    suite = make_suite(tmp_path / "suite", drivings=1)
    toys = Path(__file__).parents[1] / "toys.py"
    where = ["--out", tmp_path / "runs", "--cache", tmp_path / "cache", "--plugin", toys, "--faces", "toy"]
    done = bench("run", "--suite", suite, "--method", "toy", *where)
    assert done.code == 0, done.err
    assert "device: cpu (found by auto)" in done.out
    about = load_run(tmp_path / "runs" / "tiny")
    assert (about.device, about.config["device"]) == ("cpu", "auto")


def test_workers_take_the_cards_in_turn_unless_one_is_named(cards):
    cards(3)
    assert [devices.worker_device("cuda", worker) for worker in range(5)] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:0",
        "cuda:1",
    ]
    assert {devices.worker_device("cuda:2", worker) for worker in range(5)} == {"cuda:2"}
    assert {devices.worker_device("cpu", worker) for worker in range(5)} == {"cpu"}
    cards(1)
    assert {devices.worker_device("cuda", worker) for worker in range(5)} == {"cuda"}


def test_each_worker_is_started_with_its_own_device(make_session, cards, monkeypatch):
    cards(2)
    started = []
    monkeypatch.setattr(processes, "Session", lambda config: started.append(config.device) or SimpleNamespace())
    executor = processes.ProcessExecutor({}, make_session(device="auto", workers=3))
    pids = multiprocessing.get_context("spawn").Array("q", 3)
    alive = iter([1001, 1002, 1003])
    monkeypatch.setattr(worker_slots, "getpid", lambda: next(alive))
    monkeypatch.setattr(worker_slots, "_is_alive", lambda pid: True)
    for _ in range(3):
        processes._start(executor._config, pids)
    assert started == ["cuda:0", "cuda:1", "cuda:0"]


def switches():
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return cuda.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark


def switch(matmul, convolutions, deterministic, benchmark):
    torch.backends.cuda.matmul.allow_tf32 = matmul
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = benchmark


@pytest.fixture
def other_switches():
    """As a program may have left them."""
    before, left = switches(), (True, True, False, True)
    switch(*left)
    yield left
    switch(*before)


@pytest.mark.parametrize("tf32", [False, True])
def test_a_cards_arithmetic_is_the_runs_in_this_process_and_in_workers(
    make_session, cards, monkeypatch, other_switches, tf32
):
    cards(1)
    session = make_session(device="cuda", tf32=tf32)
    with SerialExecutor({}, session):
        assert switches() == (tf32, tf32, True, False)
    assert switches() == other_switches
    monkeypatch.setattr(processes, "Session", lambda config: SimpleNamespace())
    monkeypatch.setattr(processes, "take_slot", lambda pids: 0)
    processes._start(session.config, None)  # a process of its own, where they stay
    assert switches() == (tf32, tf32, True, False)


def test_a_single_case_has_the_same_switch(cards):
    cards(1)
    config = AnimateConfig(tf32=True, device="cuda", method=None, faces=["pocket"])
    assert dict(animating._session(config).arithmetic) == dict(arithmetic("cuda", tf32=True))
    assert not animating._session(AnimateConfig(device="cuda", method=None)).config.tf32


def test_off_the_card_nothing_is_switched(make_session, other_switches):
    with SerialExecutor({}, make_session(device="cpu", tf32=True)):
        assert switches() == other_switches


def test_a_cards_arithmetic_is_recorded_and_decides_what_is_reused(make_session, cards):
    cards(1)
    plain, fast = (make_session(methods=["toy"], device="cuda", tf32=tf32) for tf32 in (False, True))
    assert not set(keys(plain)) & set(keys(fast))
    on_cpu = [keys(make_session(methods=["toy"], device="cpu", tf32=tf32)) for tf32 in (False, True)]
    assert on_cpu[0] == on_cpu[1]  # where it acts on nothing
    written = describe(fast, make_plan(fast)).model_dump()
    assert written["arithmetic"] == {
        "cuda.matmul.allow_tf32": True,
        "cudnn.allow_tf32": True,
        "cudnn.deterministic": True,
        "cudnn.benchmark": False,
    }
    assert written["config"]["tf32"] is True


def test_a_new_worker_takes_the_place_of_the_dead_one(monkeypatch):
    pids = multiprocessing.get_context("spawn").Array("q", 3)
    numbers = iter([11, 12, 13, 14, 15])
    dead = set()
    monkeypatch.setattr(worker_slots, "getpid", lambda: next(numbers))
    monkeypatch.setattr(worker_slots, "_is_alive", lambda pid: pid not in dead)
    assert [worker_slots.take_slot(pids) for _ in range(3)] == [0, 1, 2]
    dead.add(12)
    assert worker_slots.take_slot(pids) == 1
    with pytest.raises(RuntimeError, match="more than 3 workers"):
        worker_slots.take_slot(pids)


def test_a_process_that_has_ended_is_not_alive():
    child = multiprocessing.get_context("spawn").Process(target=print, args=("",))
    child.start()
    pid = child.pid
    child.join()
    assert not worker_slots._is_alive(pid)
    assert worker_slots._is_alive(os.getpid())


def test_memory_is_read_of_the_workers_own_card_and_only_there(cards, monkeypatch):
    cards(2)
    asked = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: asked.append(("reset", device)))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: asked.append(("peak", device)) or 77)
    with Meter("cuda:1") as meter:
        pass
    assert (meter.peak_bytes, asked) == (77, [("reset", "cuda:1"), ("peak", "cuda:1")])
    with Meter("cpu") as meter:
        pass
    assert len(asked) == 2
    assert meter.peak_bytes > 1_000_000 or sys.platform == "win32"


def test_libraries_that_a_method_needs_are_recorded():
    from portraitbench.harness.provenance import package_versions

    assert {"torch", "diffusers", "transformers", "peft"} <= package_versions().keys()
