"""The parts of a run, made from its configuration: in the main process, and again in each worker."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from ..core.digest import canonical_json
from ..core.errors import AssetError, BenchError, ConfigError, PluginError, one_line
from ..core.registry import load_plugin
from ..datasets.assets import AssetStore
from ..datasets.catalog import OpenSuite, members, open_suite
from ..datasets.clip import Clip
from ..datasets.framing import frame_window
from ..datasets.manifest import Case, SuiteKind, Window
from ..datasets.media import Limits
from ..faces import BACKENDS
from ..faces.cache import FeatureCache
from ..faces.observer import Observer
from ..methods import METHODS
from ..methods.base import Generator, MethodContext, Progress, Tuner
from ..methods.tuned_method import TunedMethod, is_tuner_class
from ..metrics.base import Metric
from ..metrics.resolve import default_metrics, resolve
from .component import ComponentSpec
from .config import RunConfig

REPORT_FILES = {"index", "cost", "ablation"}
"""Files of a report that are not named after a suite."""
COMPARISON = ".compare"
"""What a report puts behind a suite's name for the comparison with the baseline."""
KEPT_CLIPS = 4
"""Decoded clips a session keeps; 3 s at 512 px and 25 fps are 59 MB."""


def default_cache() -> Path:
    """Where assets and features are kept unless ``--cache`` says otherwise."""
    return user_cache_path("portraitbench", appauthor=False)


class Session:
    """Suites, methods, face models and metrics of one run, each made when first asked for.

    Args:
        config: What the run is asked to do. Plug-in files are loaded at once.

    Attributes:
        progress: Whom methods tell how long work on a case goes; may be set at any time.

    Raises:
        BenchError: From any part that cannot be made, in one line.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.cache = config.cache or default_cache()
        self.assets = AssetStore(self.cache)
        self.limits = Limits()
        self.progress: Progress | None = None
        for path in config.plugins:
            load_plugin(path)
        self._methods: dict[str, Generator] = {}
        self._decode = lru_cache(maxsize=KEPT_CLIPS)(self._decode_window)

    @cached_property
    def suites(self) -> list[OpenSuite]:
        """The suites, in the order of the configuration."""
        opened = [open_suite(name, self.cache) for given in self.config.suites for name in members(given)]
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
        raise ConfigError(f"suite {name!r} is not one of this run's: {', '.join(self.config.suites)}")

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

    def _decode_window(self, suite: str, window: Window) -> Clip:
        opened = self.suite(suite)
        path = self.assets.require(opened.suite, window.asset, opened.folder)
        return frame_window(opened.suite, window, path, self.limits)

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

    @cached_property
    def observer(self) -> Observer:
        """The face models with their cache."""
        device = self.config.device
        backends = []
        for spec in self.config.faces:
            with _making(f"face backend {spec.name}"):
                backends.append(BACKENDS.get(spec.name)(spec.options, device=device))
        return Observer(backends, FeatureCache(self.cache / "features.sqlite"))

    @cached_property
    def labels(self) -> list[str]:
        """Row labels of the methods in table order: the baseline first."""
        return list(self._specs)

    @cached_property
    def _specs(self) -> dict[str, tuple[ComponentSpec, bool]]:
        """By label: the spec, and whether it is tuned on the baseline."""
        specs: dict[str, tuple[ComponentSpec, bool]] = {}
        baseline = self.config.baseline
        if baseline is not None:
            specs[baseline.label] = (baseline, False)
        for spec in self.config.methods:
            tuner = is_tuner_class(spec.name)
            label = f"{baseline.label}+{spec.label}" if tuner and baseline else spec.label
            if label in specs and specs[label] != (spec, tuner):
                raise ConfigError(f"methods: two rows would be called {label!r}: tell them apart with as=")
            specs[label] = (spec, tuner)
        if not specs:
            raise ConfigError("methods: none given: name one or more with --method (bench methods list)")
        return specs

    def method(self, label: str) -> Generator:
        """A method by its row label.

        Raises:
            ConfigError: When a tuner has no baseline, or an option is wrong.
        """
        if label not in self._methods:
            spec, tuned = self._specs[label]
            self._methods[label] = self._tuned(spec) if tuned else self._plain(spec)
        return self._methods[label]

    def forget_methods(self) -> None:
        """Make all methods anew when they are next asked for: one that failed may be in any state."""
        self._methods.clear()

    def fingerprint(self, label: str, case_id: str) -> dict[str, Any]:
        """All that a method says decides a case's output.

        Raises:
            PluginError: When the method cannot tell it, or tells it as something else than plain data.
        """
        method = self.method(label)
        with _making(f"method {label}"):
            own = {"name": str(method.name), **method.case_fingerprint(case_id)}
            canonical_json(own)
            return own

    def sees_target(self, label: str) -> bool:
        """Whether a method is a control that is given the target."""
        return self.method(label).sees_target

    def precedence(self, label: str) -> int:
        """How early a method makes its outputs: higher ones first; see :class:`methods.base.Generator`."""
        return self.method(label).precedence

    def _plain(self, spec: ComponentSpec) -> Generator:
        with _making(f"method {spec.name}"):
            made = METHODS.get(spec.name)(spec.options, self._context)
        if isinstance(made, Tuner):
            raise ConfigError(f"baseline: {spec.name!r} is a tuner, it needs a generator under it")
        if not isinstance(made, Generator):
            raise PluginError(
                f"method {spec.name}: {type(made).__name__} is no generator: derive it from portraitbench.Generator"
            )
        return made

    def _tuned(self, spec: ComponentSpec) -> Generator:
        if self.config.baseline is None:
            raise ConfigError(f"method {spec.name}: it tunes a generator: name that with --baseline")
        with _making(f"method {spec.name}"):
            tuner = METHODS.get(spec.name)(spec.options, self._context)
        if not isinstance(tuner, Tuner):
            raise PluginError(
                f"method {spec.name}: {type(tuner).__name__} is no tuner: derive it from portraitbench.Tuner"
            )
        return TunedMethod(self.method(self.config.baseline.label), tuner)

    @cached_property
    def _context(self) -> MethodContext:
        observer = lambda: self.observer  # noqa: E731
        return MethodContext(observer, device=self.config.device, cache=self.cache, progress=self._tell)

    def _tell(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        if self.progress is not None:
            self.progress(done, total, figures)

    def metrics(self, kind: SuiteKind) -> list[Metric]:
        """The metrics for a kind of suite: those asked for, or all that the face models allow.

        Raises:
            ConfigError: When a metric asked for needs a face feature that no backend gives.
        """
        provided = self.observer.provides
        with _making("metrics"):
            if not self.config.metrics:
                return default_metrics(kind, provided)
            chosen = [resolve(spec.name, spec.options) for spec in self.config.metrics]
        ids = [metric.spec.id for metric in chosen]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ConfigError(f"metrics: {twice[0]} stands twice: two forms of one metric need a run each (--name)")
        for metric in chosen:
            lacking = sorted(set(metric.spec.needs) - provided)
            if lacking:
                raise ConfigError(
                    f"metric {metric.spec.name}: needs {lacking[0]}, which none of the face backends "
                    f"[{', '.join(spec.name for spec in self.config.faces)}] gives: add one with --faces"
                )
        return [metric for metric in chosen if kind in metric.spec.kinds]


@contextmanager
def _making(what: str) -> Iterator[None]:
    """Turn whatever a plug-in raises while it is being made into one line.

    Raises:
        PluginError: In place of any exception that is not a BenchError.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        raise PluginError(f"{what} cannot be made: {type(error).__name__}: {one_line(error)}") from error
