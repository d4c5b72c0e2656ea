"""However a run is divided, its report is that of one process, byte for byte.

Equality is transitive: each way is compared with one process and thereby with every other way. Runs that are killed and
go on are in tests/e2e: ``test_kill.py`` for one process and several, ``test_ray_kills.py`` for Ray.
"""

from __future__ import annotations

import pytest
from report_files import report_files

from portraitbench.reports.report import write_report

METHODS = ["copy-driving", "toy:canvas=true,noise=true", "bad:how=raise,only=*d1,as=broken"]


@pytest.fixture
def reported(perform, make_suite, tmp_path):
    """Does a run in so many commands, each with fields of its own; returns the files of its report."""
    suites = [
        str(make_suite(tmp_path / "suites", "cross-video", identities=2, drivings=3, name="cross")),
        str(make_suite(tmp_path / "suites", "self-video", drivings=2, name="self")),
    ]

    def run(place: str, *commands: dict[str, object]):
        folders = {"out": tmp_path / place, "cache": tmp_path / f"{place}-cache", "name": "same"}
        for fields in commands:
            session, _ = perform(suites=suites, methods=METHODS, **folders, **fields)
        write_report(session.config.folder)
        return report_files(session.config.folder)

    return run


@pytest.fixture
def plain(reported):
    return reported("plain", {})


@pytest.mark.parametrize(
    "commands",
    [
        [{"workers": 2}],
        [{"shard": "2/2"}, {"shard": "1/2"}],
        [{"shard": "3/3", "workers": 2}, {"shard": "1/3"}, {"shard": "2/3"}],
    ],
    ids=["2 processes", "2 shards", "3 shards, one in processes"],
)
def test_processes_and_shards(plain, reported, commands):
    assert reported("divided", *commands) == plain


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'portraitbench[ray]'")
    import ray_cluster

    with ray_cluster.started(nodes=1) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_ray_on_nodes(cluster, plain, reported, nodes):
    """As many workers as nodes, each in the process of a node of its own."""
    import ray_cluster

    while len(cluster.worker_nodes) < nodes:
        ray_cluster.add_node(cluster)
    assert reported("ray", {"executor": f"ray:address={cluster.address}"}) == plain


@pytest.mark.slow
def test_ray_with_shards_and_a_part_by_processes(cluster, plain, reported):
    by_ray = {"executor": f"ray:address={cluster.address}"}
    assert reported("mixed", {"shard": "2/2", **by_ray}, {"shard": "1/2", "workers": 2}) == plain
