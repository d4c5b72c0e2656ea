"""What runs on the other side of a Ray executor: one session per worker, warm from its first job to its last."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.digest import digest, file_sha256
from ...core.errors import BenchError
from ...core.files import atomic_path, is_safe_relative
from ..arithmetic import set_arithmetic
from ..config import RunConfig
from ..provenance import package_versions
from ..session import Session
from ..stages.jobs import Job, perform
from ..store import Record
from ..threads import limit_threads

SENTINEL = ".shared-folder"
"""In the run folder; a worker that reads the driver's word in it works in the very same folder."""
_PACKAGE = Path(__file__).resolve().parents[2]
Files = Mapping[str, bytes]
"""Contents by path in the run folder."""


@dataclass(frozen=True)
class Orders:
    """All that a worker is told before its first job.

    Attributes:
        config: Of the run, the device resolved, folders absolute.
        plugins: Contents of the plug-in files, in order, by name.
        word: What stands in the sentinel file.
        shared: False treats the folder as not shared without a look.
    """

    config: RunConfig
    plugins: tuple[tuple[str, bytes], ...]
    word: str
    shared: bool


@dataclass(frozen=True)
class Answer:
    """What came of a job.

    Attributes:
        records: Its records.
        files: Files that it wrote, where the run folder is not shared.
        error: Why the whole run cannot go on; None when it can.
    """

    records: list[Record]
    files: Files
    error: BenchError | None = None


class RayWorker:
    """An actor's body; its methods run one at a time, in a process of its own."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._limits = limit_threads(orders.config.threads)
        self._limits.__enter__()  # for the life of the process
        os.dup2(2, 1)  # what libraries print is no result
        self._private = Path(tempfile.mkdtemp(prefix="bench-ray-"))
        self._is_shared = orders.shared and _reads(orders.config.folder / SENTINEL) == orders.word
        self._session: Session | None = None

    def about(self) -> dict[str, Any] | BenchError:
        """Open the session; what it is made of, for a comparison with the driver's, or why it cannot be opened."""
        try:
            config = self._orders.config
            changes: dict[str, Any] = {"plugins": list(self._plugins())}
            if not self._is_shared:
                changes |= {"out": self._private / "runs"}
            self._session = Session(config.model_copy(update=changes))
            set_arithmetic(self._session.arithmetic)
            return {"host": os.uname().nodename, "shared": self._is_shared, "parts": parts_of(self._session)}
        except BenchError as error:
            return error

    def perform(self, job: Job, inputs: Files) -> Answer:
        """Do a job.

        Args:
            job: The job.
            inputs: Files of the run folder that it reads, where that is not shared.
        """
        if self._session is None:
            raise RuntimeError("the worker was not started")
        folder = self._session.config.folder
        try:
            if self._is_shared:
                return Answer(perform(job, self._session), {})
            put_files(folder, inputs)
            records = perform(job, self._session)
            return Answer(records, _written(folder, set(inputs)))
        except BenchError as error:
            return Answer([], {}, error)
        finally:
            if not self._is_shared:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Leave nothing on this machine."""
        shutil.rmtree(self._private, ignore_errors=True)

    def _plugins(self) -> list[Path]:
        """The plug-in files: where the driver has them if they are the same there, else written down here."""
        paths = []
        for given, (name, content) in zip(self._orders.config.plugins, self._orders.plugins, strict=True):
            if _reads(given) != content.decode(errors="replace"):
                given = self._private / "plugins" / name
                given.parent.mkdir(parents=True, exist_ok=True)
                given.write_bytes(content)
            paths.append(given)
        return paths


def parts_of(session: Session) -> dict[str, str]:
    """What decides results besides the configuration, a line each: versions, code, methods and face models.

    Those of methods and models hold the digests of their weights.
    """
    parts = {f"version of {name}": number for name, number in package_versions().items()}
    code = {str(path.relative_to(_PACKAGE)): file_sha256(path) for path in sorted(_PACKAGE.rglob("*.py")) if _own(path)}
    parts["code of portraitbench"] = digest(code)[:12]
    for label in session.labels:
        method = session.method(label)
        parts |= _lines(f"method {label}", {"name": method.name, **method.fingerprint()})
    for backend in session.observer.backends:
        parts |= _lines(f"face model {backend.info.name}", backend.info.fingerprint)
    return parts


def put_files(folder: Path, files: Files) -> None:
    """Write files into a run folder, each whole or not at all.

    Raises:
        ValueError: When a path leaves the folder.
    """
    for name, content in files.items():
        if not is_safe_relative(name):
            raise ValueError(f"path {name!r} leaves the run folder")
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)


def _lines(what: str, fingerprint: Mapping[str, Any]) -> dict[str, str]:
    return {f"{name} of {what}": str(value) for name, value in fingerprint.items()}


def _own(path: Path) -> bool:
    """Whether a file is of the package: a checkout has tests and environments beside it."""
    return path.relative_to(_PACKAGE).parts[0] in _ROOMS


_ROOMS = {"core", "datasets", "faces", "harness", "methods", "metrics"}


def _reads(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _written(folder: Path, known: set[str]) -> Files:
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path.read_bytes() for name, path in names.items() if name not in known}
