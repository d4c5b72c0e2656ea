"""What a run does where its configuration leaves something open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from ..methods.base import RANDOM_TINY
from .component import ComponentSpec

REFERENCE_METHODS = ("copy-identity", "copy-driving", "warp")
EMBEDDED = "pocket"
"""Name of the embedded generator, of its face model and of its suites: what runs without a download."""
TUNER = "strucbooth"
"""Name of the tuner that is meant where none is named."""
_DRY_FACES = f"{EMBEDDED}:threshold=0"
"""Takes every picture for a portrait: random weights make none, and a dry run is to go through every step."""
_DRY_CASES = 2


def filled(data: dict[str, Any]) -> dict[str, Any]:
    """Lay defaults under a configuration.

    Nothing given: StrucBooth on the embedded generator, and the ideal output beside it. A suite alone: the reference
    methods on it, or all that the embedded suites are for. A generator alone: the suites it was made for.
    Random weights: a dry run of few cases, with face models that see a face in anything.
    """
    data = dict(data)
    weights = data.pop("weights", None)
    if weights is not None:
        _give_weights(data, weights)
    is_dry = _is_dry(data)
    embedded = all(str(name).startswith(EMBEDDED) for name in data.get("suites") or [])
    if not data.get("methods") and not data.get("baseline"):
        job = {"methods": [TUNER, "ideal"], "baseline": EMBEDDED}
        data |= job if embedded else {"methods": list(REFERENCE_METHODS)}
        if embedded:
            # It is meant for whoever has just installed this: as quick as the machine allows, same numbers.
            data.setdefault("workers", min(4, os.cpu_count() or 1))
    if "suites" not in data:
        baseline = data.get("baseline")
        name = baseline.get("name") if isinstance(baseline, dict) else getattr(baseline, "name", baseline)
        embedded = name is None or str(name).partition(":")[0] == EMBEDDED
        data["suites"] = [EMBEDDED if embedded else "public-cross-image"]
    if "faces" not in data:
        data["faces"] = [_DRY_FACES if is_dry else EMBEDDED if embedded else "dlib"]
    if is_dry and not data.get("full") and not data.get("cases"):
        data.setdefault("limit", _DRY_CASES)
    return data


def _generators(data: Mapping[str, Any]) -> tuple[str, list[ComponentSpec]]:
    """The field that names what makes pictures, and its parts: the baseline, or without one all methods.

    Malformed ones are left out; the check of their field says what is wrong.
    """
    field = "baseline" if data.get("baseline") else "methods"
    given, specs = data.get(field) or [], []
    for part in given if isinstance(given, list) else [given]:
        with suppress(ValidationError):
            specs.append(ComponentSpec.model_validate(part))
    return field, specs


def _is_dry(data: Mapping[str, Any]) -> bool:
    """Whether a generator has random weights."""
    return any(spec.options.get("weights") == RANDOM_TINY for spec in _generators(data)[1])


def _give_weights(data: dict[str, Any], weights: Any) -> None:
    """Make the short field ``weights`` an option of the generators.

    Raises:
        ValueError: When there is none, or one has other weights already.
    """
    field, specs = _generators(data)
    if not data.get(field):
        raise ValueError(f"weights {str(weights)!r}: name the baseline that they are for, like --baseline hellomeme")
    for spec in specs:
        if spec.options.get("weights", weights) != weights:
            raise ValueError(f"weights {str(weights)!r}: {spec.name} has weights={spec.options['weights']} already")
    given = [spec.model_copy(update={"options": {**spec.options, "weights": weights}}) for spec in specs]
    if given:
        data[field] = given[0] if field == "baseline" else given
