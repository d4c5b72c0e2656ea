"""One configuration behind all verbs: a YAML file, flags over it, and what the run folder remembers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from ..core.errors import ConfigError
from ..core.options import Options, first_problem
from ..core.yamlfile import load_mapping
from ..methods.base import RANDOM_TINY

LABEL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+=-]{0,79}$")
REFERENCE_METHODS = ("copy-identity", "copy-driving", "warp")
EMBEDDED = "pocket"
"""Name of the embedded generator, of its face model and of its suites: what runs without a download."""
_DRY_FACES = f"{EMBEDDED}:threshold=0"
"""Takes every picture for a portrait: random weights make none, and a dry run is to go through every step."""
_DRY_CASES = 2
_RESERVED_LABELS = {"identity", "driving", "target"}


class PartSpec(Options):
    """A method, face backend or metric by registry name, with its options.

    Attributes:
        name: Registry name.
        label: What rows and files call it; two uses of one method need different labels.
        options: Handed to the part, which checks them.
    """

    name: str = Field(min_length=1)
    label: str = ""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return parse_part(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _label_is_a_file_name(self) -> Self:
        label = self.label or re.sub(r"[^A-Za-z0-9._+=-]", "-", self.name)
        if not LABEL.match(label) or label in _RESERVED_LABELS or label.endswith(".canvas"):
            reserved = ", ".join(sorted(_RESERVED_LABELS))
            raise ValueError(
                f"label {label!r} must be letters, digits and . _ + = -, none of {reserved}, and not end in .canvas"
            )
        object.__setattr__(self, "label", label)
        return self


def parse_part(text: str) -> dict[str, Any]:
    """Read the short form of the command line, ``name:key=value,key=value``; the key ``as`` gives the label.

    Values are read as YAML scalars, so that ``true`` and ``0.5`` mean what they look like.

    Raises:
        ValueError: When a part has no ``=``.

    >>> parse_part("warp:kind=tps,strength=0.5,as=soft")
    {'name': 'warp', 'options': {'kind': 'tps', 'strength': 0.5}, 'label': 'soft'}
    """
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"{text!r}: {item!r} is not key=value")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            options[key] = value
    return {"name": name, "options": options, "label": str(options.pop("as", ""))}


class RunConfig(Options):
    """Everything a run is asked to do. ``bench run --help`` explains the fields one by one."""

    suites: list[str] = Field(default=[], min_length=1, description="Names, groups of names, or manifest files.")
    methods: list[PartSpec] = []
    baseline: PartSpec | None = Field(default=None, description="What tuners build on; also a row of its own.")
    faces: list[PartSpec] = []
    metrics: list[PartSpec] = Field(default=[], description="Empty: all that the face models allow.")
    cases: list[str] = Field(default=[], description="Case ids or patterns with *; empty: all.")
    limit: int | None = Field(default=None, ge=1, description="At most this many cases of each suite, evenly spread.")
    full: bool = Field(default=False, description="All cases of suites that otherwise give a few for a first look.")
    seed: int = 0
    device: str = Field(default="cpu", pattern=r"^(cpu|mps|cuda(:\d+)?)$")
    workers: int = Field(default=1, ge=1, le=256)
    threads: int = Field(default=1, ge=1, le=256, description="Per worker; part of what decides the last digits.")
    shard: str = Field(default="1/1", pattern=r"^\d+/\d+$")
    case_timeout: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Seconds a single case may take."
    )
    retry_failed: bool = False
    fail_on_error: bool = False
    plugins: list[Path] = []
    out: Path = Path("runs")
    name: str = Field(default="", pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$")
    cache: Path | None = None
    ablation: Literal["losses", "steps", "decoding"] | None = Field(
        default=None, description="What the rows differ in; the report then has a plot of it."
    )

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
        return _filled(data) if isinstance(data, dict) else data

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
        lacks_steps = any("steps" not in spec.options for spec in self.methods)
        if self.ablation and (self.baseline is None or (self.ablation == "steps" and lacks_steps)):
            raise ValueError(f"ablation {self.ablation!r} needs a baseline, and of steps methods that say how many")
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


def _filled(data: dict[str, Any]) -> dict[str, Any]:
    """Lay defaults under a configuration.

    Nothing given: StrucBooth on the embedded generator, and the ideal output beside it. A suite alone: the reference
    methods on it, or all that the embedded suites are for. A generator alone: the suites it was made for.
    Random weights: a dry run of few cases, with face models that see a face in anything.
    """
    data = dict(data)
    weights = data.pop("weights", None)
    if weights is not None:
        _give_weights(data, weights)
    is_dry = _is_dry(data)
    embedded = all(str(name).startswith(EMBEDDED) for name in data.get("suites") or [])
    if not data.get("methods") and not data.get("baseline"):
        job = {"methods": ["strucbooth", "ideal"], "baseline": EMBEDDED}
        data |= job if embedded else {"methods": list(REFERENCE_METHODS)}
        if embedded:
            # It is meant for whoever has just installed this: as quick as the machine allows, same numbers.
            data.setdefault("workers", min(4, os.cpu_count() or 1))
    if "suites" not in data:
        baseline = data.get("baseline")
        name = baseline.get("name") if isinstance(baseline, dict) else getattr(baseline, "name", baseline)
        embedded = name is None or str(name).partition(":")[0] == EMBEDDED
        data["suites"] = [EMBEDDED if embedded else "public-cross-image"]
    if "faces" not in data:
        data["faces"] = [_DRY_FACES if is_dry else EMBEDDED if embedded else "dlib"]
    if is_dry and not data.get("full") and not data.get("cases"):
        data.setdefault("limit", _DRY_CASES)
    return data


def _generators(data: Mapping[str, Any]) -> tuple[str, list[PartSpec]]:
    """The field that names what makes pictures, and its parts: the baseline, or without one all methods.

    Malformed ones are left out; the check of their field says what is wrong.
    """
    field = "baseline" if data.get("baseline") else "methods"
    given, specs = data.get(field) or [], []
    for part in given if isinstance(given, list) else [given]:
        with suppress(ValidationError):
            specs.append(PartSpec.model_validate(part))
    return field, specs


def _is_dry(data: Mapping[str, Any]) -> bool:
    """Whether a generator has random weights."""
    return any(spec.options.get("weights") == RANDOM_TINY for spec in _generators(data)[1])


def _give_weights(data: dict[str, Any], weights: Any) -> None:
    """Make the short field ``weights`` an option of the generators.

    Raises:
        ValueError: When there is none, or one has other weights already.
    """
    field, specs = _generators(data)
    if not data.get(field):
        raise ValueError(f"weights {str(weights)!r}: name the baseline that they are for, like --baseline hellomeme")
    for spec in specs:
        if spec.options.get("weights", weights) != weights:
            raise ValueError(f"weights {str(weights)!r}: {spec.name} has weights={spec.options['weights']} already")
    given = [spec.model_copy(update={"options": {**spec.options, "weights": weights}}) for spec in specs]
    if given:
        data[field] = given[0] if field == "baseline" else given


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


def stored_config(data: dict[str, Any], folder: Path) -> RunConfig:
    """The configuration that a run folder remembers, wherever the folder is now and whatever it is called.

    Args:
        data: The field ``config`` of its ``run.json``, perhaps with other fields laid over.
        folder: The run folder.

    Raises:
        ConfigError: In one line that names the file.
    """
    folder = folder.resolve()
    config = check_config(data | {"name": ""}, f"{folder}/run.json")
    return config.model_copy(update={"out": folder.parent, "name": folder.name})


def part_spec(text: str, flag: str) -> PartSpec:
    """Read one part from a flag's short form.

    Raises:
        ConfigError: In one line that starts with the flag.
    """
    try:
        return PartSpec.model_validate(text)
    except ValidationError as error:
        raise ConfigError(f"{flag} {text!r}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field, message = first_problem(error)
    if first["type"] == "extra_forbidden":
        known = RunConfig.model_fields if len(first["loc"]) == 1 else PartSpec.model_fields
        near = get_close_matches(field.rpartition(".")[2], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        message = f"unknown field: {hint}"
    elif first["type"] != "value_error" and isinstance(first["input"], str | int | float):
        message = f"{message}, not {first['input']!r}"
    return f"{field + ': ' if field else ''}{message}"
