"""High dynamic range brought to an SDR screen by one stated operator.

PQ (SMPTE ST 2084) and HLG (ITU-R BT.2100) code values become light on a 1000 cd/m2 screen. ITU-R BT.2390-10, 5.4.1
rolls off what is brighter than 203 cd/m2, the reference white of ITU-R BT.2408: in the PQ domain, channel by channel,
identity up to 87 cd/m2. The result is brought to BT.709's primaries (ITU-R BT.2087), clipped, and coded for the
reference screen of ITU-R BT.1886 (exponent 2.4, white at 203 cd/m2).
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["PQ", "HLG"]

HDR_TRANSFERS: dict[int, Transfer] = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of HDR (ITU-T H.273, table 3)."""
DESCRIPTION = "tone-mapped to SDR: ITU-R BT.2390, 1000 to 203 cd/m2"
PEAK = 1000.0
"""Brightest light of the source's screen that is told apart, in cd/m2."""
WHITE = 203.0
"""Light that becomes full white, in cd/m2."""

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_TO_709: dict[str, NDArray[np.float64]] = {
    "BT.2020": np.array(
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
    ),
    "P3": np.array([[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]]),
    "BT.709": np.eye(3),
}


def hdr_refusal(transfer: int) -> str:
    """Why a still picture of this transfer is refused: its readers give 8 bits, too few to tone-map."""
    return f"is an HDR picture ({HDR_TRANSFERS[transfer]}), which is not read: export it as SDR, PNG or JPEG"


def tone_map(code: NDArray[np.uint16], transfer: Transfer, primaries: str = "BT.2020") -> NDArray[np.uint8]:
    """Bring HDR code values to SDR.

    Args:
        code: Non-linear R'G'B', 0 to 65535, shape (H, W, 3).
        transfer: How the values stand for light.
        primaries: "BT.2020", "P3" or "BT.709".

    Returns:
        uint8 RGB of the same shape, as for a BT.1886 screen with BT.709's primaries.
    """
    if transfer == "PQ":
        light = _pq_table()[code]
    else:
        scene = _hlg_table()[code]
        # BT.2100, table 5: the screen's light depends on the luminance of all three channels.
        gain = np.power(scene @ _LUMA_2020, _HLG_GAMMA - 1, dtype=np.float32)[..., None]
        light = roll_off(PEAK * gain * scene).astype(np.float32)
    shown = np.clip(light @ _TO_709[primaries].T.astype(np.float32) / WHITE, 0, 1)
    return np.asarray(np.rint(255 * np.power(shown, 1 / 2.4)), np.uint8)


def roll_off(light: NDArray[np.floating]) -> NDArray[np.float64]:
    """BT.2390's electrical-electrical transfer function, from light to light (cd/m2), without a lift of black."""
    top, white = _to_pq(np.float64(PEAK)), _to_pq(np.float64(WHITE)) / _to_pq(np.float64(PEAK))
    knee = 1.5 * white - 0.5
    level = np.minimum(_to_pq(np.asarray(light, np.float64)) / top, 1)
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * white
    return _from_pq(np.where(level < knee, level, spline) * top)


def _to_pq(light: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    power = np.power(np.maximum(light, 0) / 10_000, _M1)
    return np.asarray(np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2))


def _from_pq(code: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.power(code, 1 / _M2)
    return np.asarray(10_000 * np.power(np.maximum(power - _C1, 0) / (_C2 - _C3 * power), 1 / _M1))


@cache
def _pq_table() -> NDArray[np.float32]:
    return roll_off(_from_pq(np.arange(65536) / 65535)).astype(np.float32)


@cache
def _hlg_table() -> NDArray[np.float32]:
    code = np.arange(65536) / 65535
    dark = code**2 / 3
    bright = (np.exp((np.maximum(code, 0.5) - _HLG_C) / _HLG_A) + _HLG_B) / 12
    return np.where(code <= 0.5, dark, bright).astype(np.float32)
