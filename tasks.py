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
    """Format the code and mend what ruff can mend."""
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
    c.run("pytest tests/benchmarks --benchmark-only --benchmark-columns=min,median,rounds")


@task
def demo(c: Context) -> None:
    """The reference methods on the demo suites."""
    c.run("bench run")


@task
def docs(c: Context) -> None:
    """The pages in docs/reference, from what metrics and methods say of themselves."""
    c.run("python docs/reference.py")


@task(pre=[lint, types, test])
def check(c: Context) -> None:
    """All that CI asks, in this environment."""
