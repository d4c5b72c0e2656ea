"""One configuration behind all verbs: a YAML file, flags over it, and what the run folder remembers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from ..core.errors import ConfigError
from ..core.files import user_path
from ..core.options import Options, UserPath, first_problem
from ..core.yamlfile import load_mapping
from .component import ComponentSpec
from .defaults import EMBEDDED, TUNER, filled


class RunConfig(Options):
    """Everything a run is asked to do. ``bench run --help`` explains the fields one by one."""

    suites: list[str] = Field(
        default=[],
        min_length=1,
        description="Suite name, group of suites, or manifest file. Default: those the baseline was made for.",
    )
    methods: list[ComponentSpec] = Field(
        default=[],
        description="Generator or tuner: NAME or NAME:key=value,...; as=LABEL names its row. Default: "
        f"{TUNER} on {EMBEDDED}; on other suites the reference methods.",
    )
    baseline: ComponentSpec | None = Field(
        default=None, description="Generator that tuners build on, and a row of its own: NAME or NAME:key=value,..."
    )
    faces: list[ComponentSpec] = Field(
        default=[],
        description="Face backend: NAME or NAME:key=value,...; the first that can do a thing does it. Default: pocket "
        "on the embedded suites, else dlib.",
    )
    metrics: list[ComponentSpec] = Field(
        default=[], description="Metric id. Default: all that suite and face backends allow."
    )
    primary: list[str] = Field(
        default=[], description="Metric that verdicts are about. Default: those that the benchmark names."
    )
    cases: list[str] = Field(default=[], description="Case id or pattern like 'id01__*'. Default: all.")
    limit: int | None = Field(default=None, ge=1, description="At most this many cases of each suite, evenly spread.")
    full: bool = Field(default=False, description="All cases of suites that otherwise give a few for a first look.")
    seed: int = Field(default=0, description="Seed of the run; the same seed gives the same numbers.")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="Where networks run: cpu, mps, cuda or cuda:1; auto: cuda where there is a card, else mps, else "
        "cpu. Several workers take the cards in turn.",
    )
    gpu_in_key: bool = Field(
        default=False, description="Whether results of another model of graphics card are computed again."
    )
    tf32: bool = Field(
        default=False, description="On CUDA, let products round their factors to TF32: faster, and other digits."
    )
    executor: ComponentSpec = Field(
        default=ComponentSpec(name="auto"),
        description="Where the work is done: auto, serial, processes, ray (on a cluster: "
        "ray:address=auto,gpus=1,cpus=4).",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Worker processes on this machine.")
    threads: int = Field(
        default=1, ge=1, le=256, description="Threads of the numeric libraries per worker; decides the last digits."
    )
    shard: str = Field(
        default="1/1", pattern=r"^\d+/\d+$", description="i/n: do only the i-th of n parts of the cases."
    )
    case_timeout: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Seconds a single case may take."
    )
    retry_failed: bool = Field(default=False, description="Do crashed, timed out and out-of-memory work again.")
    fail_on_error: bool = Field(default=False, description="Exit with 1 when a case failed.")
    plugins: list[UserPath] = Field(
        default=[], description="Python file that registers methods, metrics or face backends."
    )
    out: UserPath = Field(default=Path("runs"), description="Folder of run folders.")
    name: str = Field(
        default="",
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$",
        description="Name of the run folder. Default: the suites' names.",
    )
    cache: UserPath | None = Field(
        default=None, description="Folder for assets and face features. Default: the user's cache folder."
    )
    ablation: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,39}$",
        description="Name of the sweep whose rows the methods are; the report then has a plot of it.",
    )
    ablation_left_out: dict[str, str] = Field(
        default={}, description="Rows of the sweep that this generator cannot have, and why."
    )

    @field_validator("suites")
    @classmethod
    def _suites_can_be_named(cls, value: list[str]) -> list[str]:
        return [str(user_path(Path(name))) if name.startswith("~") or not name.isascii() else name for name in value]

    @field_validator("shard")
    @classmethod
    def _shard_exists(cls, value: str) -> str:
        index, count = (int(part) for part in value.split("/"))
        if not 1 <= index <= count:
            raise ValueError(f"{value!r}: write i/n with 1 <= i <= n")
        return value

    @model_validator(mode="before")
    @classmethod
    def _what_was_left_open(cls, data: object) -> object:
        return filled(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        labels = [spec.label for spec in self.methods]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two methods are called {twice[0]!r}: tell them apart with as=, like warp:as=other")
        if self.name.endswith("."):
            raise ValueError(f"name {self.name!r} must not end in a dot")
        return self

    @model_validator(mode="after")
    def _ablation_fits(self) -> Self:
        if self.ablation and self.baseline is None:
            raise ValueError(f"ablation {self.ablation!r} needs a baseline, which its rows are compared with")
        return self

    @property
    def run_name(self) -> str:
        """The folder's name: the one given, or the suites' names joined, with what ``name`` does not allow replaced."""
        stems = (re.sub(r"[^A-Za-z0-9._+-]", "-", Path(suite).stem).strip("._+-") for suite in self.suites)
        ending = f"-ablate-{self.ablation}" if self.ablation else ""
        return self.name or ("+".join(filter(None, stems))[:80].rstrip(".") or "run") + ending

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.out / self.run_name

    @property
    def shard_of(self) -> tuple[int, int]:
        """The shard as (index from 0, count)."""
        index, count = self.shard.split("/")
        return int(index) - 1, int(count)


def load_config(path: Path | None, flags: dict[str, Any]) -> RunConfig:
    """Merge a configuration file with flags and check the result.

    Args:
        path: A YAML file whose fields are those of :class:`RunConfig`, or None.
        flags: Fields given on the command line; they win.

    Raises:
        ConfigError: In one line that names the file or flag, the field, and what is wrong.
    """
    data: dict[str, Any] = {}
    if path is not None:
        try:
            data.update(load_mapping(path, "suites and methods"))
        except ValueError as error:
            raise ConfigError(f"config {path}: {error}") from error
    data.update(flags)
    return check_config(data, f"config {path}" if path else "config")


def check_config(data: dict[str, Any], where: str) -> RunConfig:
    """Validate plain data as a :class:`RunConfig`.

    Raises:
        ConfigError: In one line that starts with ``where``.
    """
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_first_problem(error)}") from error


def stored_config(data: dict[str, Any], folder: Path, made_in: str = "") -> RunConfig:
    """The configuration that a run folder remembers, wherever the folder is now and whatever it is called.

    Args:
        data: The field ``config`` of its ``run.json``, perhaps with other fields laid over.
        folder: The run folder.
        made_in: The working folder of the command that made it, from which its relative paths start.

    Raises:
        ConfigError: In one line that names the file.
    """
    folder = folder.resolve()
    config = check_config(data | {"name": ""}, f"{folder}/run.json")
    bases = _bases(config.out, folder, made_in)
    components = {name: [_with_paths(spec, bases) for spec in getattr(config, name)] for name in ("methods", "faces")}
    found: dict[str, Any] = components | {
        "suites": [_found_again(suite, bases) for suite in config.suites],
        "plugins": [Path(_found_again(str(path), bases)) for path in config.plugins],
        "cache": config.cache and Path(_found_again(str(config.cache), bases)),
        "baseline": config.baseline and _with_paths(config.baseline, bases),
    }
    return config.model_copy(update=found | {"out": folder.parent, "name": folder.name})


def _bases(out: Path, folder: Path, made_in: str) -> list[Path]:
    """Where relative paths of a run may start: the folder above its ``out``, which moves with it; where it began."""
    above = len(out.parts)
    beside = not out.is_absolute() and ".." not in out.parts and above < len(folder.parents)
    return [*([folder.parents[above]] if beside else []), *([Path(made_in)] if made_in else [])]


def _found_again(name: str, bases: Sequence[Path]) -> str:
    """A path as a run named it, seen from another working folder; names that are no such path stay as they are."""
    if Path(name).exists():
        return name
    return next((str(base / name) for base in bases if (base / name).exists()), name)


def _with_paths(spec: ComponentSpec, bases: Sequence[Path]) -> ComponentSpec:
    """A component whose options that are paths are found again."""
    found = {key: _found_again(value, bases) for key, value in spec.options.items() if isinstance(value, str) and value}
    return spec.model_copy(update={"options": dict(spec.options) | found})


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field, message = first_problem(error)
    if first["type"] == "extra_forbidden":
        known = RunConfig.model_fields if len(first["loc"]) == 1 else ComponentSpec.model_fields
        near = get_close_matches(field.rpartition(".")[2], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        message = f"unknown field: {hint}"
    elif first["type"] != "value_error" and isinstance(first["input"], str | int | float):
        message = f"{message}, not {first['input']!r}"
    return f"{field + ': ' if field else ''}{message}"
