"""A benchmark harness for portrait animation.

An identity image takes on the expression and pose of a driving image or clip. A suite of such cases goes through
generators and tuners; face models look at the outputs; metrics turn what they saw into numbers.

A run is a folder, made by one call and read back by another::

    import portraitbench as pb

    run = pb.run(suites=["pocket-image"], limit=4, methods=["copy-identity"], baseline="pocket")
    run.frame()          # a row per case, method, metric and frame
    run.summary()        # means with coverage
    run.comparison()     # paired differences from the baseline, with intervals and verdicts
    run.report()         # run.folder / "report": pages, tables, pictures

    again = pb.load(run.folder)
    pb.score(run, metrics=["ssim_mask"])                     # other metrics, the same outputs
    pb.ablate("losses", suites=["pocket-image"], limit=4)    # a sweep that the tuner declares
    pb.compare({"before": "runs/a", "after": "runs/b"}).table
    pb.gate("runs/after", "baseline.json", ["loss(primary)<=2% sig"]).exit_code
    pb.paper(["runs/a", "runs/b"], "paper")                  # Tables 1 and 2, figures
    pb.animate("a.png", "b.mp4", out="c.mp4", regions={"mouth": "smile.png"})

Keyword arguments are the fields of :class:`RunConfig`, which ``bench run --help`` and ``bench config schema`` explain;
methods, face backends and metrics are named as on the command line, and take options the same way:

>>> import portraitbench as pb
>>> pb.component("pocket:steps=10,as=quick").options
{'steps': 10}

Everything that a plug-in needs is here too: the contracts (:class:`Generator`, :class:`Tuner`, :class:`Metric`,
:class:`FaceBackend`), which are base classes, and the registries, which take a class under a name,
``pb.METHODS.add("nothing", Nothing)``:

>>> class Nothing(pb.Generator):
...     name = "nothing"
...     def animate(self, inputs: pb.Inputs) -> pb.Animation:
...         return pb.Animation(inputs.driving)
>>> dict(Nothing({}, None).fingerprint())
{'name': 'nothing', 'code': 1, 'options': {}}

Importing this package loads nothing else; each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .animating import AnimateConfig as AnimateConfig
    from .animating import AnimatedCase as AnimatedCase
    from .animating import animate as animate
    from .comparing import RunsCompared as RunsCompared
    from .comparing import compare as compare
    from .core.component import Component as Component
    from .core.errors import BenchError as BenchError
    from .core.errors import CaseError as CaseError
    from .core.errors import ConfigError as ConfigError
    from .core.errors import MediaError as MediaError
    from .core.errors import NoFaceError as NoFaceError
    from .core.errors import PluginError as PluginError
    from .core.errors import Status as Status
    from .core.errors import WeightsError as WeightsError
    from .core.options import Options as Options
    from .core.options import parse_options as parse_options
    from .core.registry import Registry as Registry
    from .core.weights import WeightFile as WeightFile
    from .datasets.catalog import SUITES as SUITES
    from .datasets.clip import Clip as Clip
    from .datasets.manifest import Case as Case
    from .datasets.manifest import SuiteKind as SuiteKind
    from .faces import BACKENDS as BACKENDS
    from .faces.base import BackendInfo as BackendInfo
    from .faces.base import Detects as Detects
    from .faces.base import DifferentiableEmbedder as DifferentiableEmbedder
    from .faces.base import EmbedsIdentity as EmbedsIdentity
    from .faces.base import Face as Face
    from .faces.base import FaceBackend as FaceBackend
    from .faces.base import FindsLandmarks as FindsLandmarks
    from .faces.base import Grade as Grade
    from .faces.base import HasDifferentiableEmbedder as HasDifferentiableEmbedder
    from .faces.base import Observation as Observation
    from .faces.base import ReadsCoefficients as ReadsCoefficients
    from .faces.base import ReadsEmotion as ReadsEmotion
    from .gating import gate as gate
    from .gating import save_baseline as save_baseline
    from .harness.component import ComponentSpec as ComponentSpec
    from .harness.config import RunConfig as RunConfig
    from .merging import compare_runs as compare_runs
    from .merging import find_runs as find_runs
    from .merging import report_runs as report_runs
    from .methods import METHODS as METHODS
    from .methods.base import Animation as Animation
    from .methods.base import DiffusionGenerator as DiffusionGenerator
    from .methods.base import Generator as Generator
    from .methods.base import Inputs as Inputs
    from .methods.base import MethodContext as MethodContext
    from .methods.base import OracleInputs as OracleInputs
    from .methods.base import Parameterization as Parameterization
    from .methods.base import TunedGenerator as TunedGenerator
    from .methods.base import Tuner as Tuner
    from .methods.sweeps import Sweep as Sweep
    from .methods.sweeps import SweepSettings as SweepSettings
    from .metrics import METRICS as METRICS
    from .metrics.base import Metric as Metric
    from .metrics.base import MetricSpec as MetricSpec
    from .metrics.base import Scene as Scene
    from .metrics.base import Scores as Scores
    from .metrics.base import View as View
    from .metrics.base import check_lengths as check_lengths
    from .metrics.resolve import explain as explain
    from .publishing import paper as paper
    from .running import Run as Run
    from .running import component as component
    from .running import load as load
    from .running import run as run
    from .scoring import score as score
    from .sweeping import ablate as ablate

    __version__: str

_HOMES = {
    "animating": ("AnimateConfig", "AnimatedCase", "animate"),
    "comparing": ("RunsCompared", "compare"),
    "core.component": ("Component",),
    "core.errors": (
        "BenchError",
        "CaseError",
        "ConfigError",
        "MediaError",
        "NoFaceError",
        "PluginError",
        "Status",
        "WeightsError",
    ),
    "core.options": ("Options", "parse_options"),
    "core.registry": ("Registry",),
    "core.weights": ("WeightFile",),
    "datasets.catalog": ("SUITES",),
    "datasets.clip": ("Clip",),
    "datasets.manifest": ("Case", "SuiteKind"),
    "faces": ("BACKENDS",),
    "faces.base": (
        "BackendInfo",
        "Detects",
        "DifferentiableEmbedder",
        "EmbedsIdentity",
        "Face",
        "FaceBackend",
        "FindsLandmarks",
        "Grade",
        "HasDifferentiableEmbedder",
        "Observation",
        "ReadsCoefficients",
        "ReadsEmotion",
    ),
    "gating": ("gate", "save_baseline"),
    "harness.component": ("ComponentSpec",),
    "harness.config": ("RunConfig",),
    "methods": ("METHODS",),
    "methods.base": (
        "Animation",
        "DiffusionGenerator",
        "Generator",
        "Inputs",
        "MethodContext",
        "OracleInputs",
        "Parameterization",
        "TunedGenerator",
        "Tuner",
    ),
    "methods.sweeps": ("Sweep", "SweepSettings"),
    "metrics": ("METRICS",),
    "metrics.base": ("Metric", "MetricSpec", "Scene", "Scores", "View", "check_lengths"),
    "metrics.resolve": ("explain",),
    "merging": ("compare_runs", "find_runs", "report_runs"),
    "publishing": ("paper",),
    "running": ("Run", "component", "load", "run"),
    "scoring": ("score",),
    "sweeping": ("ablate",),
}
"""By module, relative to this package: the public names that it brings. A test holds it against the imports above."""
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("portraitbench")
    elif name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
