"""Developers' shortcuts (``invoke --list``): thin wrappers, so that nobody has to remember flags."""

import shutil
import tomllib
from pathlib import Path

from invoke import Context, task

ROOT = Path(__file__).resolve().parent
LAYOUT = Path("build/layout")
"""The package as it lies once installed, made of links: for tools that read folders and not what is installed."""


def laid_out() -> str:
    """Make the layout anew.

    Returns:
        Its folder, for a tool's path.
    """
    shutil.rmtree(LAYOUT, ignore_errors=True)
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for name, folder in folders.items():
        package = LAYOUT.joinpath(*name.split("."))
        package.mkdir(parents=True, exist_ok=True)
        for source in [*(ROOT / folder).glob("*.py"), *(ROOT / folder).glob("py.typed")]:
            (package / source.name).symlink_to(source)
    return str(LAYOUT)


@task
def lint(c: Context) -> None:
    """Style and the arrows between the rooms."""
    c.run("ruff check . && ruff format --check .")
    c.run("lint-imports", env={"PYTHONPATH": laid_out()})


@task(name="format")
def format_(c: Context) -> None:
    """Format the code and fix what ruff can fix."""
    c.run("ruff check --fix . && ruff format .")


@task
def types(c: Context) -> None:
    """Type check."""
    c.run("mypy --explicit-package-bases -p portraitbench", env={"MYPYPATH": laid_out()})


@task
def test(c: Context, slow: bool = False) -> None:  # noqa: PT028 - a task, not a test
    """The tests; --slow runs those that take minutes instead."""
    c.run("pytest -m slow" if slow else "pytest")


@task
def benchmark(c: Context) -> None:
    """The timed comparisons."""
    where = "tests/benchmarks tests/browser/test_bench_report.py"
    c.run(f"pytest -n 0 {where} --benchmark-only --benchmark-columns=min,median,rounds")


@task
def docs(c: Context) -> None:
    """Write the pages made from code: docs/metrics.md and docs/reference."""
    from portraitbench.metrics.page import metrics_page

    folder = Path("docs")
    measured = [(folder / name).read_text() for name in ("metrics_calibration.md", "metrics_measured.md")]
    (folder / "metrics.md").write_text(metrics_page("\n".join(measured)))
    c.run("python docs/reference.py")


@task
def showcase(c: Context) -> None:
    """Make docs/showcase: a default run and an ablation, with tables, figures, pages and pictures of them."""
    c.run("python docs/make_showcase.py")


@task
def metric_facts(c: Context, portraits: str, runs: str) -> None:
    """Measure docs/metrics_measured.md: --portraits FOLDER --runs RUN,RUN (the first of public-cross-image)."""
    given = " ".join(f"--run {run}" for run in runs.split(","))
    c.run(f"python docs/measure_metrics.py --portraits {portraits} {given}")
    docs(c)


@task
def metric_calibration(c: Context, facekit: str, portraits: str) -> None:
    """Measure docs/metrics_calibration.md and its figure: --facekit FILE --portraits FOLDER."""
    c.run(f"python docs/calibrate_metrics.py --facekit {facekit} --portraits {portraits}")
    docs(c)


@task
def embedded_figures(c: Context, facekit: str, folder: str = "runs/embedded", full: bool = False) -> None:
    """Measure docs/embedded.md and draw docs/pocket.png: --facekit FILE; --full takes all cases."""
    controls = f"{folder}/controls-made"
    if not Path(controls).is_dir():
        suites = "portraitbench.methods.pocket.training.suites"
        c.run(f"python -m {suites} {facekit} {folder}/suites --controls {controls}")
    c.run(f"python docs/measure_embedded.py {controls} --folder {folder}{' --full' if full else ''}")


@task
def demo(c: Context) -> None:
    """The reference methods on the demo suites."""
    c.run("bench run")


@task(pre=[lint, types, test])
def check(c: Context) -> None:
    """All that CI asks, in this environment."""


@task
def schedule_figure(c: Context) -> None:
    """Draw docs/hunyuanportrait-schedule.svg anew, and print the figures beside it."""
    from portraitbench.methods.hunyuanportrait.schedule import NoiseLevels
    from portraitbench.methods.hunyuanportrait.schedule_figure import coverage, draw, last_level_on

    draw(Path("docs/hunyuanportrait-schedule.svg"))
    print(f"adapters are on down to {last_level_on():.1f}")
    for levels in NoiseLevels:
        found = coverage(levels)
        print(f"{levels}: {found.on:.1%} of draws with adapters on, median {found.median:.3g}, most {found.most:.3g}")
