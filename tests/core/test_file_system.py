"""On what file system a path lies, told from the kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from portraitbench.core import file_system as module
from portraitbench.core.file_system import file_system

MOUNTS = r"""
/dev/vda / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,vers=4.2,local_lock=none 0 0
/dev/vdb /home/scratch xfs rw 0 0
server:/old /mnt/old\040disk nfs rw,vers=3,nolock 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
pool@tcp:/fs /lustre lustre rw,flock 0 0
""".lstrip()


@pytest.mark.parametrize(
    ("path", "kind", "network", "locks"),
    [
        ("/etc/x", "ext4", False, True),
        ("/homeward", "ext4", False, True),
        ("/home", "nfs4", True, True),
        ("/home/me/runs/not/there", "nfs4", True, True),
        ("/home/scratch/runs", "xfs", False, True),
        ("/mnt/old disk/runs", "nfs", True, False),
        ("/mnt/ssh/runs", "fuse.sshfs", True, True),
        ("/lustre/runs", "lustre", True, True),
    ],
)
def test_the_innermost_mount_counts(tmp_path, monkeypatch, path, kind, network, locks):
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "mounts")
    found = file_system(Path(path))
    assert (found.kind, found.is_network, found.locks_reach_others) == (kind, network, locks)


def test_where_the_system_does_not_tell_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "none")
    assert not file_system(tmp_path).is_network


def test_doctor_names_a_network_file_system(bench, tmp_path, monkeypatch):
    (tmp_path / "mounts").write_text(f"server:/x {tmp_path}/cache nfs rw,nolock 0 0\n/dev/vda / ext4 rw 0 0\n")
    monkeypatch.setattr(module, "MOUNTS", tmp_path / "mounts")
    said = bench("doctor", "--cache", tmp_path / "cache").out
    assert "file system of the cache: nfs: a network file system; feature caches are only read there" in said
    assert "never give two machines the same shard" in said
    assert "of the working folder" not in said
