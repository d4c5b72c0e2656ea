"""A Ray cluster whose nodes are processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from ray._private.services import wait_for_node
from ray.cluster_utils import Cluster

_TRIES = 3
_STARTS_WITHIN_S = 180.0
# Quicker than Ray's own, but not so quick that a node of a busy machine counts as dead.
_SETTINGS = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5, "health_check_timeout_ms": 10_000}


@contextmanager
def started(nodes: int) -> Iterator[Cluster]:
    """A head without room for workers, on which drivers are, and nodes with room for one each."""
    # Without the second, workers would give way to whatever else the machine does, and hardly move.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": _SETTINGS})
    try:
        for _ in range(nodes):
            add_node(made)
        yield made
    finally:
        made.shutdown()


def add_node(cluster: Cluster) -> Any:
    """Start a node and wait until the cluster knows it; from the main thread only.

    A node that does not begin within Ray's own half minute is started again: a busy machine is no fault of what is
    tested here.
    """
    for left in reversed(range(_TRIES)):
        try:
            node = cluster.add_node(num_cpus=1, wait=False)
        except Exception:  # Ray raises a plain one
            if not left:
                raise
        else:
            wait_for_node(node.gcs_address, node.plasma_store_socket_name, _STARTS_WITHIN_S)
            return node
    raise AssertionError("not reached")


def workers(node: Any) -> list[psutil.Process]:
    """The workers of a run on a node: never those of another cluster of the machine."""
    (raylet,) = node.all_processes["raylet"]
    try:
        children = psutil.Process(raylet.process.pid).children(recursive=True)
        return [one for one in children if "RayWorker" in " ".join(one.cmdline())]
    except psutil.NoSuchProcess:
        return []
