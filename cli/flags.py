"""Flags of the verbs that configure a run, each declared once: its names, its panel in the help, and its field.

What a flag means is its field's description in :class:`..harness.config.RunConfig` or
:class:`..animating.AnimateConfig`, so that file, command line and Python say the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from ..animating import AnimateConfig
from ..core.errors import ConfigError
from ..core.options import Options, given_path
from ..harness.component import ComponentSpec
from ..harness.config import RunConfig

WHAT, HOW, FAILED, WHERE = "What to run", "How", "When a case fails", "Where it goes"
Texts = list[str] | None
Paths = list[Path] | None


@dataclass(frozen=True)
class Flag:
    """One flag, which gives one field.

    Attributes:
        names: As on the command line, the longest first.
        kind: What typer reads.
        panel: Heading in the help under which it stands.
        help: Its text where the field's description will not do.
    """

    names: tuple[str, ...]
    kind: Any
    panel: str
    help: str = ""


FLAGS: Mapping[str, Flag] = {
    "suites": Flag(("--suite", "-s"), Texts, WHAT),
    "methods": Flag(("--method", "-m"), Texts, WHAT),
    "baseline": Flag(("--baseline", "-b"), str | None, WHAT),
    "weights": Flag(
        ("--weights",),
        str | None,
        WHAT,
        help="Weights of the baseline, or without one of every method: a folder, or random-tiny for a dry run of the "
        "whole chain, which measures nothing.",
    ),
    "outputs": Flag(
        ("--outputs",),
        Texts,
        WHAT,
        help="LABEL=FOLDER with results made elsewhere: files, or folders of numbered frames, named by case id; "
        "LABEL=FOLDER,fit=crop (or pad) fits other aspect ratios. --dry-run lists what matches.",
    ),
    "faces": Flag(("--faces", "-f"), Texts, WHAT),
    "metrics": Flag(("--metric",), Texts, WHAT),
    "primary": Flag(("--primary",), Texts, WHAT),
    "cases": Flag(("--case",), Texts, WHAT),
    "limit": Flag(("--limit",), int | None, WHAT),
    "full": Flag(("--full",), bool | None, WHAT),
    "plugins": Flag(("--plugin",), Paths, WHAT),
    "seed": Flag(("--seed",), int | None, HOW),
    "device": Flag(("--device",), str | None, HOW),
    "executor": Flag(("--executor",), str | None, HOW),
    "gpu_in_key": Flag(("--gpu-in-key",), bool | None, HOW),
    "tf32": Flag(("--tf32",), bool | None, HOW),
    "workers": Flag(("--workers", "-w"), int | None, HOW),
    "threads": Flag(("--threads",), int | None, HOW),
    "shard": Flag(("--shard",), str | None, HOW),
    "case_timeout": Flag(("--case-timeout",), float | None, FAILED),
    "retry_failed": Flag(("--retry-failed/--no-retry-failed",), bool | None, FAILED),
    "fail_on_error": Flag(("--fail-on-error/--no-fail-on-error",), bool | None, FAILED),
    "out": Flag(("--out",), Path | None, WHERE),
    "name": Flag(("--name",), str | None, WHERE),
    "cache": Flag(("--cache",), Path | None, WHERE),
}
"""Flags by field of a run. Without a default of their own: what was not given is left to the file and the fields."""

_ANIMATE: Mapping[str, Flag] = {
    "baseline": FLAGS["baseline"],
    "method": Flag(("--method", "-m"), str | None, WHAT),
    "regions": Flag(("--region", "-r"), Texts, WHAT),
    "faces": FLAGS["faces"],
    "plugins": FLAGS["plugins"],
    "seed": FLAGS["seed"],
    "device": FLAGS["device"],
    "tf32": FLAGS["tf32"],
    "threads": FLAGS["threads"],
    "size": Flag(("--size",), int | None, HOW),
    "fps": Flag(("--fps",), float | None, HOW),
    "frames": Flag(("--frames",), int | None, HOW),
    "framing": Flag(("--framing",), str | None, HOW),
    "crop_identity": Flag(("--crop-identity",), str | None, HOW),
    "crop_drive": Flag(("--crop-drive",), str | None, HOW),
    "save_lora": Flag(("--save-lora",), Path | None, WHERE),
    "cache": FLAGS["cache"],
}

Given = dict[str, Any]
"""Fields that were given on the command line, by name."""
Verb = Callable[..., None]


def takes(*fields: str, defaults: Mapping[str, str] | None = None) -> Callable[[Verb], Verb]:
    """Give a verb the flags of fields of a run; it is called with those given, as ``given``.

    Args:
        *fields: Keys of :data:`FLAGS`, in any order; the help keeps the table's.
        defaults: Shown for fields whose default this verb lays down itself.
    """
    return _decorator({name: flag for name, flag in FLAGS.items() if name in fields}, RunConfig, defaults or {})


def takes_animate(verb: Verb) -> Verb:
    """Give a verb the flags of :class:`..animating.AnimateConfig`; it is called with those given, as ``given``."""
    return _decorator(_ANIMATE, AnimateConfig, {})(verb)


def _decorator(flags: Mapping[str, Flag], model: type[Options], defaults: Mapping[str, str]) -> Callable[[Verb], Verb]:
    def decorate(verb: Verb) -> Verb:
        @wraps(verb)
        def call(**values: Any) -> None:
            given = {name: values.pop(name) for name in flags}
            verb(given=_gathered(given), **values)

        own = [part for name, part in inspect.signature(verb, eval_str=True).parameters.items() if name != "given"]
        shared = [_parameter(name, flag, model, defaults.get(name)) for name, flag in flags.items()]
        before = [part.replace(kind=inspect.Parameter.KEYWORD_ONLY) for part in own]
        call.__signature__ = inspect.Signature([*before, *shared])  # type: ignore[attr-defined] # what typer reads
        call.__annotations__ = {part.name: part.annotation for part in (*before, *shared)}
        return call

    return decorate


def _parameter(name: str, flag: Flag, model: type[Options], default: str | None) -> inspect.Parameter:
    known = model.model_fields.get(name)
    text = flag.help or (known.description if known else None) or ""
    if default is None and known is not None:
        default = _shown(known.get_default(call_default_factory=True))
    if default:
        text = f"{text.partition(' Default: ')[0]} Default: {default}."
    if flag.kind in (Texts, Paths):
        text += " Repeatable."
    option = typer.Option(*flag.names, help=text, rich_help_panel=flag.panel, show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[flag.kind, option]
    )


def _shown(default: object) -> str:
    """A field's default as the command line would have it; "" where there is nothing to show."""
    if isinstance(default, list):
        return ",".join(map(_shown, default))
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, ComponentSpec):
        return default.name
    return "" if default in (None, {}) else str(default)


def _gathered(values: Mapping[str, Any]) -> Given:
    """Fields that were given; results made elsewhere become methods."""
    given = {name: value for name, value in values.items() if value not in (None, [])}
    if "outputs" in given:
        given["methods"] = [*given.get("methods", []), *_outputs(given.pop("outputs"))]
    return given


def _outputs(texts: Iterable[str]) -> list[dict[str, Any]]:
    specs: list[dict[str, Any]] = []
    for text in texts:
        label, equals, folder = text.partition("=")
        if not equals or not label or not folder:
            raise ConfigError(f"--outputs {text!r}: write LABEL=FOLDER")
        folder, _, fit = folder.partition(",fit=") if not Path(folder).is_dir() else (folder, "", "")
        specs.append({"name": "outputs", "label": label, "options": {"dir": folder} | ({"fit": fit} if fit else {})})
    return specs


def at_home(value: Any) -> Any:
    """A typer callback: paths of an option or argument with the home folder filled in, see :func:`.given_path`."""
    if isinstance(value, list | tuple):
        return [given_path(path) for path in value]
    return None if value is None else given_path(value)


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", callback=at_home)]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with fields of a run; flags win over it.", rich_help_panel=WHAT),
]
PluginOption = Annotated[
    Paths, typer.Option("--plugin", help=f"{RunConfig.model_fields['plugins'].description} Repeatable.")
]
RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.", callback=at_home)]
AllMetrics = Annotated[bool, typer.Option("--all-metrics", help="Print the exploratory metrics as well.")]
AgainstOption = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="Row that all others are compared with, like pocket. Default: each with its own baseline.",
        show_default=False,
    ),
]
