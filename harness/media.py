"""What a run shows to methods and metrics: its suites, their cases, and their clips on the suite's canvas."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from ..core.errors import AssetError, ConfigError
from ..datasets.assets import AssetStore
from ..datasets.catalog import OpenSuite, members, open_suite
from ..datasets.clip import Clip
from ..datasets.framing import frame_window
from ..datasets.manifest import Case, Window
from ..datasets.media import Limits
from .kept_clips import KeptClips

REPORT_FILES = {"index", "cost", "ablation"}
"""Files of a report that are not named after a suite."""
COMPARISON = ".compare"
"""What a report puts behind a suite's name for the comparison with the baseline."""
KEPT_BYTES = 256 * 2**20
"""Decoded frames that are kept: four clips of 3 s at 512 px and 25 fps, or the inputs of a suite of images."""


class SuiteMedia:
    """The suites of a run and their media; nothing is opened before it is asked for.

    Args:
        names: Suites, groups of suites, and manifest files, as the configuration names them.
        cache: The cache folder.
    """

    def __init__(self, names: Sequence[str], cache: Path) -> None:
        self._names = names
        self._cache = cache
        self.assets = AssetStore(cache)
        self._limits = Limits()
        self._decode = KeptClips(self._decode_window, KEPT_BYTES)

    @cached_property
    def suites(self) -> list[OpenSuite]:
        """The suites, in the order of the configuration.

        Raises:
            ConfigError: When two have one name, or one has a name that the report needs.
        """
        opened = [open_suite(name, self._cache) for given in self._names for name in members(given)]
        names = [one.suite.name for one in opened]
        reserved = [name for name in names if name.lower() in REPORT_FILES or name.lower().endswith(COMPARISON)]
        if reserved:
            raise ConfigError(f"suites: {reserved[0]!r} is a file of the report: rename the suite in its manifest")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"suites: two manifests are called {twice[0]!r}")
        return opened

    def suite(self, name: str) -> OpenSuite:
        """A suite by the name in its manifest.

        Raises:
            ConfigError: When the run has none of that name.
        """
        for opened in self.suites:
            if opened.suite.name == name:
                return opened
        raise ConfigError(f"suite {name!r} is not one of this run's: {', '.join(self._names)}")

    def case(self, suite: str, case_id: str) -> Case:
        """A case by suite name and id."""
        return self.suite(suite).case(case_id)

    def load(self, suite: str, window: Window) -> Clip:
        """Decode a window onto the suite's canvas; the last few are kept, since methods and metrics share them.

        Raises:
            MediaError: When it cannot be decoded.
            AssetError: When the asset is missing.
        """
        return self._decode(suite, window)

    def require_assets(self, suite: str, asset_ids: Collection[str]) -> None:
        """Check that files are there and are the right ones, before anything long begins.

        Raises:
            AssetError: When some are not; names the first and counts the others.
        """
        opened = self.suite(suite)
        problems: list[str] = []
        for asset_id in asset_ids:
            try:
                self.assets.require(opened.suite, asset_id, opened.folder)
            except AssetError as error:
                problems.append(str(error))
        if problems:
            more = f" (and {len(problems) - 1} more files)" if len(problems) > 1 else ""
            raise AssetError(f"suite {suite}: {problems[0]}{more}")

    def _decode_window(self, suite: str, window: Window) -> Clip:
        opened = self.suite(suite)
        path = self.assets.require(opened.suite, window.asset, opened.folder)
        return frame_window(opened.suite, window, path, self._limits)
