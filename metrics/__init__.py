"""Metrics: pure functions with thin classes around them, each with a versioned id."""

from ..core.registry import Registry
from .base import Metric

METRICS: Registry[type[Metric]] = Registry(
    "metric",
    "portraitbench.metrics",
    {
        "id_sim": "portraitbench.metrics.identity:IdSim",
        "id_dlib_l2": "portraitbench.metrics.identity:IdDlibL2",
        "id_pocket_cos": "portraitbench.metrics.identity:IdPocketCos",
        "leak_dlib_l2": "portraitbench.metrics.identity:LeakDlibL2",
        "leak_pocket_cos": "portraitbench.metrics.identity:LeakPocketCos",
        "aed_lmk_px512": "portraitbench.metrics.expression:AedLandmarksPx512",
        "aed_lmk_iod": "portraitbench.metrics.expression:AedLandmarksIod",
        "aed_lmk_target_px512": "portraitbench.metrics.expression:AedLandmarksTargetPx512",
        "akd_l1_px256": "portraitbench.metrics.expression:AkdL1Px256",
        "aed_coeff_l1": "portraitbench.metrics.coefficients:AedCoefficientsL1",
        "aed_coeff_l2": "portraitbench.metrics.coefficients:AedCoefficientsL2",
        "aed_blendshape52_l1": "portraitbench.metrics.blendshapes:AedBlendshapes",
        "aed_blendshape52_eyes_l1": "portraitbench.metrics.blendshapes:AedBlendshapesEyes",
        "aed_blendshape52_brows_l1": "portraitbench.metrics.blendshapes:AedBlendshapesBrows",
        "aed_blendshape52_mouth_l1": "portraitbench.metrics.blendshapes:AedBlendshapesMouth",
        "aed_blendshape52_jaw_l1": "portraitbench.metrics.blendshapes:AedBlendshapesJaw",
        "aed_blendshape52_cheeks_l1": "portraitbench.metrics.blendshapes:AedBlendshapesCheeks",
        "aed_blendshape52_delta_l1": "portraitbench.metrics.blendshapes:AedBlendshapesDelta",
        "apd_deg": "portraitbench.metrics.pose:ApdDegrees",
        "gaze_deg": "portraitbench.metrics.gaze:GazeDegrees",
        "expression_ccc": "portraitbench.metrics.dynamics:ExpressionCcc",
        "blink_f1": "portraitbench.metrics.dynamics:BlinkF1",
        "jitter_lmk": "portraitbench.metrics.dynamics:LandmarkJitter",
        "sharpness_ratio": "portraitbench.metrics.sharpness:SharpnessRatio",
        "emo_sim": "portraitbench.metrics.emotion:EmoSim",
        "va_ccc": "portraitbench.metrics.emotion:ValenceArousalCcc",
        "lpips_alex": "portraitbench.metrics.lpips:LpipsAlex",
        "lpips_squeeze": "portraitbench.metrics.lpips:LpipsSqueeze",
        "tlp_alex": "portraitbench.metrics.lpips:TlpAlex",
        "psnr_mask": "portraitbench.metrics.pixels:PsnrMask",
        "ssim_mask": "portraitbench.metrics.pixels:SsimMask",
        "psnr_black": "portraitbench.metrics.pixels:PsnrBlack",
        "ssim_black": "portraitbench.metrics.pixels:SsimBlack",
    },
)
"""Metrics by name, without version: ``METRICS.get("id_sim")({})`` makes one; see also ``resolve``."""
