"""Names of regions, as people and manifests give them, and the regions of a tuner that they stand for (PasteDrive)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ..core.errors import ConfigError

V = TypeVar("V")


def expand_guides(
    given: Mapping[str, V], regions: Mapping[str, tuple[str, ...]], owner: str, *, word: str = "guide"
) -> dict[str, V]:
    """What each of a tuner's own regions is given.

    Args:
        given: Guides by the region names that stand in a manifest or on the command line ("eyes").
        regions: Region names that the tuner knows, each with its regions ("left_eye", "right_eye").
        owner: Component that knows the names, for messages.
        word: What the names are called where they were given, for messages.

    Raises:
        ConfigError: When a name is unknown, or two of them share a region.

    >>> expand_guides({"eyes": 1, "mouth": 2}, {"eyes": ("left_eye", "right_eye"), "mouth": ("mouth",)}, "tuner")
    {'left_eye': 1, 'right_eye': 1, 'mouth': 2}
    """
    if given and not regions:
        raise ConfigError(f"{word} {next(iter(given))}: {owner} knows no regions: leave it out")
    expanded: dict[str, V] = {}
    by: dict[str, str] = {}
    for name, value in given.items():
        if name not in regions:
            raise ConfigError(f"{word} {name}: {owner} has no such region (known: {', '.join(regions)})")
        for region in regions[name]:
            if region in by:
                raise ConfigError(f"{word} {name}: {region} is given twice, {by[region]} covers it too")
            by[region] = name
            expanded[region] = value
    return expanded
