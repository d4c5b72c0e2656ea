"""What a line of a records file must look like: a file edited by hand is named, not tripped over."""

from __future__ import annotations

import json
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from ..core.errors import Status, one_line
from ..core.files import is_safe_relative
from ..core.options import first_problem

Record: TypeAlias = dict[str, Any]
"""One line of a records file: plain data with at least "stage", "key", "status" and "reason"."""


class StoredFile(BaseModel):
    """A file of the run folder, as a record speaks of it."""

    model_config = ConfigDict(extra="allow", strict=True)

    path: str
    bytes: int
    sha256: str

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if not is_safe_relative(value):
            raise ValueError(f"path {value!r} leaves the run folder")
        return value


class _Shape(BaseModel):
    """The fields that the harness and the reports rely on."""

    model_config = ConfigDict(extra="allow")

    stage: Literal["generate", "observe", "score"]
    key: str
    status: Status
    reason: str
    turn: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    calls: dict[str, int] = {}
    output: StoredFile | None = None
    canvas: StoredFile | None = None
    state: StoredFile | None = None
    pasted: StoredFile | None = None
    fingerprint: dict[str, Any] = {}
    values: list[float | None] = []
    value_status: list[Status] = []
    source: str = ""
    windows: dict[str, tuple[float, float, float, float]] = {}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.values) != len(self.value_status):
            raise ValueError(f"{len(self.values)} values with {len(self.value_status)} statuses")
        if self.stage == "generate" and (self.output is not None) != (self.status is Status.OK):
            raise ValueError(
                f"an output of status {str(self.status)!r} {'without' if self.output is None else 'with'} a file"
            )
        return self


def parse_record(line: str) -> Record:
    """Read one line of a records file.

    Raises:
        ValueError: In one line, when it is not JSON or not a record.
    """
    record = parse_line(line)
    try:
        _Shape.model_validate(record)
    except ValidationError as error:
        field, message = first_problem(error)
        raise ValueError(f"{field + ': ' if field else ''}{message}") from error
    return record


def parse_line(line: str) -> Record:
    """Read one line of JSON that holds an object.

    Raises:
        ValueError: In one line, when it is something else.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {one_line(error)}") from error
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value
