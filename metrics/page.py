"""The page ``docs/metrics.md``, made from the metrics' own definitions."""

from __future__ import annotations

from .base import Metric
from .conventions import conventions_markdown
from .resolve import all_metrics

_INTRO = """# Metrics

Made from the definitions in `metrics/` by `invoke docs`; do not edit. `bench metrics explain ID` prints one of them.

No bare "AED" or "EMO-SIM": papers give one name to many numbers, so every id here says what is computed. Values of
different face models are different metrics even under one id; every report names the model.
"""

REWARDS: dict[str, tuple[str, str]] = {
    "id_sim": ("the identity image's face (ArcFace)", "expression and pose; an optimised identity loss inflates it"),
    "id_dlib_l2": ("the identity image's face (dlib)", "expression; coarser than ArcFace"),
    "id_pocket_cos": ("the identity image's face (embedded network)", "real photographs"),
    "leak_dlib_l2": ("not showing the driver's face (dlib)", "whose face is shown instead"),
    "leak_pocket_cos": ("not showing the driver's face (embedded network)", "whose face is shown instead"),
    "aed_lmk_px512": ("landmark shapes like the driver's", "gaze and skin; charges another face shape"),
    "aed_lmk_iod": ("the same, whatever the size of the face", "gaze and skin; charges another face shape"),
    "aed_lmk_target_px512": ("landmark shapes like the ideal output's", "gaze and skin"),
    "akd_l1_px256": ("landmarks in the driver's very places", "hardly anything but framing"),
    "aed_coeff_l1": ("coefficients like the driver's", "what the face model does not see"),
    "aed_coeff_l2": ("coefficients like the driver's, large errors most", "what the face model does not see"),
    "aed_blendshape52_l1": ("expression like the driver's, all regions", "pose, identity, blur"),
    "aed_blendshape52_eyes_l1": ("eyelids and gaze like the driver's", "everything but the eyes"),
    "aed_blendshape52_brows_l1": ("brows like the driver's", "everything but the brows"),
    "aed_blendshape52_mouth_l1": ("lips like the driver's", "everything but the lips"),
    "aed_blendshape52_jaw_l1": ("the jaw as open as the driver's", "everything but the jaw"),
    "aed_blendshape52_cheeks_l1": ("cheeks like the driver's", "everything: MediaPipe's model does not move them"),
    "aed_blendshape52_delta_l1": ("changes of expression like the driver's", "a wrong expression that stays"),
    "apd_deg": ("the head turned as the driver's", "expression, position in the frame"),
    "gaze_deg": ("the irises in the eyes as the driver's", "frames with closed eyes"),
    "expression_ccc": ("expression that moves with the driver's", "blendshapes that the driver keeps still"),
    "blink_f1": ("blinks when the driver blinks", "everything but blinks"),
    "jitter_lmk": ("as much trembling as the driver's", "what moves, and whether it is right"),
    "sharpness_ratio": ("as much detail as the identity image", "whether the detail is right"),
    "emo_sim": ("valence and arousal that move with the driver's", "expressions that feel alike"),
    "va_ccc": ("valence and arousal that move with the driver's", "expressions that feel alike; not EmoNet's scale"),
    "lpips_alex": ("pictures that look like the target", "small errors of expression"),
    "lpips_squeeze": ("pictures that look like the target", "small errors of expression"),
    "tlp_alex": ("change from frame to frame as in the target", "errors that stay"),
    "psnr_mask": ("pixels of the target", "everything as soon as the head is elsewhere"),
    "ssim_mask": ("local structure of the target", "brightness; everything as soon as the head is elsewhere"),
    "psnr_black": ("pixels of the target, and small masks", "everything as soon as the head is elsewhere"),
    "ssim_black": ("local structure of the target, and small masks", "brightness"),
}
"""By name of a built-in metric: what raises its score, and what it does not see or is fooled by."""


def metrics_page(measured: str) -> str:
    """Write the page.

    Args:
        measured: Markdown with what was measured, put after the definitions.

    Returns:
        Markdown.

    Raises:
        KeyError: When a built-in metric has no line in :data:`REWARDS`.
    """
    metrics = [metric for metric in all_metrics() if type(metric).__module__.startswith("portraitbench.")]
    rows = ["## What each rewards", "", "| id | better | rewards | does not see |", "| --- | --- | --- | --- |"]
    for metric in metrics:
        rewards, blind = REWARDS[metric.spec.name.partition("[")[0]]
        better = "higher" if metric.spec.higher_is_better else "lower"
        rows.append(f"| `{metric.spec.id}` | {better} | {rewards} | {blind} |")
    shared = ["## What all share", "", conventions_markdown(), ""]
    sections = ["## Definitions", *(_section(metric) for metric in metrics)]
    return "\n".join([_INTRO, *rows, "", *shared]) + "\n" + "\n\n".join(sections) + "\n\n" + measured


def _section(metric: Metric) -> str:
    spec = metric.spec
    facts = [
        f"{spec.unit}, {'higher' if spec.higher_is_better else 'lower'} is better",
        f"per {spec.level}",
        f"reads {', '.join(('generated', *spec.roles))}",
        f"needs {', '.join(spec.needs) or 'no face model'}",
        f"benchmarks: {', '.join(spec.kinds)}",
    ]
    if spec.aliases:
        facts.append(f"cited as {', '.join(spec.aliases)}")
    if not spec.by_default:
        facts.append("only when asked for")
    return f"### `{spec.id}`: {spec.title}\n\n{'; '.join(facts)}.\n\n{spec.definition}"
