"""Primary metrics: the few that a verdict is about, one list per benchmark; all others are exploratory.

The lists are the columns of the paper's Table 1. Each column is measured by the first metric of its choices that a run
has: the paper leaves the face model open, and none of them is worth more than the others as a column.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..datasets.manifest import SuiteKind


@dataclass(frozen=True)
class PrimaryMetric:
    """A column of the paper's table.

    Attributes:
        title: What the paper calls it.
        choices: Names of the metrics that may stand for it; the first one that a run has does.
    """

    title: str
    choices: tuple[str, ...]


_IDENTITY = PrimaryMetric("ID-SIM", ("id_sim", "id_dlib_l2", "id_pocket_cos"))
_EXPRESSION = PrimaryMetric("AED", ("aed_lmk_px512",))
PRIMARY: Mapping[SuiteKind, tuple[PrimaryMetric, ...]] = {
    SuiteKind.CROSS_IMAGE: (_IDENTITY, _EXPRESSION),
    SuiteKind.CROSS_VIDEO: (_IDENTITY, PrimaryMetric("EMO-SIM", ("emo_sim",)), _EXPRESSION),
    SuiteKind.SELF_VIDEO: (PrimaryMetric("PSNR", ("psnr_mask",)), PrimaryMetric("SSIM", ("ssim_mask",))),
}


def primary_ids(kind: SuiteKind, measured: Collection[str], chosen: Collection[str] = ()) -> list[str]:
    """The primary metrics among those that are measured.

    Args:
        kind: The benchmark.
        measured: Full ids.
        chosen: Names, with or without version, that the user has made primary instead; empty for the benchmark's own.

    >>> primary_ids(SuiteKind.CROSS_IMAGE, ["aed_lmk_iod/1", "aed_lmk_px512/1", "id_dlib_l2/1", "id_sim/1"])
    ['id_sim/1', 'aed_lmk_px512/1']
    """
    by_name = {spelled: one for one in measured for spelled in (one, one.partition("/")[0])}
    if chosen:
        return [one for one in dict.fromkeys(by_name.get(name, "") for name in chosen) if one]
    found = (next((by_name[name] for name in column.choices if name in by_name), "") for column in PRIMARY[kind])
    return [one for one in found if one]


def unmeasured(kind: SuiteKind, measured: Collection[str]) -> list[PrimaryMetric]:
    """The primary columns of a benchmark that no measured metric stands for.

    Args:
        kind: The benchmark.
        measured: Full ids.
    """
    names = {one.partition("/")[0] for one in measured}
    return [column for column in PRIMARY[kind] if not names & set(column.choices)]


def primary_in(name: str) -> str:
    """Where a metric is primary by default, in words; "no benchmark" for the exploratory ones.

    >>> primary_in("emo_sim")
    'cross-video (as EMO-SIM)'
    """
    found = []
    for kind, columns in PRIMARY.items():
        for column in columns:
            if name in column.choices:
                before = " or ".join(column.choices[: column.choices.index(name)])
                found.append(f"{kind} (as {column.title}{f', without {before}' if before else ''})")
    return ", ".join(found) or "no benchmark"
