"""A finished run of the free parts that nobody made: its files and records are written as a run would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core.errors import Status
from ..harness.plan import make_plan, plan_lines
from ..harness.run_file import describe
from ..harness.session import Session
from ..harness.stages.base import RunState, Stage
from ..harness.stages.generate import GenerateJob
from ..harness.stages.jobs import Job
from ..harness.stages.score import ScoreJob
from ..harness.store import Record, Store, stored_file
from ..harness.suite_copy import copy_suites

SIDE = 32
"""Side of the pictures in pixels."""
_BATCH = 1000


def plant(session: Session, stages: Sequence[type[Stage]]) -> None:
    """Fill a run folder so that a run of the same configuration finds all done.

    For measuring what comes after a run at sizes that would take hours to make one by one.

    Args:
        session: Of a run of images with one frame.
        stages: All stages of a run, in order.
    """
    items = make_plan(session)
    store = Store(session.config.folder)
    run = RunState(session, items, store)
    with store.writing():
        copy_suites(session)
        store.write_json("run.json", describe(session, items).model_dump(mode="json"))
        store.write_plan(plan_lines(items))
        for kind in stages:
            stage = kind(run)
            jobs = list(stage.jobs().values())
            for start in range(0, len(jobs), _BATCH):
                made = [record for job in jobs[start : start + _BATCH] for record in _records(job, session)]
                store.append([_told(stage, record) for record in made])


def _told(stage: Stage, record: Record) -> Record:
    fingerprint: Mapping[str, Any] | None = stage.fingerprint(record["key"])
    return record | {"turn": 1, "seconds": 0.0, "peak_bytes": 0} | ({"fingerprint": fingerprint} if fingerprint else {})


def _records(job: Job, session: Session) -> list[Record]:
    """What the job would have left."""
    found = job.failed(Status.OK, "")
    if isinstance(job, GenerateJob):
        path = session.config.folder / "outputs" / job.suite / job.case / f"{job.method}.png"
        _write_noise(path, int(job.key[:12], 16))
        part = stored_file(session.config.folder, path) | {"height": SIDE, "width": SIDE}
        return [record | {"output": part, "frames": 1, "detail": {}, "calls": {}} for record in found]
    if isinstance(job, ScoreJob):
        value = float(int(job.metrics[0][1][:4], 16) % 256)
        return [record | {"values": [value], "value_status": [str(Status.OK)], "detail": {}} for record in found]
    return [record | {"frames": 1, "no_face": 0, "several_faces": 0, "calls": {}} for record in found]


def _write_noise(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)
