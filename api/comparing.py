"""Several runs side by side, once it is certain that their numbers mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from .core.errors import ConfigError
from .harness.run_file import RunFile, load_plan
from .running import AnyPath, Run, load

if TYPE_CHECKING:
    import pandas as pd


class RunsCompared(NamedTuple):
    """Several runs as one.

    Attributes:
        frame: The tidy frames of all of them, with the names of the runs in the column ``run``.
        table: Their summaries: a row per suite, metric, method and run.
    """

    frame: pd.DataFrame
    table: pd.DataFrame


def compare(runs: Sequence[Run | AnyPath] | Mapping[str, Run | AnyPath]) -> RunsCompared:
    """Put several runs side by side.

    Methods keep their labels: the same label in two runs is two rows, told apart by the run. Means only; differences
    with intervals are between methods of one run, see :meth:`.running.Run.comparison`.

    Args:
        runs: Runs or their folders, by name where a mapping; else a run is called as its folder.

    Raises:
        ConfigError: In one line, when two runs have one name, or where they are not comparable: other contents or other
            cases of a suite, another version or other options of a metric, other face models behind it.
        StoreError: When a folder is no run.
    """
    import pandas as pd

    named = list(_named(runs))
    abouts = {name: run.about for name, run in named}
    for (one, first), (other, second) in combinations(named, 2):
        for why in _differences(abouts[one], abouts[other]):
            raise ConfigError(f"runs {one} and {other} cannot be compared: {why}")
        _check_cases(one, first, other, second)
    frames = [run.frame().assign(run=name) for name, run in named]
    tables = [run.summary().assign(run=name) for name, run in named]
    keys = ["suite", "metric", "method", "run"]
    table = pd.concat(tables, ignore_index=True)
    order = table.assign(**{key: pd.Categorical(table[key], table[key].unique()) for key in keys})
    table = table.loc[order.sort_values(keys, kind="stable").index].reset_index(drop=True)
    return RunsCompared(
        pd.concat(frames, ignore_index=True), table[[*keys, *(name for name in table if name not in keys)]]
    )


def _named(runs: Sequence[Run | AnyPath] | Mapping[str, Run | AnyPath]) -> Iterator[tuple[str, Run]]:
    """The runs with their names.

    Raises:
        ConfigError: When there is none, or two have one name.
    """
    if not runs:
        raise ConfigError("compare: name at least one run")
    seen: set[str] = set()
    for given in runs.items() if isinstance(runs, Mapping) else ((None, run) for run in runs):
        name, run = given
        found = run if isinstance(run, Run) else load(run)
        name = name or found.folder.resolve().name
        if name in seen:
            raise ConfigError(f"compare: two runs are called {name}: give a mapping with a name for each")
        seen.add(name)
        yield name, found


def _differences(one: RunFile, other: RunFile) -> Iterator[str]:
    """Why numbers of one run do not mean what the other's mean."""
    for suite in one.suites.keys() & other.suites.keys():
        if one.suites[suite].digest != other.suites[suite].digest:
            yield f"suite {suite} has other contents: run both on one manifest"
    if one.suites.keys() != other.suites.keys():
        yield f"suite {min(one.suites.keys() ^ other.suites.keys())} is in one of them only"
    versions = [{name.partition("/")[0]: name for name in run.metrics} for run in (one, other)]
    for name in versions[0].keys() & versions[1].keys():
        first, second = versions[0][name], versions[1][name]
        if first != second:
            yield f"metric {name} is {first} in the one and {second} in the other: score the older run again"
        elif one.metrics[first].options != other.metrics[first].options:
            yield f"metric {first} has other options"
        elif _models(one, first) != _models(other, first):
            yield f"other face models, weights or settings are behind metric {first}"


def _models(run: RunFile, metric: str) -> list[tuple[object, ...]]:
    """Everything of a metric's face models that decides its numbers, but for the device."""
    wanted = run.metrics[metric].backends
    return [(b.name, b.version, b.weights, b.grade, b.options) for b in run.backends if b.name in wanted]


def _check_cases(one: str, first: Run, other: str, second: Run) -> None:
    """Means over other cases are no comparison.

    Raises:
        ConfigError: Naming the suite.
    """
    planned = [{(item.suite, item.case) for item in load_plan(run.folder, run.about)} for run in (first, second)]
    if odd := planned[0] ^ planned[1]:
        suite, case = min(odd)
        raise ConfigError(
            f"runs {one} and {other} cannot be compared: they cover other cases of {suite} ({case} is in one of them "
            "only): run both with the same --case, --limit and --full"
        )
