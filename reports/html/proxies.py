"""Small copies of pictures and clips that browsers play: made for looking, never for measuring.

Outputs are kept without loss, as RGB H.264 that no browser plays. Beside the page lie H.264 4:2:0 clips and WebP
pictures, named by a digest of what they show: a proxy is made once, and what no page shows any more is taken away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from PIL import Image

from ...core.digest import digest
from ...core.errors import AssetError, CaseError, ManifestError
from ...core.files import atomic_path, write_text
from ...datasets.clip import Clip

VERSION = 1
"""Raise it when proxies of the same source come out differently."""
LARGEST = 320
"""Longer side of a clip's proxy in pixels; smaller clips keep their size."""
LARGEST_PICTURE = 512
_CRF, _KEYFRAMES, _QUALITY = "20", 10, 92
_INDEX = "index.json"

Load = Callable[[], Clip]
"""Reads what a proxy shows."""


@dataclass(frozen=True)
class Proxy:
    """A file that a browser shows.

    Attributes:
        name: In the folder of proxies.
        frames: Its frames; 1 for a picture.
        fps: Frames per second.
        bytes: Size of the file.
    """

    name: str
    frames: int
    fps: float
    bytes: int


@dataclass(frozen=True)
class Proxies:
    """What can be shown, and what cannot.

    Attributes:
        made: Proxies by the key of their source.
        gone: By key of a source: why there is none.
    """

    made: dict[str, Proxy]
    gone: dict[str, str]

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(proxy.bytes for proxy in self.made.values())


def make_proxies(folder: Path, sources: Mapping[str, Load]) -> Proxies:
    """Make the proxies that are not there yet, and take away those that nothing shows any more.

    Args:
        folder: Where they lie.
        sources: How to read each source, by a digest of its content.

    Returns:
        The proxies; a source that cannot be read has a reason in place of one.
    """
    names = {key: digest([VERSION, LARGEST, LARGEST_PICTURE, key])[:20] for key in sources}
    known = _known(folder)
    made = {key: known[name] for key, name in names.items() if name in known}
    gone: dict[str, str] = {}
    missing = [key for key in sources if key not in made]
    # Decoding and encoding let go of the interpreter; two clips at a time bound the memory.
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for key, found in zip(
            missing, pool.map(lambda key: _make(folder, names[key], sources[key]), missing), strict=True
        ):
            if isinstance(found, Proxy):
                made[key] = found
            else:
                gone[key] = found
    _tidy(folder, made)
    return Proxies({key: made[key] for key in sources if key in made}, gone)


def write_video(path: Path, clip: Clip) -> None:
    """Write a clip as browsers play it: H.264 4:2:0, BT.709; many key frames, so that stepping is quick."""
    width, height = _size(clip, LARGEST, even=True)
    with atomic_path(path) as temporary, av.open(temporary, "w", "mp4", {"movflags": "faststart"}) as container:
        options = {"crf": _CRF, "preset": "veryfast", "bf": "0"}
        stream = container.add_stream("libx264", rate=clip.fps, options=options)
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # One thread: with more, the bytes would depend on how many processors there are.
        context.thread_count, context.gop_size = 1, _KEYFRAMES
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        reformatter = VideoReformatter()
        for index, pixels in enumerate(clip):
            frame = av.VideoFrame.from_ndarray(np.asarray(Image.fromarray(pixels).resize((width, height))), "rgb24")
            shown = reformatter.reformat(
                frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            shown.pts, shown.time_base = index, 1 / clip.fps
            container.mux(stream.encode(shown))
        container.mux(stream.encode())


def write_picture(path: Path, clip: Clip) -> None:
    """Write the first frame of a clip as WebP."""
    picture = Image.fromarray(np.asarray(clip.frames[0])).resize(_size(clip, LARGEST_PICTURE))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="webp", quality=_QUALITY, method=2)


def _make(folder: Path, name: str, load: Load) -> Proxy | str:
    """A proxy, or why there is none."""
    try:
        clip = load()
    except (CaseError, AssetError, ManifestError) as error:
        return str(error)
    path = folder / f"{name}.{'webp' if clip.is_image else 'mp4'}"
    (write_picture if clip.is_image else write_video)(path, clip)
    return Proxy(path.name, len(clip), float(clip.fps), path.stat().st_size)


def _size(clip: Clip, largest: int, *, even: bool = False) -> tuple[int, int]:
    """Width and height of a proxy: never larger than the clip, but for the even sides that 4:2:0 needs."""
    scale = min(1.0, largest / max(clip.width, clip.height))
    step = 2 if even else 1
    width, height = (max(step, round(side * scale / step) * step) for side in (clip.width, clip.height))
    return width, height


def _known(folder: Path) -> dict[str, Proxy]:
    """The proxies of earlier reports that are whole, by the stem of their name."""
    try:
        listed = [Proxy(**entry) for entry in json.loads((folder / _INDEX).read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError, TypeError):
        return {}  # a cache: whatever is wrong with it is made again
    whole = [one for one in listed if (folder / one.name).is_file() and (folder / one.name).stat().st_size == one.bytes]
    return {Path(one.name).stem: one for one in whole}


def _tidy(folder: Path, made: Mapping[str, Proxy]) -> None:
    entries = sorted((asdict(proxy) for proxy in made.values()), key=lambda entry: str(entry["name"]))
    kept = {str(entry["name"]) for entry in entries}
    for pattern in ("*.mp4", "*.webp"):
        for path in folder.glob(pattern):
            if path.name not in kept:
                path.unlink()
    if entries:
        write_text(folder / _INDEX, json.dumps(entries, indent=0) + "\n")
