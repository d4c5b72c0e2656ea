"""The workers of a Ray executor: as many as the cluster has room for, those that die replaced."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...core.errors import BenchError, ConfigError, one_line
from .ray_worker import Orders, RayWorker

if TYPE_CHECKING:
    from ray import ObjectRef

_LOOK_EVERY_S = 1.0
_FAILED_STARTS, _KILLED_STARTS = 3, 30
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Room:
    """What a worker takes of its machine."""

    cpus: float
    gpus: float
    most: int | None


@dataclass(eq=False)
class Hand:
    """One worker.

    Attributes:
        actor: Ray's handle.
        host: Its machine's name, once it has told.
        shared: Whether it sees the run folder.
    """

    actor: Any
    host: str = ""
    shared: bool = True


@dataclass
class Pool:
    """Starts workers and ends them.

    Args:
        ray: The module.
        room: What a worker takes.
        orders: What each is told.
        parts: What the driver is made of; see :func:`.ray_worker.parts_of`.

    Attributes:
        idle: Workers that are ready and have no job.
    """

    ray: Any
    room: Room
    orders: Orders
    parts: dict[str, str]
    idle: list[Hand] = field(default_factory=list)
    _busy: set[Hand] = field(default_factory=set)
    _starting: dict[ObjectRef[Any], Hand] = field(default_factory=dict)
    _failed: int = 0
    _looked: float = 0.0
    _alone_since: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Workers that are ready."""
        return len(self.idle) + len(self._busy)

    def take(self) -> Hand:
        """An idle worker, which then is at work."""
        hand = self.idle.pop()
        self._busy.add(hand)
        return hand

    def give_back(self, hand: Hand) -> None:
        """A worker has done its job."""
        self._busy.discard(hand)
        self.idle.append(hand)

    def end(self, hand: Hand) -> None:
        """Kill a worker, whatever it is at: nothing that it did later could be told from another's work."""
        self._busy.discard(hand)
        self.ray.kill(hand.actor, no_restart=True)

    def close(self) -> None:
        """End all workers; idle ones tidy up first."""
        tidy = [hand.actor.close.remote() for hand in self.idle]
        if tidy:
            self.ray.wait(tidy, num_returns=len(tidy), timeout=2.0)
        for hand in [*self.idle, *self._busy, *self._starting.values()]:
            self.ray.kill(hand.actor, no_restart=True)
        self.idle.clear()
        self._busy.clear()
        self._starting.clear()

    def staff(self, jobs: int) -> None:
        """Start workers as long as there are more jobs than workers and the cluster has room for them.

        Args:
            jobs: Left to do.

        Raises:
            ConfigError: When the cluster has no room for one worker, or a worker is made of other parts.
            BenchError: When workers end before they begin.
        """
        self._welcome()
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S and self.size + len(self._starting):
            return
        self._looked = now
        wanted = min(jobs, self._places())
        for _ in range(wanted - self.size - len(self._starting)):
            actor = (
                self.ray.remote(RayWorker)
                .options(num_cpus=self.room.cpus, num_gpus=self.room.gpus, max_restarts=0, max_task_retries=0)
                .remote(self.orders)
            )
            self._starting[actor.about.remote()] = Hand(actor)
        if self.size:
            self._alone_since = now
        elif now - self._alone_since > _PATIENCE_S:
            raise BenchError(f"executor ray: no worker has begun for {_PATIENCE_S:g} s: see 'ray status'")

    def _places(self) -> int:
        total = self.ray.cluster_resources()
        asked = {"CPU": self.room.cpus, "GPU": self.room.gpus}
        places = min((int(total.get(name, 0.0) / count) for name, count in asked.items() if count), default=1)
        if not places and not self.size:
            has = ", ".join(f"{name} {total.get(name, 0.0):g}" for name in asked)
            raise ConfigError(
                f"executor ray: a worker asks for cpus={self.room.cpus:g},gpus={self.room.gpus:g}, "
                f"the cluster has {has}"
            )
        return places if self.room.most is None else min(places, self.room.most)

    def _welcome(self) -> None:
        """See which of the workers that were started are ready."""
        if not self._starting:
            return
        ready, _ = self.ray.wait(list(self._starting), num_returns=len(self._starting), timeout=0)
        for ref in ready:
            hand = self._starting.pop(ref)
            try:
                about = self.ray.get(ref)
            except self.ray.exceptions.RayError as error:
                # What a worker raises itself it will raise again; nodes and processes may be killed meanwhile.
                self._failed += _KILLED_STARTS // _FAILED_STARTS if "creation task" in str(error) else 1
                if self._failed >= _KILLED_STARTS and not self.size:
                    raise BenchError(f"executor ray: workers end before they begin: {one_line(error)}") from error
                continue
            if isinstance(about, BenchError):
                raise about
            self._compare(about)
            hand.host, hand.shared = about["host"], about["shared"]
            self._failed = 0
            self.idle.append(hand)

    def _compare(self, about: dict[str, Any]) -> None:
        """Refuse a worker whose numbers would not be the driver's."""
        there: dict[str, str] = about["parts"]
        for name in sorted(self.parts.keys() | there.keys()):
            own, other = self.parts.get(name, "(none)"), there.get(name, "(none)")
            if own != other:
                raise ConfigError(
                    f"executor ray: {name}: {other} on {about['host']}, {own} here: install the same on both"
                )
