"""The report of 200 cases x 4 methods, clips: how long it takes, what it weighs, and when its first screen is there.

Run with ``pytest tests/browser/test_bench_report.py --benchmark-only -s``. Outputs are synthetic, 800 clips of their
own; the peer is the same report once its proxies are there.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from portraitbench.core.digest import digest
from portraitbench.core.files import human_size
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.manifest import load_suite
from portraitbench.datasets.media import write_output
from portraitbench.harness.component import ComponentSpec
from portraitbench.harness.plan import PlanItem, PlannedMetric, plan_lines
from portraitbench.harness.run_file import RunFile
from portraitbench.harness.store import Store
from portraitbench.harness.suite_copy import SuiteCopy
from portraitbench.reports.report import write_report

METHODS = ["base", "ours", "other", "third"]
METRICS = {"aed": False, "id_sim": True, "psnr": True, "ssim": True, "jitter": False}
SIZE, FRAMES = 128, 25


def outputs(folder: Path) -> list[Path]:
    """Four clips of moving waves with some noise, which stands for texture."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    paths = []
    for index in range(len(METHODS)):
        noise = rng.normal(0, 4, (SIZE, SIZE, 3))
        waves = [np.sin(9 * rows + 5 * columns + index + frame / 6)[..., None] for frame in range(FRAMES)]
        frames = np.clip(128 + 60 * np.stack(waves) + noise, 0, 255).astype(np.uint8)
        paths.append(write_output(folder / f"clip{index}", Clip(frames, Fraction(25))))
    return paths


def write_run(folder: Path, manifest: Path) -> None:
    """A finished run of the suite: every output a file and a digest of its own, every metric a value per frame."""
    rng, suite = np.random.default_rng(1), load_suite(manifest)
    clips, items, records = outputs(folder.parent), [], []
    (folder / "outputs").mkdir(parents=True)
    for case in suite.cases():
        for index, method in enumerate(METHODS):
            key = digest([case.id, method])
            metrics = tuple(PlannedMetric(ComponentSpec(name=name), f"{name}/1", f"{key}/{name}") for name in METRICS)
            baseline = "" if method == "base" else "base"
            names = (suite.name, case.id, case.identity_id, case.driving_id, method, baseline, key)
            items.append(PlanItem(*names, metrics))
            path = f"outputs/{key}.mkv"
            os.link(clips[index], folder / path)
            status = (folder / path).stat()  # as written, or the scores would not count; a digest of its own
            part = {"path": path, "bytes": status.st_size, "modified": status.st_mtime_ns, "sha256": key}
            kept = {"method": method, "status": "ok", "reason": "", "seconds": 1.0, "peak_bytes": 1}
            made = kept | {"stage": "generate", "key": key, "output": part, "canvas": None}
            records.append(made)
            for planned in metrics:
                values = (rng.normal(5 - 0.1 * index, 1) + rng.normal(0, 0.3, FRAMES)).round(4).tolist()
                scored = {"stage": "score", "key": planned.key(made), "values": values}
                records.append(kept | scored | {"value_status": ["ok"] * FRAMES})
    store = Store(folder)
    with store.writing():
        store.write_json("run.json", run_file(suite.name).model_dump(mode="json"))
        store.write_plan(plan_lines(items))
        store.append(records)
    paths = {name: manifest.parent / asset.path for name, asset in suite.assets.items()}
    (folder / "suites").mkdir(exist_ok=True)
    copy = SuiteCopy(suite=suite, paths=paths)
    (folder / "suites" / f"{suite.name}.json").write_text(copy.model_dump_json(by_alias=True))


def run_file(suite: str) -> RunFile:
    metric = {"unit": "u", "level": "frame", "options": {}, "backends": []}
    return RunFile.model_validate(
        {
            "created": "2026-01-01T00:00:00+00:00",
            "config": {"suites": [suite]},
            "suites": {suite: {"title": "Synthetic", "kind": "cross-video", "size": SIZE, "digest": "d"}},
            "methods": METHODS,
            "primary": {suite: ["aed/1", "id_sim/1"]},
            "backends": [],
            "metrics": {f"{name}/1": metric | {"title": name, "higher_is_better": up} for name, up in METRICS.items()},
            "provenance": {"packages": {}, "python": "3", "system": "s", "machine": "m", "checkout": None},
        }
    )


@pytest.fixture(scope="module")
def made() -> list[Path]:
    """The run folder, once a test has asked for it."""
    return []


@pytest.fixture
def folder(made, make_suite, tmp_path_factory) -> Path:
    """The run, made once for all."""
    if not made:
        root = tmp_path_factory.mktemp("report")
        write_run(root / "run", make_suite(root / "suite", "cross-video", identities=10, drivings=20))
        made.append(root / "run")
    return made[0]


@pytest.mark.benchmark(group="report-200x4")
def test_the_first_report_makes_all_proxies(benchmark, folder):
    model = benchmark.pedantic(write_report, args=(folder,), rounds=1)
    assert len(model.frame) == 200 * len(METHODS) * len(METRICS) * FRAMES
    assert model.frame["value"].notna().all()
    report = folder / "report"
    page = (report / "index.html").stat().st_size
    files = list((report / "media").iterdir())
    media = sum(path.stat().st_size for path in files)
    whole = sum(path.stat().st_size for path in report.rglob("*") if path.is_file())
    print(
        f"\nindex.html {human_size(page)}, media {human_size(media)} in {len(files)} files, report {human_size(whole)}"
    )
    assert page < 2 * 2**20
    assert len(list((report / "media").glob("*.mp4"))) == 800 + 20


@pytest.mark.benchmark(group="report-200x4")
def test_a_report_again_keeps_them(benchmark, folder):
    write_report(folder)
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "report" / "media").glob("*.mp4")}
    benchmark.pedantic(write_report, args=(folder,), rounds=1)
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "report" / "media").glob("*.mp4")} == before


@pytest.mark.browser
@pytest.mark.benchmark(group="first-screen-200x4")
def test_the_first_screen_in_a_browser(benchmark, browser, folder):
    write_report(folder)
    page = folder / "report" / "index.html"
    benchmark.pedantic(browser.open, args=(page,), rounds=5)
    # The load event, which ends the call above, may come before the first paint.
    paint = browser.wait("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    ready = browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"\nfirst paint {paint:.0f} ms, loaded and interactive {ready:.0f} ms")
    assert browser.run("return document.querySelectorAll('.case').length") == 200
    assert browser.run("return document.querySelectorAll('video').length") == 0
    assert browser.errors() == []
