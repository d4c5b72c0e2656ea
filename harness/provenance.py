"""Under which versions, on what machine and from which commit a run was made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

if TYPE_CHECKING:
    import torch

DISTRIBUTION = "portraitbench"


def package_versions() -> dict[str, str]:
    """Installed versions of this project and of everything it can depend on."""
    required = [Requirement(line) for line in requires(DISTRIBUTION) or []]
    names = {DISTRIBUTION} | {one.name for one in required if not set(_extras(one)) & {"dev", "test"}}
    found: dict[str, str] = {}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, str | bool] | None:
    """Commit and dirty flag of the checkout this code runs from; None when it runs from an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        dirty = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": head, "dirty": dirty}


def provenance() -> dict[str, Any]:
    """Versions, machine, codec libraries and commit, as plain data for ``run.json``."""
    import av

    return {
        "packages": package_versions(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "libraries": {name: ".".join(map(str, numbers)) for name, numbers in sorted(av.library_versions.items())},
        "checkout": commit(),
    }


def device_name(device: torch.device) -> str:
    """The processor's or graphics card's name, as a person would tell it; no host name."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {_processor()}"


def _processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8", errors="replace").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _extras(requirement: Requirement) -> list[str]:
    """The extras that ask for a requirement; empty for one that is always asked for."""
    return re.findall(r'extra == "([^"]+)"', str(requirement.marker or ""))


def _git(root: Path, *arguments: str) -> str:
    result = subprocess.run(  # noqa: S603 - fixed arguments
        ["git", *arguments],  # noqa: S607 - whichever git the user has
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return result.stdout.strip()
