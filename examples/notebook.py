# A tour of portraitbench, cell by cell: open it as a notebook (# %%) or run it with Python.
# It takes seconds and downloads nothing: one case of the embedded suite, an embedded generator, an embedded face model.

# %% A metric of our own, in ten lines
import numpy as np

import portraitbench as pb


class Contrast(pb.Metric):
    spec = pb.MetricSpec(
        id="contrast_gap/1",
        title="Contrast gap",
        unit="gray level",
        higher_is_better=False,
        level="frame",
        needs=(),
        roles=("driving",),
        kinds=tuple(pb.SuiteKind),
        definition="Absolute difference of the standard deviations over all pixels of a frame, output and driver.",
    )

    def __call__(self, scene: pb.Scene) -> pb.Scores:
        made, driven = (view.clip.frames.std(axis=(1, 2, 3)) for view in (scene.generated, scene.driving))
        return pb.Scores.of_frames(np.abs(made - driven), np.ones(len(made), bool))


pb.METRICS.add("contrast_gap", Contrast)

# %% A run: the embedded generator, and the identity image as it is
run = pb.run(
    suites=["pocket-image"],
    limit=1,
    baseline="pocket:steps=10",
    methods=["copy-identity"],
    metrics=["contrast_gap", "aed_lmk_px512", "id_pocket_cos"],
)
print(run.folder, run.outcome)

# %% Everything that was measured, as one tidy DataFrame
frame = run.frame()
print(frame[["case", "method", "metric", "value", "status"]])

# %% A row per case and method, a column per metric: ordinary pandas
print(frame.pivot_table(index=["case", "method"], columns="metric", values="value"))

# %% Means with coverage. One case gives no interval, and a comparison says so
print(run.summary()[["method", "metric", "mean", "coverage", "n", "grade"]])

# %% Read it back tomorrow, with another metric on the same outputs
again = pb.score(pb.load(run.folder), metrics=["contrast_gap", "aed_lmk_iod"], only=True)
print(again.summary()[["method", "metric", "mean", "unit"]])
