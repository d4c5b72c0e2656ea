"""Several processes may work in one run folder, as long as they are parts of the same work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..core.errors import StoreError
from ..core.locks import together
from .store import storing

_LOCK = ".at-work"


@contextmanager
def require_same_work(folder: Path, plan: str, shards: int, *, generates: bool) -> Iterator[None]:
    """Hold a run folder for one piece of work, together with the processes that do its other shards.

    Outputs have one place per case and method: a process with another seed, other settings or other shards would put
    its own there, and the numbers of the one would be those of the other's files.

    Args:
        folder: The run folder.
        plan: Digest of all that the work covers, whatever the shard; of the lines of :func:`.plan.plan_lines`.
        shards: Into how many parts it is divided.
        generates: Whether it makes outputs, or only scores them.

    Raises:
        StoreError: When another process is at other work there; names it.
    """
    work = {
        "plan": plan,
        "shards": str(shards),
        "verb": "run" if generates else "score",
    }
    path = folder / _LOCK
    with ExitStack() as held:
        with storing(path):
            other = held.enter_context(together(path, work))
        if other is not None:
            raise StoreError(
                f"run {folder}: process {other.get('pid', '?')} on {other.get('host', '?')} is at work there with "
                f"{_difference(work, other)}: wait for it, or give this one another --name"
            )
        yield


def _difference(work: dict[str, str], other: dict[str, str]) -> str:
    if other.get("verb") != work["verb"]:
        return f"bench {other.get('verb', '?')}"
    if other.get("plan") != work["plan"]:
        return "other settings, another seed or other cases"
    return f"{other.get('shards', '?')} shards where this one has {work['shards']}"
