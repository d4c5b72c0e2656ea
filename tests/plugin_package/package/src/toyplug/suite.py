"""A suite that is drawn where it is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from portraitbench.core.digest import file_sha256
from portraitbench.core.files import write_text
from portraitbench.datasets.media import write_image


def make_stripes(cache: Path) -> Path:
    """Draw the suite's pictures below the cache folder, unless they are there.

    Returns:
        The manifest's path.
    """
    folder = cache / "suites" / "stripes-1"
    manifest = folder / "suite.yaml"
    if not manifest.is_file():
        names = {"wide": 16, "medium": 8, "narrow": 4}
        data = {
            "schema": 1,
            "name": "stripes",
            "title": "Stripes, from a plug-in",
            "kind": "cross-image",
            "size": 64,
            "assets": {name: _asset(folder, name, width) for name, width in names.items()},
            "identities": [{"id": "wide", "asset": "wide"}],
            "drivings": [{"id": name, "asset": name} for name in ("medium", "narrow")],
        }
        write_text(manifest, yaml.safe_dump(data, sort_keys=False))
    return manifest


def _asset(folder: Path, name: str, width: int) -> dict[str, object]:
    columns = np.arange(64) // width % 2 * 100 + 5 * width
    write_image(folder / f"{name}.png", np.broadcast_to(columns[None, :, None], (64, 64, 3)).astype(np.uint8))
    path = folder / f"{name}.png"
    return {
        "path": path.name,
        "sha256": file_sha256(path),
        "bytes": path.stat().st_size,
        "media": "image",
        "licence": "CC0-1.0",
        "provenance": "drawn",
    }
