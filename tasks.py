"""Developers' shortcuts (``invoke --list``): thin wrappers, so that nobody has to remember flags."""

from pathlib import Path

from invoke import Context, task

ROOMS = ("core", "datasets", "faces", "metrics", "methods", "harness", "reports", "cli")


@task
def lint(c: Context) -> None:
    """Style and the arrows between the rooms."""
    c.run("ruff check . && ruff format --check .")
    c.run("lint-imports")


@task(name="format")
def format_(c: Context) -> None:
    """Format the code and mend what ruff can mend."""
    c.run("ruff check --fix . && ruff format .")


@task
def types(c: Context) -> None:
    """Type check. A link makes the top-level folders look like the package that they are once installed."""
    link = Path("build/typecheck/portraitbench")
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to("../..", target_is_directory=True)
    packages = " ".join(f"-p portraitbench.{room}" for room in ROOMS)
    c.run(f"mypy --explicit-package-bases {packages}", env={"MYPYPATH": "build/typecheck"})


@task
def test(c: Context, slow: bool = False) -> None:  # noqa: PT028 - a task, not a test
    """The tests; --slow runs those that take minutes instead."""
    c.run("pytest -m slow" if slow else "pytest")


@task
def benchmark(c: Context) -> None:
    """The timed comparisons."""
    c.run("pytest tests/benchmarks --benchmark-only --benchmark-columns=min,median,rounds")


@task
def docs(c: Context) -> None:
    """Write docs/metrics.md from the metrics' definitions and what was measured."""
    from portraitbench.metrics.page import metrics_page

    folder = Path("docs")
    (folder / "metrics.md").write_text(metrics_page((folder / "metrics_measured.md").read_text()))


@task
def metric_facts(c: Context, portraits: str, runs: str) -> None:
    """Measure docs/metrics_measured.md: --portraits FOLDER --runs RUN,RUN (the first of public-cross-image)."""
    given = " ".join(f"--run {run}" for run in runs.split(","))
    c.run(f"python docs/measure_metrics.py --portraits {portraits} {given}")
    docs(c)


@task
def demo(c: Context) -> None:
    """The reference methods on the demo suites."""
    c.run("bench run")


@task(pre=[lint, types, test])
def check(c: Context) -> None:
    """All that CI asks, in this environment."""
