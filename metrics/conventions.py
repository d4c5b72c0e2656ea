"""What all metrics share, in print: with a metric's definition it suffices to compute its numbers anew.

Whoever changes how frames are shown, which face counts, or how a face model is asked, changes this text too.
"""

from __future__ import annotations

import textwrap

from ..faces.mediapipe_points import IBUG_68
from ..faces.policy import MIN_IOU

NAME = "conventions"
"""What ``bench metrics explain`` is asked for to print them."""

_PARTS = (("jaw", 0, 17), ("brows", 17, 27), ("nose", 27, 36), ("eyes", 36, 48), ("lips", 48, 68))
_MESH = "; ".join(f"{part} {' '.join(map(str, IBUG_68[first:end]))}" for part, first, end in _PARTS)

CONVENTIONS: dict[str, str] = {
    "Frames": (
        "Every metric compares frames on the suite's square canvas, 8-bit RGB. A picture or clip is first shown as a "
        "person sees it: turned as its metadata say, cropped as its container says, transparency over black, embedded "
        "colour profiles ignored, pixels that are not square made square (Pillow's LANCZOS). Clips become RGB by "
        "FFmpeg's swscale with bicubic filters, accurate rounding and full chroma interpolation, by the matrix and "
        "range that they are tagged with, else BT.601 limited. The manifest's crop counts pixels of the picture so "
        "shown; its square is brought to the canvas by Pillow's resize with LANCZOS and box=square, so that pixels "
        "beside the square enter at its edges; without a crop it is the largest centred square. Outputs are read from "
        "the run's lossless files. `bench data export` writes exactly these frames."
    ),
    "Coordinates": (
        "Pixels are counted from 0 and coordinates are those of pixel centres: the first pixel's centre is (0, 0). A "
        "square or box around landmarks therefore takes the pixels from the floor of its lower to the ceiling of its "
        "upper side, both included; a pixel belongs to a mask where its centre lies in the mask's shape, borders "
        "included. Left and right in the names of regions are the picture's, in the names of blendshapes the person's."
    ),
    "Which face": (
        "Every frame is shown to the detector alone. In the first frame of a clip that shows a face the largest box "
        f"counts; afterwards the one that overlaps the last counted box most, if its intersection over union is at "
        f"least {MIN_IOU}, else the largest again. Frames with several faces are counted in the report. The first face "
        "backend of a run that detects is the detector; landmarks, identity, expression, pose and gaze come from the "
        "first that gives each, and are all read off the face so chosen. Which these were stands in the report, and "
        "under 'face models' for each metric, the detector first."
    ),
    "MediaPipe": (
        "The face landmarker in image mode, all three confidences .5, up to 4 faces, RGB. A mesh point is (x width - "
        ".5, y height - .5) of its normalised coordinates; depth is not used. A face's box is the bounding box of all "
        "478 points. Where another backend found the face, the mesh whose box overlaps it most is read. Head rotation "
        "is the upper left 3 x 3 of the facial transformation matrix as given, blendshapes are the scores as given, "
        f"under MediaPipe's names and in its order, _neutral first. Its 68 points are, in iBUG's order: {_MESH}."
    ),
    "dlib": (
        "The frontal HOG detector (option max_upsample: how often the frame may be doubled until it finds one; without "
        "effect where another backend detects), the 68-point shape predictor, and the face recognition ResNet. The "
        "ResNet is given the 68 points of the run's landmark model, rounded to whole pixels, as a full object "
        "detection; compute_face_descriptor cuts its 150 px chip with padding .25 and without jitter. So dlib's "
        "identity numbers depend on the landmark model too: .01 to .02 between dlib's points and MediaPipe's."
    ),
    "Means": (
        "A case's value is the mean over its frames that have one; a suite's is the mean over cases, each of the same "
        "weight. Coverage is the mean over cases of the share of frames with a value (metrics per clip: 0 or 1)."
    ),
}
"""By title: a paragraph each."""


def conventions_text() -> str:
    """All paragraphs, as plain text of 100 columns."""
    return "\n\n".join(f"{title}\n{textwrap.fill(text, 100)}" for title, text in CONVENTIONS.items())


def conventions_markdown() -> str:
    """All paragraphs, as Markdown."""
    return "\n\n".join(f"**{title}.** {text}" for title, text in CONVENTIONS.items())
