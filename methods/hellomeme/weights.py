"""The published files that HelloMeme v3 needs: what each is for, where it is looked for, and whether it is whole.

Which parts there are, and what each is for: upstream HelloVision/HelloMeme at e0c7fe1. Neither sizes nor digests are
published with the code, so files are judged by what they say of themselves: a safetensors header gives every tensor's
name, shape and place, an ONNX graph its inputs. What ``bench data fetch --weights hellomeme`` brings is recorded
beside it with the hub's own sizes and digests, and judged by these too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import WeightsError
from ...core.files import human_size
from ...core.hub import HUB

OWNER = "method hellomeme"
EXTRA = "hellomeme"
PUBLISHER = "songkey"
BASE, PLAIN = "realisticVisionV60B1_v51VAE", "stable-diffusion-v1-5"
VISION, FACES = "IP-Adapter", "hello_group_facemodel"
FILES = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
    "model.safetensors",
    "model.fp16.safetensors",
    "pytorch_model.bin",
)
"""Names that a model's weights may have; the first one found is read."""
UNSTATED = "licence not stated by the publisher"
OPENRAIL = "CreativeML OpenRAIL-M"
GET = "bench data fetch --weights hellomeme"


@dataclass(frozen=True)
class Part:
    """Some files of one hub repository that are loaded together.

    Attributes:
        name: Repository and folder within it, or repository and file for face models.
        role: What it does.
        licence: A note for people; the hub's page decides.
        parameters: Numbers in its weights file; 0 for files that are no network of ours.
        files: Its files where their names are fixed; empty for a model, which is ``config.json`` and one of ``FILES``.
        only: The option value that needs it; empty for all.
        without_mid: Numbers in its weights file without a middle block, where its config may leave that out.
    """

    name: str
    role: str
    licence: str = UNSTATED
    parameters: int = 0
    files: tuple[str, ...] = ()
    only: frozenset[str] = frozenset()
    without_mid: int = 0

    @property
    def fewest_parameters(self) -> int:
        """The fewest numbers that a whole file can have: motion modules come with and without a middle block."""
        return self.without_mid or self.parameters

    @property
    def publisher(self) -> str:
        """Owner of the hub repository."""
        return PUBLISHER

    @property
    def repository(self) -> str:
        """The hub repository, without its owner."""
        return self.name.partition("/")[0]

    @property
    def below(self) -> str:
        """Folder within the repository; empty for its top."""
        return "" if self.files and self.files[0].endswith(".onnx") else self.name.partition("/")[2]

    @property
    def alternatives(self) -> list[tuple[str, ...]]:
        """For each of its files the names that it may have."""
        fixed: list[tuple[str, ...]] = [(name,) for name in self.files]
        return fixed or [("config.json",), FILES]

    @property
    def url(self) -> str:
        """Page of the repository."""
        return f"{HUB}/{PUBLISHER}/{self.repository}"

    @property
    def about(self) -> str:
        """Its size for people, as far as it is known beforehand."""
        return f"{human_size(2 * self.parameters)} in 16 bit" if self.parameters else "size not published"


def _words(repository: str, only: str = "") -> list[Part]:
    """A text encoder and its tokenizer."""
    values, role = frozenset(only.split()), "reads the prompt"
    return [
        Part(f"{repository}/text_encoder", role, OPENRAIL, 123_060_480, only=values),
        Part(f"{repository}/tokenizer", role, OPENRAIL, files=("vocab.json", "merges.txt"), only=values),
    ]


def _face(file: str, role: str, only: str = "") -> Part:
    return Part(f"{FACES}/{file}", role, files=(file,), only=frozenset(only.split()))


_X1, _X2 = frozenset(["x1"]), frozenset(["x2"])
_CNTRL1, _CNTRL2 = frozenset(["cntrl1"]), frozenset(["cntrl2"])
DETECTOR, LANDMARKS, HEAD, BLENDSHAPES = (
    "hello_face_det.onnx",
    "hello_face_landmark.onnx",
    "hello_3dmm.onnx",
    "hello_arkit_blendshape.onnx",
)
PARTS = (
    Part(f"{BASE}/unet", "denoises", OPENRAIL, 859_520_964),
    Part(f"{BASE}/vae", "decodes frames", OPENRAIL, 83_653_863),
    *_words(BASE, "x2"),
    Part(f"{PLAIN}/unet", "reads the reference, makes keyframes", OPENRAIL, 859_520_964, only=_X1),
    Part(f"{PLAIN}/vae", "encodes frames", OPENRAIL, 83_653_863, only=_X1),
    *_words(PLAIN),
    Part("hm3_reference", "puts the reference's features in", parameters=90_544_000),
    Part("hm3_control_mix", "puts head turn and expression in", parameters=198_735_616),
    Part("hm3_animatediff", "motion modules, for clips", parameters=453_813_440, without_mid=417_700_800),
    Part("hm3_motion", "ties windows of a clip together", parameters=183_478_400),
    Part("pd_fgc_motion", "expression code", parameters=8_506_313, only=_CNTRL2),
    Part(f"{VISION}/models/image_encoder", "reads face parts", parameters=632_076_800, only=_CNTRL1),
    _face(DETECTOR, "finds faces"),
    _face(LANDMARKS, "places 222 points"),
    _face(HEAD, "reads the head's turn and place"),
    _face(BLENDSHAPES, "reads expression coefficients", "cntrl1"),
)
"""All parts of version 3. Parameters of the motion modules are those of diffusers' defaults; their config decides."""


def needed(style: str | None = None, control: str | None = None) -> list[Part]:
    """Parts that a style mode and a control kind need; None stands for any.

    >>> "pd_fgc_motion" in [part.name for part in needed("x1", "cntrl1")]
    False
    """
    chosen = {style} if style else {"x1", "x2"}
    chosen |= {control} if control else {"cntrl1", "cntrl2"}
    return [part for part in PARTS if part.only <= chosen]


def part_named(name: str) -> Part:
    """The part of a name."""
    return next(part for part in PARTS if part.name == name)


def repository_folder(repository: str, weights: Path | None) -> Path | None:
    """A repository's folder; nothing is fetched.

    Args:
        repository: Without its owner.
        weights: Folder of such folders; None looks into the Hugging Face cache.

    Returns:
        The folder, or None where there is none.
    """
    if weights is not None:
        folder = weights.expanduser() / repository
        return folder if folder.is_dir() else None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(f"{PUBLISHER}/{repository}", local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def part_folder(part: Part, weights: Path | None) -> Path:
    """Folder that holds a part's files.

    Raises:
        WeightsError: When it is missing; says what to fetch, how large it is and from where.
    """
    root = repository_folder(part.repository, weights)
    if root is not None and (root / part.below).is_dir():
        return root / part.below
    raise missing(part, part.name, weights)


def missing(part: Part, name: str, weights: Path | None) -> WeightsError:
    """The error for a file or folder that is not there."""
    place = "the Hugging Face cache" if weights is None else str(weights)
    to = "" if weights is None else f" --to {weights}"
    return WeightsError(
        f"{OWNER}: {name} is not in {place} ({part.role}, {part.about}): run '{GET}{to}', or get it from {part.url}; "
        "weights=random-tiny tries the chain without weights"
    )
