"""Suites by name: built in, from plug-ins, or the user's own manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, ManifestError
from ..core.files import user_path
from ..core.registry import Registry
from .manifest import MANIFEST_SUFFIXES, Case, Suite, Window, load_suite

_FOLDER = Path(__file__).with_name("suites")

POCKET_IMAGE = _FOLDER / "pocket-image.yaml"
POCKET_VIDEO = _FOLDER / "pocket-video.yaml"
POCKET_SELF = _FOLDER / "pocket-self.yaml"
PUBLIC_CROSS_IMAGE = _FOLDER / "public-cross-image.yaml"
PUBLIC_CROSS_VIDEO = _FOLDER / "public-cross-video.yaml"
PUBLIC_SELF_VIDEO = _FOLDER / "public-self-video.yaml"

SuiteSource = Path | str | Callable[[Path], Path]
"""A manifest's path, or a function that gets the cache folder, makes the suite there and returns its manifest."""

SUITES: Registry[SuiteSource] = Registry(
    "suite",
    "portraitbench.suites",
    {
        "pocket-image": f"{__name__}:POCKET_IMAGE",
        "pocket-video": f"{__name__}:POCKET_VIDEO",
        "pocket-self": f"{__name__}:POCKET_SELF",
        "demo-image": f"{__package__}.demo:demo_image",
        "demo-video": f"{__package__}.demo:demo_video",
        "demo-self": f"{__package__}.demo:demo_self",
        "public-cross-image": f"{__name__}:PUBLIC_CROSS_IMAGE",
        "public-cross-video": f"{__name__}:PUBLIC_CROSS_VIDEO",
        "public-self-video": f"{__name__}:PUBLIC_SELF_VIDEO",
    },
)

GROUPS = {
    "pocket": ("pocket-image", "pocket-video", "pocket-self"),
    "demo": ("demo-image", "demo-video", "demo-self"),
    "public": ("public-cross-image", "public-cross-video", "public-self-video"),
}
"""Names that stand for several suites."""


def members(name: str) -> tuple[str, ...]:
    """The suites that a name stands for: those of a group, else the name itself."""
    return GROUPS.get(name, (name,))


@dataclass(frozen=True)
class OpenSuite:
    """A suite and the folder that its asset paths start from."""

    suite: Suite
    folder: Path

    @cached_property
    def _cases(self) -> dict[str, Case]:
        return {case.id: case for case in self.suite.cases()}

    @cached_property
    def _contents(self) -> dict[Window, tuple[dict[str, Any], str]]:
        return {}

    @cached_property
    def _contents_by_place(self) -> dict[int, tuple[dict[str, Any], str]]:
        """By the identity of the suite's own windows, which cases share: hashing one takes longer than all else."""
        windows = {id(window): window for case in self._cases.values() for window in case.windows}
        return {place: self._by_value(window) for place, window in windows.items()}

    def window_content(self, window: Window) -> dict[str, Any]:
        """See :meth:`Suite.window_content`; the same object for the same window."""
        return self._content(window)[0]

    def window_key(self, window: Window) -> str:
        """See :meth:`Suite.window_key`; computed once per window."""
        return self._content(window)[1]

    def _content(self, window: Window) -> tuple[dict[str, Any], str]:
        return self._contents_by_place.get(id(window)) or self._by_value(window)

    def _by_value(self, window: Window) -> tuple[dict[str, Any], str]:
        if window not in self._contents:
            self._contents[window] = self.suite.window_content(window), self.suite.window_key(window)
        return self._contents[window]

    def case(self, case_id: str) -> Case:
        """A case by id.

        Raises:
            ConfigError: When the suite has no such case.
        """
        if case_id not in self._cases:
            raise ConfigError(f"suite {self.suite.name} has no case called {case_id!r}")
        return self._cases[case_id]


def open_suite(name: str | Path, cache: Path) -> OpenSuite:
    """Open a suite by name or by its manifest's path.

    Args:
        name: A registered name, or the path of a YAML or JSON file. A bare name is never taken for a file.
        cache: The cache folder; suites that are made rather than stored are made there.

    Returns:
        The suite, checked but without a look at its media.

    Raises:
        ConfigError: When the name is unknown; offers the nearest ones.
        ManifestError: When the manifest cannot be used.
    """
    text = str(name)
    if isinstance(name, Path) or text.endswith(MANIFEST_SUFFIXES) or "/" in text or "\\" in text:
        try:
            path = user_path(Path(name))
        except ValueError as error:
            raise ManifestError(f"manifest {error}") from error
        if path.is_dir():
            raise ManifestError(f"manifest {path}: is a folder; give the YAML file in it")
    else:
        source = SUITES.get(text)
        path = source(cache) if callable(source) else Path(source)
    return OpenSuite(load_suite(path), path.parent)
