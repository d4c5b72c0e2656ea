"""What the harness itself costs: plan, run, resume and report of cases whose method takes no time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.digest import file_sha256
from ..core.errors import BenchError
from ..core.files import write_text
from ..datasets.clip import Clip
from ..datasets.media import write_output
from .planted import SIDE

PHASES = ("plan", "run", "resume", "report")
"""In this order; each is a process of its own. Above :data:`LARGEST_RUN` cases "plant" takes the place of "run"."""
LARGEST_RUN = 10_000
_PHASE = f"{__package__.rpartition('.')[0]}.cli.profile_harness_phase"
"""Run as a program: it also writes reports, which this room does not know."""


@dataclass(frozen=True)
class PhaseCost:
    """What one phase took.

    Attributes:
        cases: Size of the suite; a case has two rows, baseline and method, with equal outputs that are made once.
        phase: One of :data:`PHASES`.
        seconds: Wall time, without the start of the process.
        processor_seconds: What the process has computed; other programs on the machine do not count.
        peak_bytes: Peak of resident memory above that of the imports.
        done: Jobs done.
        reused: Jobs found done.
    """

    cases: int
    phase: str
    seconds: float
    processor_seconds: float
    peak_bytes: int
    done: int
    reused: int


def measure(
    folder: Path,
    sizes: Sequence[int],
    more: Mapping[str, Any],
    tell: Callable[[PhaseCost], None],
    largest_run: int = LARGEST_RUN,
) -> list[PhaseCost]:
    """Measure all phases at each size.

    Args:
        folder: An empty folder for suites, runs and cache.
        sizes: Numbers of cases; a suite has the nearest product of identities and drivings below.
        more: Fields of the run besides, such as its executor.
        tell: Called after each phase.
        largest_run: Largest number of cases that are really run; above it the run folder is planted.

    Raises:
        BenchError: When a phase fails, with what it said.
    """
    found = []
    for size in sizes:
        place = folder / str(size)
        identities = max(1, int(size**0.5 // 1.6))
        cases = identities * (size // identities)
        fields = run_fields(place, write_suite(place / "suite", identities, size // identities)) | dict(more)
        for phase in PHASES:
            phase = "plant" if phase == "run" and cases > largest_run else phase
            told = {name: value for name, value in run_phase(phase, fields).items() if name != "made_at"}
            cost = PhaseCost(cases=cases, phase=phase, **told)
            found.append(cost)
            tell(cost)
    return found


def run_fields(place: Path, manifest: Path) -> dict[str, Any]:
    """Fields of a run of the free parts on a suite."""
    return {
        "suites": [str(manifest)],
        "plugins": [str(Path(__file__).with_name("free_parts.py"))],
        "faces": ["free"],
        "metrics": ["free"],
        "baseline": "free:as=base",
        "methods": ["free:as=other"],
        "device": "cpu",
        "out": str(place / "runs"),
        "name": "free",
        "cache": str(place / "cache"),
    }


def write_suite(folder: Path, identities: int, drivings: int) -> Path:
    """Write a crossed suite of small pictures; returns its manifest."""
    rng = np.random.default_rng(0)
    names = [f"i{row}" for row in range(identities)] + [f"d{row}" for row in range(drivings)]
    assets = {}
    for name in names:
        path = write_output(folder / name, Clip(rng.integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)))
        about = {"media": "image", "licence": "CC0-1.0", "provenance": "random numbers"}
        assets[name] = {"path": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size, **about}
    data = {
        "schema": 1,
        "name": "free",
        "title": "Random numbers",
        "kind": "cross-image",
        "size": SIDE,
        "assets": assets,
        "identities": [{"id": name, "asset": name} for name in names[:identities]],
        "drivings": [{"id": name, "asset": name} for name in names[identities:]],
    }
    manifest = folder / "free.yaml"
    write_text(manifest, json.dumps(data, indent=1))
    return manifest


def run_phase(phase: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Run a phase in a process of its own and read what it found; see ``cli/profile_harness_phase.py``.

    Raises:
        BenchError: When it fails, with what it said.
    """
    command = [sys.executable, "-m", _PHASE, phase, json.dumps(fields)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BenchError(f"profile harness: phase {phase}: {last}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
