"""The components of a run, made from its configuration: in the main process, and again in each worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from ..core.digest import CanonicalTexts
from ..core.errors import ConfigError, PluginError
from ..core.registry import load_plugin
from ..datasets.manifest import SuiteKind
from ..faces import BACKENDS
from ..faces.cache import FeatureCache
from ..faces.observer import Observer
from ..methods import METHODS
from ..methods.base import Generator, MethodContext, StepProgress, Tuner
from ..methods.tuned_method import TunedMethod, is_tuner_class
from ..metrics.base import Metric
from .arithmetic import arithmetic
from .chosen_metrics import chosen_metrics, form_ids
from .component import ComponentSpec
from .config import RunConfig
from .devices import gpu_name, resolve_device
from .making import making
from .media import SuiteMedia


def default_cache() -> Path:
    """Where assets and features are kept unless ``--cache`` says otherwise."""
    return user_cache_path("portraitbench", appauthor=False)


class Session:
    """Media, methods, face models and metrics of one run, each made when first asked for.

    Args:
        config: What the run is asked to do. Plug-in files are loaded at once.

    Attributes:
        media: The suites and their clips.
        progress: Whom methods tell how long work on a case goes; may be set at any time.
        workers_progress: Told how many workers there are, by executors where that changes.
        texts: Writes out fingerprints, whose parts recur from case to case.

    Raises:
        BenchError: From any component that cannot be made, in one line.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.cache = config.cache or default_cache()
        self.media = SuiteMedia(config.suites, self.cache)
        self.progress: StepProgress | None = None
        self.workers_progress: Callable[[int], None] | None = None
        for path in config.plugins:
            load_plugin(path)
        self._methods: dict[str, Generator] = {}
        self._metrics: dict[SuiteKind, list[tuple[Metric, str, ComponentSpec]]] = {}
        self.texts = CanonicalTexts()
        self._interned: dict[str, dict[str, Any]] = {}

    @cached_property
    def device(self) -> str:
        """Where methods and face models compute: the device asked for, ``auto`` resolved."""
        return resolve_device(self.config.device)

    @cached_property
    def gpu(self) -> str:
        """Model of the graphics card, if the configuration wants results told apart by it; else ""."""
        return gpu_name(self.device) if self.config.gpu_in_key else ""

    @property
    def arithmetic(self) -> Mapping[str, bool]:
        """Switches of the graphics card's arithmetic under which the run computes."""
        return arithmetic(self.device, tf32=self.config.tf32)

    @cached_property
    def observer(self) -> Observer:
        """The face models with their cache."""
        backends = []
        for spec in self.config.faces:
            with making(f"face backend {spec.name}"):
                backends.append(BACKENDS.get(spec.name)(spec.options, device=self.device))
        kept = f"features-{self.gpu.replace(' ', '-').replace('/', '-')}.sqlite" if self.gpu else "features.sqlite"
        return Observer(backends, FeatureCache(self.cache / kept))

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

    def spare_memory(self) -> None:
        """Free what methods hold, and let those made anew keep nothing that only saves time."""
        self._context.is_memory_short = True
        self.forget_methods()

    def interned(self, place: str, value: dict[str, Any]) -> dict[str, Any]:
        """The value, or the equal one that was given before for the same place: fingerprints of all cases share it."""
        if self._interned.get(place) != value:
            self._interned[place] = value
        return self._interned[place]

    def once(self, place: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What was made when the place was first asked for; for what is the same for all cases."""
        if place not in self._interned:
            self._interned[place] = make()
        return self._interned[place]

    def sees_target(self, label: str) -> bool:
        """Whether a method is a control that is given the target."""
        return self.method(label).sees_target

    def precedence(self, label: str) -> int:
        """How early a method makes its outputs: higher ones first; see :class:`methods.base.Generator`."""
        return self.method(label).precedence

    def _plain(self, spec: ComponentSpec) -> Generator:
        with making(f"method {spec.name}"):
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
        with making(f"method {spec.name}"):
            tuner = METHODS.get(spec.name)(spec.options, self._context)
        if not isinstance(tuner, Tuner):
            raise PluginError(
                f"method {spec.name}: {type(tuner).__name__} is no tuner: derive it from portraitbench.Tuner"
            )
        return TunedMethod(self.method(self.config.baseline.label), tuner)

    @cached_property
    def _context(self) -> MethodContext:
        observer = lambda: self.observer  # noqa: E731
        return MethodContext(observer, device=self.device, cache=self.cache, progress=self._tell)

    def tell_workers(self, count: int) -> None:
        """Tell whoever shows progress how many workers there are now."""
        if self.workers_progress is not None:
            self.workers_progress(count)

    def _tell(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        if self.progress is not None:
            self.progress(done, total, figures)

    def metrics(self, kind: SuiteKind) -> list[Metric]:
        """The metrics for a kind of suite; see :func:`chosen_metrics`."""
        return [metric for metric, _, _ in self.metric_forms(kind)]

    def metric_forms(self, kind: SuiteKind) -> list[tuple[Metric, str, ComponentSpec]]:
        """The metrics for a kind of suite, each with its id in tables (see :func:`form_ids`) and how to make it."""
        if kind not in self._metrics:
            chosen = chosen_metrics(self.config, kind, self.observer.provides)
            specs = [ComponentSpec(name=one.spec.id, options=dict(one.options)) for one in chosen]
            self._metrics[kind] = list(zip(chosen, form_ids(chosen), specs, strict=True))
        return self._metrics[kind]
