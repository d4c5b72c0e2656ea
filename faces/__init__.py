"""Things that look at faces: one file per backend, one policy for which face counts, one cache of what was seen."""

from ..core.registry import Registry
from .base import FaceBackend

BACKENDS: Registry[type[FaceBackend]] = Registry(
    "face backend",
    "portraitbench.faces",
    {
        "dlib": "portraitbench.faces.backends.dlib:DlibBackend",
        "insightface": "portraitbench.faces.backends.insightface:InsightFaceBackend",
        "face-alignment": "portraitbench.faces.backends.face_alignment:FaceAlignmentBackend",
        "emonet": "portraitbench.faces.backends.emonet:EmoNetBackend",
        "pocket": "portraitbench.faces.backends.pocket:PocketBackend",
    },
)
"""Face backends by name: ``BACKENDS.get("dlib")(options, device="cpu")`` makes one."""
