"""How fast landmarks are aligned beside SciPy's and scikit-image's own, for a clip. Run with --benchmark-only."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes
from skimage.transform import SimilarityTransform

from portraitbench.metrics.expression import aligned_distance


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    reference = rng.uniform(0, 512, (100, 68, 2))
    return 0.9 * reference + rng.normal(0, 5, reference.shape) + 20, reference


@pytest.mark.benchmark(group="procrustes-100-frames")
def test_aligned_distance(benchmark, clips):
    assert benchmark(aligned_distance, *clips).shape == (100,)


@pytest.mark.filterwarnings("ignore:.*estimate.*:FutureWarning")
@pytest.mark.benchmark(group="procrustes-100-frames")
def test_scikit_image(benchmark, clips):
    def distances():
        found = []
        for generated, reference in zip(*clips, strict=True):
            moved = SimilarityTransform.from_estimate(generated, reference)(generated)
            found.append(np.linalg.norm(moved - reference, axis=1).mean())
        return found

    np.testing.assert_allclose(benchmark(distances), aligned_distance(*clips))


@pytest.mark.benchmark(group="procrustes-100-frames")
def test_scipy(benchmark, clips):
    disparities = benchmark(lambda: [procrustes(*pair)[2] for pair in zip(*clips, strict=True)])
    assert 0 < max(disparities) < 0.1
