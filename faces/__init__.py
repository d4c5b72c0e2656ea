"""Things that look at faces: one file per backend, one policy for which face counts, one cache of what was seen."""

from ..core.registry import Registry
from .base import FaceBackendFactory

BACKENDS: Registry[FaceBackendFactory] = Registry(
    "face backend",
    "portraitbench.faces",
    {
        "dlib": "portraitbench.faces.dlib_backend:DlibBackend",
        "insightface": "portraitbench.faces.insightface_backend:InsightFaceBackend",
        "face-alignment": "portraitbench.faces.face_alignment_backend:FaceAlignmentBackend",
        "mediapipe": "portraitbench.faces.backends.mediapipe:MediapipeBackend",
        "hsemotion": "portraitbench.faces.backends.hsemotion:HsemotionBackend",
        "emonet": "portraitbench.faces.emonet_backend:EmoNetBackend",
        "pocket": "portraitbench.faces.pocket_backend:PocketBackend",
    },
)
"""Face backends by name: ``BACKENDS.get("dlib")(options, device="cpu")`` makes one."""
