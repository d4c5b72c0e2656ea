"""What a line of a records file must look like: a file edited by hand is named, not tripped over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from ..core.errors import Status, one_line
from ..core.files import is_safe_relative
from ..core.options import first_problem

Record: TypeAlias = dict[str, Any]
"""One line of a records file: plain data with at least "stage", "key", "status" and "reason"."""


def _inside(path: str) -> str:
    if not is_safe_relative(path):
        raise ValueError(f"path {path!r} leaves the run folder")
    return path


if TYPE_CHECKING:
    _Status: TypeAlias = str
else:
    _Status = Literal[tuple(map(str, Status))]


class StoredFile(TypedDict):
    """A file of the run folder, as a record speaks of it."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    path: Annotated[str, AfterValidator(_inside)]
    bytes: int
    sha256: str


class _Shape(TypedDict):
    """The fields that the harness and the reports rely on; a plain dict, since a run has hundreds of thousands."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    stage: Literal["generate", "observe", "score"]
    key: str
    status: _Status
    reason: str
    turn: NotRequired[int]
    seconds: NotRequired[float]
    peak_bytes: NotRequired[int]
    calls: NotRequired[dict[str, int]]
    output: NotRequired[StoredFile | None]
    canvas: NotRequired[StoredFile | None]
    state: NotRequired[StoredFile | None]
    pasted: NotRequired[StoredFile | None]
    fingerprint: NotRequired[dict[str, Any]]
    values: NotRequired[list[float | None]]
    value_status: NotRequired[list[_Status]]
    source: NotRequired[str]
    windows: NotRequired[dict[str, Annotated[list[float], Field(min_length=4, max_length=4)]]]


_ADAPTER: TypeAdapter[Any] = TypeAdapter(_Shape)


def parse_record(line: str) -> Record:
    """Read one line of a records file.

    Raises:
        ValueError: In one line, when it is not JSON or not a record.
    """
    try:
        record: Record = _ADAPTER.validate_json(line)
    except ValidationError:
        record = _slowly(line)
    if len(record.get("values", ())) != len(record.get("value_status", ())):
        raise ValueError(f"{len(record.get('values', ()))} values with {len(record.get('value_status', ()))} statuses")
    if record["stage"] == "generate" and bool(record.get("output")) != (record["status"] == Status.OK):
        has = "with" if record.get("output") else "without"
        raise ValueError(f"an output of status {record['status']!r} {has} a file")
    return record


def _slowly(line: str) -> Record:
    """Read a line that the quick reader refused: it takes no lone surrogates, which file names in a reason may hold.

    Raises:
        ValueError: As :func:`parse_record`.
    """
    try:
        record: Record = _ADAPTER.validate_python(parse_line(line))
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
