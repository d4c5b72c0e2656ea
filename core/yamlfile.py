"""YAML read with its dangers taken out: no tags, no bombs, no silently doubled keys."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 8 * 2**20
MAX_NODES = 400_000
MAX_DEPTH = 40


class _Loader(yaml.SafeLoader):
    """A safe loader that counts nodes, refuses aliases and refuses repeated keys."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.nodes = 0
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "aliases (*name) are not allowed here", event.start_mark)
        self.nodes += 1
        self.depth += 1
        if self.nodes > MAX_NODES or self.depth > MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "too many or too deeply nested values", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(None, None, "keys must be plain words, not lists", key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> Any:
    """Read one YAML document of plain data.

    Args:
        path: A file of at most 8 MiB.

    Returns:
        Dicts, lists and scalars; None for an empty file.

    Raises:
        OSError: When the file cannot be read.
        ValueError: In one line with the position, when it is not YAML, not UTF-8, too large, or uses tags or aliases.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 2**20} MiB")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from error
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split()) or "is nested too deeply") from error


def load_mapping(path: Path, fields: str) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping.

    Args:
        path: The file.
        fields: What it should hold, for the message ("suites and methods").

    Raises:
        ValueError: In one line without the path, whatever is wrong: missing, unreadable, unsafe, or no mapping.
    """
    try:
        data = load_yaml(path)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if not isinstance(data, dict):
        raise ValueError(f"expected a mapping of fields like {fields}")
    return data
