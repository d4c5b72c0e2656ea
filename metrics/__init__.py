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
        "emo_sim": "portraitbench.metrics.emotion:EmoSim",
        "psnr_mask": "portraitbench.metrics.pixels:PsnrMask",
        "ssim_mask": "portraitbench.metrics.pixels:SsimMask",
        "psnr_black": "portraitbench.metrics.pixels:PsnrBlack",
        "ssim_black": "portraitbench.metrics.pixels:SsimBlack",
    },
)
"""Metrics by name, without version: ``METRICS.get("id_sim")({})`` makes one; see also ``resolve``."""
