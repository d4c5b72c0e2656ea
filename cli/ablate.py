"""``bench ablate losses|steps|decoding``: the paper's ablations, as ordinary runs whose rows are settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from ..core.errors import ConfigError
from ..core.options import parse_options
from ..harness.component import component_spec
from ..harness.config import load_config
from ..harness.defaults import EMBEDDED
from ..harness.session import Session
from ..methods.base import DiffusionGenerator
from ..methods.strucbooth.ablation import Rows, decoding_rows, lay_over, loss_rows, step_rows
from ..methods.strucbooth.config import StrucBoothConfig
from .run import (
    BaselineOption,
    CacheOption,
    CaseOption,
    DeviceOption,
    FacesOption,
    FullOption,
    LimitOption,
    MetricOption,
    NameOption,
    OutOption,
    PluginOption,
    SeedOption,
    SuiteOption,
    Texts,
    WorkersOption,
    carry_out,
)

TUNER = "strucbooth"
_STEPS = "0,30,60,90,120"
_HALOS = "0,2"


class Ablation(StrEnum):
    """What the rows differ in."""

    LOSSES = "losses"
    STEPS = "steps"
    DECODING = "decoding"


def ablate(
    what: Annotated[
        Ablation,
        typer.Argument(
            help="losses: the baseline, then the losses one after another (PGT, grad, id). steps: step counts, all "
            "from one tuning per case, whose weights stay in the cache. decoding: patches with and without a halo, "
            "and whole frames."
        ),
    ],
    steps: Annotated[
        str | None, typer.Option(help=f"With steps: step counts; 0 is the baseline. Default: {_STEPS}")
    ] = None,
    halo: Annotated[
        str | None, typer.Option(help=f"With decoding: latent cells around each patch. Default: {_HALOS}")
    ] = None,
    settings: Annotated[
        Texts, typer.Option("--set", help="Option of the tuner under all rows, like rank=4; repeatable.")
    ] = None,
    suite: SuiteOption = None,
    baseline: BaselineOption = None,
    faces: FacesOption = None,
    metric: MetricOption = None,
    case: CaseOption = None,
    limit: LimitOption = None,
    full: FullOption = None,
    seed: SeedOption = None,
    device: DeviceOption = None,
    workers: WorkersOption = None,
    plugin: PluginOption = None,
    out: OutOption = None,
    name: NameOption = None,
    cache: CacheOption = None,
) -> None:
    """Run an ablation of StrucBooth and draw it; by default on the embedded generator, suite and face model.

    Running the same command again goes on where it was stopped.
    """
    flags = {
        "ablation": what.value,
        "suites": suite or [EMBEDDED],
        "baseline": baseline or EMBEDDED,
        "faces": faces or [EMBEDDED],
        "metrics": metric,
        "cases": case,
        "limit": limit,
        "full": full,
        "seed": seed,
        "device": device,
        "workers": workers,
        "plugins": plugin,
        "out": out,
        "name": name,
        "cache": cache,
    }
    given = {key: value for key, value in flags.items() if value is not None and value != []}
    rows = _rows(what, _counts(what, steps, halo), _options(settings or []), Session(load_config(None, given)))
    methods = [{"name": TUNER, "label": label, "options": options} for label, options in rows.items()]
    carry_out(Session(load_config(None, given | {"methods": methods})), None)


def _rows(what: Ablation, counts: list[int], options: dict[str, Any], baseline_alone: Session) -> Rows:
    """The rows with all their options; those of the losses depend on what the generator has for defaults.

    Raises:
        ConfigError: When an option is unknown, or is what the rows differ in.
    """
    generator = baseline_alone.method(baseline_alone.labels[0])
    defaults = generator.tuner_defaults.get(TUNER, {}) if isinstance(generator, DiffusionGenerator) else {}
    as_they_are = parse_options(StrucBoothConfig, {**defaults, **options}, f"method {TUNER}")
    if what is Ablation.LOSSES:
        return lay_over(options, loss_rows(as_they_are, options))
    return lay_over(options, step_rows(counts) if what is Ablation.STEPS else decoding_rows(counts))


def _options(texts: list[str]) -> dict[str, Any]:
    part = component_spec(f"{TUNER}:{','.join(texts)}", "--set")
    if part.label != TUNER:
        raise ConfigError("--set as: the rows of an ablation have labels of their own")
    return part.options


def _counts(what: Ablation, steps: str | None, halo: str | None) -> list[int]:
    """The numbers that belong to the ablation.

    Raises:
        ConfigError: When a flag belongs to another one, or is no list of numbers.
    """
    for flag, text, owner in (("--steps", steps, Ablation.STEPS), ("--halo", halo, Ablation.DECODING)):
        if text is not None and what is not owner:
            raise ConfigError(f"{flag}: goes with bench ablate {owner}, not with {what}")
    flag, text = ("--steps", steps or _STEPS) if what is Ablation.STEPS else ("--halo", halo or _HALOS)
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"{flag} {text!r}: give whole numbers with commas between, like {_STEPS}") from None
