"""Several runs side by side, once it is certain that their numbers mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from .core.errors import ConfigError
from .harness.run_file import load_plan
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

    from .reports.fitting import require_fit, require_same_cases

    named = list(_named(runs))
    abouts = {name: run.about for name, run in named}
    for (one, first), (other, second) in combinations(abouts.items(), 2):
        if odd := first.suites.keys() ^ second.suites.keys():
            raise ConfigError(f"runs {one} and {other} cannot be compared: suite {min(odd)} is in one of them only")
    require_fit(abouts)
    require_same_cases({name: load_plan(run.folder, run.about) for name, run in named})
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
