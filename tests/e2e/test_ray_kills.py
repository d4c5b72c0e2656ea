"""A run on a Ray cluster whose nodes, workers and driver are killed at random ends in the report of one process."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from killing import METHODS, RECORDS, arguments, assert_same, complete, size

pytest.importorskip("ray", reason="Ray is not installed: pip install 'portraitbench[ray]'")

import ray_cluster

KILLS = {"worker": 8, "node": 6, "driver": 6}
NODES = 2
PATIENCE_S = 300.0
# Workers are killed here more often than any machine would: that a job is hit twice is not the job's fault.
UNLIMITED = (
    "from portraitbench.harness.executors import ray_executor; ray_executor._KILLS = ray_executor._LOSSES = 1000; "
)


class Campaign:
    """A run that is started again whenever its driver was killed, and whoever kills its parts."""

    def __init__(self, cluster: Any, command: Sequence[str], folder: Path, rng: random.Random) -> None:
        python, flag, program, *rest = command
        self.command = [python, flag, UNLIMITED + program, *rest, "--executor", f"ray:address={cluster.address}"]
        self.folder, self.rng, self.cluster = folder, rng, cluster
        self.records = folder / RECORDS
        self.starts = 0
        folder.mkdir()
        self.start()

    def start(self) -> None:
        self.starts += 1
        log = (self.folder / f"driver-{self.starts}.log").open("wb")
        with log:
            self.driver = subprocess.Popen(
                self.command, cwd=self.folder, start_new_session=True, stdout=log, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return (self.folder / f"driver-{self.starts}.log").read_text()

    def kill(self, kind: str) -> None:
        """Kill one a moment after the next job has been finished: every kill meets a run that goes on."""
        before = size(self.records)
        for _ in self.waiting():
            if size(self.records) > before:
                break
        time.sleep(self.rng.uniform(0, 0.15))
        getattr(self, f"kill_{kind}")()

    def kill_worker(self) -> None:
        for _ in self.waiting():
            if found := [one for node in self.cluster.worker_nodes for one in ray_cluster.workers(node)]:
                self.rng.choice(sorted(found, key=lambda one: one.pid)).kill()
                return

    def kill_node(self) -> None:
        node = self.rng.choice(sorted(self.cluster.worker_nodes, key=lambda one: one.plasma_store_socket_name))
        doomed = ray_cluster.workers(node)
        self.cluster.remove_node(node, allow_graceful=False)
        for one in doomed:  # a machine that goes down takes all with it
            if one.is_running():
                one.kill()
        ray_cluster.add_node(self.cluster)

    def kill_driver(self) -> None:
        os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait(PATIENCE_S)
        self.start()

    def waiting(self) -> Iterator[None]:
        """Look again and again, as long as the run is at work."""
        last = time.monotonic() + PATIENCE_S
        while time.monotonic() < last:
            assert self.driver.poll() is None, f"the run ended before all kills: {self.said()}"
            yield
            time.sleep(0.005)
        pytest.fail(f"nothing came for {PATIENCE_S:g} s: {self.said()}")

    def end(self) -> Path:
        assert self.driver.wait(2 * PATIENCE_S) == 0, self.said()
        return self.folder / "runs" / "killed"


@pytest.fixture
def cluster():
    with ray_cluster.started(NODES) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1], ids="seed={}".format)
def test_twenty_kills_of_workers_nodes_and_the_driver(cluster, make_suite, tmp_path, seed):
    suites = [
        make_suite(tmp_path / "suites", "cross-video", identities=4, drivings=8, name="cross"),
        make_suite(tmp_path / "suites", "self-video", drivings=8, name="self"),
    ]
    command = arguments(suites, METHODS)
    whole = complete(command, tmp_path / "whole")
    rng = random.Random(seed)
    order = list(Counter(KILLS).elements())
    rng.shuffle(order)
    campaign = Campaign(cluster, command, tmp_path / "killed", rng)
    began = time.monotonic()
    try:
        for kind in order:
            campaign.kill(kind)
        killed = campaign.end()
    finally:
        if campaign.driver.poll() is None:
            campaign.driver.kill()
    assert_same(killed, whole)
    jobs = len((killed / "records" / "1-of-1.jsonl").read_text().splitlines())
    figures = {"seed": seed, "kills": KILLS, "records": jobs, "seconds": round(time.monotonic() - began)}
    print(json.dumps(figures | {"drivers": campaign.starts}))
    assert campaign.starts == 1 + KILLS["driver"]
    assert not [one for node in cluster.worker_nodes for one in ray_cluster.workers(node) if alive_after(one, 60)]


def alive_after(process: psutil.Process, seconds: float) -> bool:
    """Whether a process of the run has outlived it by so long."""
    _, alive = psutil.wait_procs([process], timeout=seconds)
    return bool(alive)
