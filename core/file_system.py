"""On what kind of file system a path lies: what several machines share keeps other promises than a local disk."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
_NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "panfs",
    "pvfs2",
    "smb3",
    "smbfs",
    "wekafs",
}
_LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "nobrl", "localflock"}
"""Mount options with which locks do not reach other machines."""


@dataclass(frozen=True)
class FileSystem:
    """A mounted file system.

    Attributes:
        kind: As the kernel calls it; "" where the system does not tell.
        options: Of the mount.
    """

    kind: str = ""
    options: frozenset[str] = frozenset()

    @property
    def is_network(self) -> bool:
        """Whether other machines may have it too; programs in user space (sshfs, s3fs) count."""
        return self.kind in _NETWORK or (self.kind.startswith("fuse.") and self.kind != "fuse.fuse-overlayfs")

    @property
    def locks_reach_others(self) -> bool:
        """Whether locks hold between machines, as far as the mount's options tell."""
        return not self.options & _LOCAL_LOCKS


def file_system(path: Path) -> FileSystem:
    """The file system of a path, or of the nearest folder above it that exists.

    Linux tells; elsewhere the answer is an unknown local one.
    """
    there = os.path.realpath(path)
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return FileSystem()
    found, length = FileSystem(), -1
    for line in lines:
        _, point, kind, options, *_ = line.split(" ")
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
        inside = there == point or there.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= length:  # a later mount lies over an earlier one
            found, length = FileSystem(kind, frozenset(options.split(","))), len(point)
    return found
