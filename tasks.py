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
