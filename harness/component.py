"""How a run names a method, a face backend or a metric, in a file or in the short form of the command line."""

from __future__ import annotations

import re
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from ..core.errors import ConfigError
from ..core.options import Options, first_problem

LABEL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._+=-]{0,79}$")
_RESERVED_LABELS = {"identity", "driving", "target"}


class ComponentSpec(Options):
    """A method, face backend, metric or executor by registry name, with its options.

    Attributes:
        name: Registry name.
        label: What rows and files call it; two uses of one method need different labels.
        options: Handed to the component, which checks them.
    """

    name: str = Field(min_length=1)
    label: str = ""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return parse_component(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _label_is_a_file_name(self) -> Self:
        label = self.label or re.sub(r"[^A-Za-z0-9._+=-]", "-", self.name)
        if not LABEL.match(label) or label in _RESERVED_LABELS or label.endswith((".canvas", ".pasted")):
            reserved = ", ".join(sorted(_RESERVED_LABELS))
            raise ValueError(
                f"label {label!r} must be letters, digits and . _ + = -, none of {reserved}, "
                "and not end in .canvas or .pasted"
            )
        object.__setattr__(self, "label", label)
        return self


def parse_component(text: str) -> dict[str, Any]:
    """Read the short form of the command line, ``name:key=value,key=value``; the key ``as`` gives the label.

    Values are read as YAML scalars, so that ``true`` and ``0.5`` mean what they look like.

    Raises:
        ValueError: When a part has no ``=``.

    >>> parse_component("warp:kind=tps,strength=0.5,as=soft")
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


def component_spec(text: str, flag: str) -> ComponentSpec:
    """Read one part from a flag's short form.

    Raises:
        ConfigError: In one line that starts with the flag.
    """
    try:
        return ComponentSpec.model_validate(text)
    except ValidationError as error:
        field, message = first_problem(error)
        raise ConfigError(f"{flag} {text!r}: {field + ': ' if field else ''}{message}") from error
