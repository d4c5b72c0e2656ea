"""Fixtures that all tests share."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from portraitbench.cli import app
from portraitbench.core.digest import file_sha256
from portraitbench.datasets.catalog import SUITES
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import write_output
from portraitbench.faces import BACKENDS
from portraitbench.harness.config import check_config
from portraitbench.harness.executors import EXECUTORS
from portraitbench.harness.runner import Runner, Summary
from portraitbench.harness.session import Session
from portraitbench.methods import METHODS
from portraitbench.metrics import METRICS

TOYS = Path(__file__).with_name("toys.py")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script: all that the tests start would ignore the Control-C that they send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of portraits beside the checkout; tests that want it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "portraits" / "sources.yaml").is_file():
        pytest.skip("needs ../shared/portraits beside the checkout")
    return folder


@pytest.fixture
def fresh_registries() -> Iterator[None]:
    """What plug-in files register during a test is forgotten after it."""
    registries = (METHODS, BACKENDS, METRICS, SUITES, EXECUTORS)
    before = [dict(registry._added) for registry in registries]
    yield
    for registry, added in zip(registries, before, strict=True):
        registry._added = added
    for name in [name for name in sys.modules if name.startswith("portraitbench_plugin_")]:
        del sys.modules[name]


def blobs(seed: int, frames: int, size: int = 64) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth coloured pictures that move a little from frame to frame, uint8, shape (frames, size, size, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    waves = rng.uniform(2, 7, (3, 2))
    phase = rng.uniform(0, 6, 3) + 0.4 * np.arange(frames)[:, None]
    pictures = [[np.sin(a * rows + b * columns + p) for (a, b), p in zip(waves, row, strict=True)] for row in phase]
    base = rng.uniform(90, 160, 3)
    return np.clip(base + 40 * np.moveaxis(np.array(pictures), 1, -1), 0, 255).astype(np.uint8)


def write_suite(
    folder: Path,
    kind: str = "cross-image",
    *,
    identities: int = 1,
    drivings: int = 3,
    name: str = "tiny",
    edit: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Write a suite of 64-pixel pictures (clips have six frames) and return its manifest.

    Cases are called ``i0__d0`` and so on; of a self suite there are ``drivings``, called ``d0`` and so on, of which the
    last four frames drive. ``edit`` may change the manifest's data before it is written.
    """
    frames = 1 if kind == "cross-image" else 6
    clips = {f"i{row}": blobs(row, 1) for row in range(identities if kind != "self-video" else 0)}
    clips |= {f"d{row}": blobs(100 + row, frames) for row in range(drivings)}
    assets = {}
    for asset_id, pixels in clips.items():
        path = write_output(folder / asset_id, Clip(pixels, Fraction(12)))
        assets[asset_id] = {
            "path": path.name,
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
            "media": "image" if len(pixels) == 1 else "video",
            "licence": "CC0-1.0",
            "provenance": "drawn by the tests",
        }
    data: dict[str, Any] = {"schema": 1, "name": name, "title": "Tiny", "kind": kind, "size": 64, "assets": assets}
    if kind == "self-video":
        data["clips"] = [
            {"id": f"d{row}", "asset": f"d{row}", "identity_frame": 0, "start": 2, "frames": 4}
            for row in range(drivings)
        ]
    else:
        data["identities"] = [{"id": f"i{row}", "asset": f"i{row}"} for row in range(identities)]
        data["drivings"] = [{"id": f"d{row}", "asset": f"d{row}", "frames": frames} for row in range(drivings)]
    if edit:
        edit(data)
    manifest = folder / f"{name}.yaml"
    manifest.write_text(yaml.safe_dump(data, sort_keys=False))
    return manifest


@pytest.fixture
def make_suite() -> Callable[..., Path]:
    """See :func:`write_suite`."""
    return write_suite


@pytest.fixture
def make_session(tmp_path: Path, fresh_registries: None) -> Callable[..., Session]:
    """Sessions with the toy plug-in, cache and runs below ``tmp_path``; keyword arguments are configuration fields."""

    def make(suite: Path | None = None, **fields: Any) -> Session:
        suites = [str(suite or tmp_path / "suite" / "tiny.yaml")]
        if suite is None and not Path(suites[0]).exists():
            write_suite(tmp_path / "suite")
        plugins = [str(TOYS), *fields.pop("plugins", [])]
        defaults = {"suites": suites, "faces": ["toy"], "out": tmp_path / "runs", "cache": tmp_path / "cache"}
        return Session(check_config(defaults | fields | {"plugins": plugins}, "test"))

    return make


@pytest.fixture
def perform(make_session: Callable[..., Session]) -> Callable[..., tuple[Session, Summary]]:
    """Runs with the fields of :func:`make_session`; returns the session and how the run ended."""

    def run(*args: Any, **fields: Any) -> tuple[Session, Summary]:
        session = make_session(*args, **fields)
        return session, Runner(session).run()

    return run


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread for torch, as in a worker: answers do not depend on the machine, and tests do not fight over cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bench(capsys, monkeypatch, fresh_registries: None) -> Callable[..., Outcome]:
    """The command ``bench`` inside this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        try:
            app.main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def bench_process() -> Callable[..., Outcome]:
    """The command ``bench`` in a process of its own, with ``cwd`` and ``env`` as for :func:`subprocess.run`."""

    def run(*arguments: object, **options: Any) -> Outcome:
        program = "from portraitbench.cli.app import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **options,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
