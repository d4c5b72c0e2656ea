"""Options of methods, face backends and metrics: plain mappings checked by a pydantic model of their owner."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from .errors import ConfigError, one_line
from .files import user_path

UserPath = Annotated[Path, AfterValidator(user_path)]
"""A path in options: ``~`` is the home folder, and what could not be written into our files is refused."""


def given_path(path: str | PathLike[str]) -> Path:
    """A path as a person gave it, with the home folder filled in.

    Raises:
        ConfigError: When it could not be written into any of our files, or is too long.
    """
    try:
        return user_path(Path(path))
    except ValueError as error:
        raise ConfigError(str(error)) from error


class Options(BaseModel):
    """Base of all option models: unknown fields are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=Options)


def parse_options(model: type[M], options: Mapping[str, Any], owner: str) -> M:
    """Validate options against their owner's model.

    Args:
        model: The options' model.
        options: What the user gave; values may be strings.
        owner: Whose options they are, for the message ("method warp").

    Raises:
        ConfigError: In one line, naming the owner and the field.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        field, message = first_problem(error)
        if error.errors(include_url=False)[0]["type"] == "extra_forbidden":
            message = "unknown"
        known = ", ".join(model.model_fields) or "none"
        raise ConfigError(f"{owner}: option {field or 'options'!r}: {message} (options: {known})") from error


@dataclass(frozen=True)
class OptionAbout:
    """One option as a person is told of it.

    Attributes:
        name: Its name.
        default: Its default as text; "required" without one.
        text: What it means.
    """

    name: str
    default: str
    text: str


def describe_options(model: type[Options], changed: Mapping[str, Any] | None = None) -> list[OptionAbout]:
    """All options of a model, with the texts of its docstring's section ``Attributes``.

    Args:
        model: The options' model.
        changed: Defaults that go before the model's own.
    """
    changed = changed or {}
    section = (inspect.getdoc(model) or "").partition("Attributes:\n")[2]
    texts: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(section).splitlines():
        start, colon, rest = line.partition(": ")
        if colon and start in model.model_fields:
            name, line = start, rest
        if name:
            texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return [
        OptionAbout(
            own,
            _plain(changed[own]) if own in changed else "required" if field.is_required() else _plain(field.default),
            texts.get(own, ""),
        )
        for own, field in model.model_fields.items()
    ]


def _plain(value: object) -> str:
    """A default as the command line would have it."""
    if isinstance(value, tuple | list):
        return "+".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def first_problem(error: ValidationError) -> tuple[str, str]:
    """The first thing that a pydantic model found wrong.

    Returns:
        The field as a dotted path ("" for the whole), and what is wrong with it, in one line.
    """
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return field, one_line(ValueError(first["msg"].removeprefix("Value error, ")))
