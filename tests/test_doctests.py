"""The examples in the docstrings of all modules hold."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

ROOMS = ("cli", "core", "datasets", "faces", "harness", "methods", "metrics", "profiling", "reports")


def modules() -> list[str]:
    """All modules of the rooms; their packages are walked without importing the modules."""
    front = importlib.import_module("portraitbench")
    names = [front.__name__, *(info.name for info in pkgutil.iter_modules(front.__path__, f"{front.__name__}."))]
    names = [name for name in names if name.rpartition(".")[2] not in ROOMS]
    for room in ROOMS:
        package = importlib.import_module(f"portraitbench.{room}")
        names += [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return names


MODULES = modules()


def test_all_rooms_are_walked():
    assert {name.split(".")[1] for name in MODULES if name.count(".") > 1} == set(ROOMS)
    assert {"portraitbench", "portraitbench.running"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"needs an extra: {error}")
    assert doctest.testmod(module).failed == 0


def test_examples_are_found():
    attempted = sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES if "metrics" in name)
    assert attempted > 5
