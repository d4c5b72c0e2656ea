"""Suite manifests: which assets there are, and which cases they form (paper, section 4.1).

A manifest is a YAML file. Cross suites list identities and drivings, and every pair is a case; self suites list clips,
each of which gives both its identity frame and its driving frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from ..core.digest import digest
from ..core.download import url_problem
from ..core.errors import ManifestError
from ..core.files import is_safe_relative
from ..core.options import first_problem
from ..core.yamlfile import load_mapping

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")
"""Endings of manifests; JSON is read as the YAML that it is."""
MAX_CASES = 100_000
DISPLAY_VERSION = 2
"""Raise it when the frames that a file shows change: pixel shape, crop, colours, alpha, order."""


class SuiteKind(StrEnum):
    """The three benchmarks of the paper."""

    CROSS_IMAGE = "cross-image"
    CROSS_VIDEO = "cross-video"
    SELF_VIDEO = "self-video"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Asset(_Strict):
    """One media file: where it is, what it must hash to, and by what right it is used."""

    path: str = Field(description="Relative to the manifest's folder or to the root named, with forward slashes.")
    root: str | None = Field(default=None, description="One of the suite's roots; without it the manifest's folder.")
    url: str | None = Field(default=None, description="Where `bench data fetch` finds it; https only.")
    sha256: Sha256
    bytes: int = Field(gt=0, le=4 * 2**30)
    media: Literal["image", "video"]
    licence: str = Field(min_length=1, description="SPDX id or a short statement.")
    provenance: str = Field(min_length=1, description="Where it comes from, and whether the people shown consented.")
    person: str | None = Field(default=None, description="A label that tells people apart inside the suite.")

    @field_validator("path")
    @classmethod
    def _path_stays_inside(cls, value: str) -> str:
        if not is_safe_relative(value) or value.startswith("~/"):
            raise ValueError(
                f"must be a relative path inside the manifest's folder, not {value!r} (folders elsewhere: roots)"
            )
        return value

    @field_validator("url")
    @classmethod
    def _url_is_https(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith("https://"):
            raise ValueError(f"must start with https://, not {value[:40]!r}")
        if problem := url_problem(value):
            raise ValueError(f"{value[:80]!r} is no web address: {problem}")
        return value


class Crop(_Strict):
    """A square window of the picture as shown (upright, square pixels), in its own pixels; resized to the canvas."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    side: int = Field(ge=8, le=16384)


class Window(_Strict):
    """Some frames of one asset, as a clip.

    Without a crop the largest centred square is taken, so that every generator and every metric sees the same framing.
    """

    asset: str
    start: int = Field(default=0, ge=0, description="Index of the first frame.")
    frames: int = Field(default=1, ge=1, le=100_000)
    crop: Crop | None = None


class NamedWindow(Window):
    """A window that cases refer to by id."""

    id: Identifier


class Driving(NamedWindow):
    """A driving image or clip; single regions of the face may be driven by others (the paper's PasteDrive)."""

    model_config = ConfigDict(from_attributes=True)  # a plain window is a driving without guides

    guides: dict[Identifier, Window] = Field(
        default={},
        description="By region (eyes, brows, mouth, nose, or one eye or brow): what drives it in place of this window, "
        "frame by frame; a shorter one holds its last frame. For tuners that know regions.",
    )

    @property
    def window(self) -> Window:
        """The window alone."""
        return Window(asset=self.asset, start=self.start, frames=self.frames, crop=self.crop)

    @model_serializer(mode="wrap")
    def _without_empty_guides(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A suite without guides has the digest that it had before there were any.
        data: dict[str, Any] = plain(self)
        return data if self.guides else {name: value for name, value in data.items() if name != "guides"}


class SelfClip(_Strict):
    """A clip that drives itself: identity frame from its beginning, driving frames from its end, no overlap."""

    id: Identifier
    asset: str
    identity_frame: int = Field(ge=0)
    start: int = Field(ge=0, description="First driving frame.")
    frames: int = Field(ge=1, le=100_000)
    crop: Crop | None = None

    @model_validator(mode="after")
    def _identity_is_not_driving(self) -> Self:
        if self.start <= self.identity_frame < self.start + self.frames:
            raise ValueError(f"clip {self.id!r}: identity_frame {self.identity_frame} lies inside the driving frames")
        return self


@dataclass(frozen=True)
class Case:
    """One test case: animate ``identity`` by ``driving``.

    Attributes:
        id: Case id, unique in its suite.
        suite: Name of the suite.
        kind: Kind of the suite.
        identity_id: Id of the identity, by which statistics cluster.
        driving_id: Id of the driving clip, by which statistics cluster.
        identity: The identity image.
        driving: The driving clip.
        target: The ideal output, where it is known.
        guides: By region: what drives it in place of ``driving``.
    """

    id: str
    suite: str
    kind: SuiteKind
    identity_id: str
    driving_id: str
    identity: Window
    driving: Window
    target: Window | None
    guides: Mapping[str, Window] = field(default_factory=dict)

    @property
    def windows(self) -> list[Window]:
        """All of them, each role once."""
        return [self.identity, self.driving, *([self.target] if self.target else []), *self.guides.values()]


class Suite(_Strict):
    """A benchmark: assets and the cases they form."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Identifier
    title: str
    kind: SuiteKind
    size: int = Field(default=512, ge=32, le=4096, description="Side of the square canvas in pixels.")
    quick: int | None = Field(default=None, ge=1, description="Cases of a first look, where all take long.")
    notes: list[str] = []
    roots: dict[Identifier, str] = Field(default={}, description="Folders outside the manifest's own, absolute.")
    assets: dict[Identifier, Asset]
    identities: list[NamedWindow] = []
    drivings: list[Driving] = []
    clips: list[SelfClip] = []
    targets: dict[str, Window] = Field(default={}, description="Ideal outputs by case id, where they are known.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.kind is SuiteKind.SELF_VIDEO:
            if not self.clips or self.identities or self.drivings:
                raise ValueError("a self-video suite lists clips, and neither identities nor drivings")
        elif self.clips or not self.identities or not self.drivings:
            raise ValueError(f"a {self.kind} suite lists identities and drivings, and no clips")
        if len(self.identities) * len(self.drivings) > MAX_CASES or len(self.clips) > MAX_CASES:
            raise ValueError(f"more than {MAX_CASES} cases")
        self._check_roots()
        self._check_windows("identities", self.identities)
        self._check_windows("drivings", self.drivings)
        for driving in self.drivings:
            self._check_windows(f"drivings[{driving.id}].guides", list(driving.guides.values()))
        self._check_windows("clips", self.clips)
        ids = [case.id for case in self._formed]
        twice = [name for name, count in Counter(map(str.lower, ids)).items() if count > 1]
        if twice:
            raise ValueError(f"two cases are called {twice[0]!r}: keep double underscores out of ids")
        unknown = sorted(set(self.targets) - set(ids))
        if unknown:
            raise ValueError(f"targets: no case is called {unknown[0]!r}")
        self._check_windows("targets", list(self.targets.values()))
        return self

    def _check_roots(self) -> None:
        for name, folder in self.roots.items():
            if not folder.startswith("~") and not Path(folder).is_absolute():
                raise ValueError(f"roots.{name}: must be an absolute folder, not {folder!r}")
        for asset_id, asset in self.assets.items():
            if asset.root is not None and asset.root not in self.roots:
                raise ValueError(f"assets.{asset_id}: no root is called {asset.root!r}")

    def root_of(self, asset_id: str, folder: Path) -> Path:
        """The folder that an asset's path starts from: ``folder``, the manifest's own, unless it names a root."""
        root = self.assets[asset_id].root
        return folder if root is None else Path(self.roots[root]).expanduser()

    def _check_windows(self, field: str, windows: Sequence[Window | SelfClip]) -> None:
        seen: set[str] = set()
        for index, window in enumerate(windows):
            where = f"{field}[{getattr(window, 'id', index)}]"
            asset = self.assets.get(window.asset)
            if asset is None:
                raise ValueError(f"{where}: no asset is called {window.asset!r}")
            if isinstance(window, NamedWindow | SelfClip):
                if window.id.lower() in seen:
                    raise ValueError(f"{where}: the id stands twice (upper and lower case count as equal)")
                seen.add(window.id.lower())
            single = self.kind is SuiteKind.CROSS_IMAGE or field == "identities"
            if window.frames > 1 and (single or asset.media == "image"):
                raise ValueError(f"{where}: {window.frames} frames, where one is meant")

    def cases(self) -> list[Case]:
        """Form the cases: identities x drivings in file order, or one per clip."""
        return list(self._formed)

    @cached_property
    def _formed(self) -> list[Case]:
        if self.kind is SuiteKind.SELF_VIDEO:
            return [self._self_case(clip) for clip in self.clips]
        drivings = [(driving, driving.window) for driving in self.drivings]
        return [
            Case(
                id=(case_id := f"{identity.id}__{driving.id}"),
                suite=self.name,
                kind=self.kind,
                identity_id=identity.id,
                driving_id=driving.id,
                identity=identity,
                driving=window,
                target=self.targets.get(case_id),
                guides=driving.guides,
            )
            for identity in self.identities
            for driving, window in drivings
        ]

    def _self_case(self, clip: SelfClip) -> Case:
        driving = Window(asset=clip.asset, start=clip.start, frames=clip.frames, crop=clip.crop)
        return Case(
            id=clip.id,
            suite=self.name,
            kind=self.kind,
            identity_id=clip.id,
            driving_id=clip.id,
            identity=Window(asset=clip.asset, start=clip.identity_frame, crop=clip.crop),
            driving=driving,
            target=driving,
        )

    def window_key(self, window: Window) -> str:
        """Digest of everything that decides a window's pixels."""
        return digest(list(self.window_content(window).values()))

    def window_content(self, window: Window) -> dict[str, Any]:
        """Everything that decides a window's pixels, as plain data: content, frames, crop, canvas, reading rules."""
        return {
            "sha256": self.assets[window.asset].sha256,
            "start": window.start,
            "frames": window.frames,
            "crop": window.crop.model_dump() if window.crop else None,
            "size": self.size,
            "display": DISPLAY_VERSION,
        }


def load_suite(path: Path) -> Suite:
    """Read and check a manifest.

    Args:
        path: A YAML file.

    Returns:
        The suite; its media have not been looked at.

    Raises:
        ManifestError: In one line that names the file, the field and what is wrong with it.
    """
    if path.exists() and not path.is_file():
        raise ManifestError(f"manifest {path}: is no regular file; give a YAML or JSON file")
    try:
        return Suite.model_validate(load_mapping(path, "schema, name, kind and assets"))
    except ValidationError as error:
        field, message = first_problem(error)
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ManifestError(f"manifest {path}: {field or 'manifest'}: {message}{more}") from error
    except ValueError as error:
        raise ManifestError(f"manifest {path}: {error}") from error
