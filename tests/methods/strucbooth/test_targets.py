"""What a case is tuned towards: patches of few shapes."""

from __future__ import annotations

import pytest
import torch

from portraitbench.methods.strucbooth.config import StrucBoothConfig
from portraitbench.methods.strucbooth.losses import pull_back
from portraitbench.methods.strucbooth.patches import PatchDecoder, Site
from portraitbench.methods.strucbooth.targets import prepare


@pytest.fixture
def looked_at(tiny, context, case):
    """Targets of one case of two frames under some settings, and the decoder that belongs to them."""
    generator, inputs = tiny(), case(frames=2)
    conditions = generator.condition(inputs)
    base = generator.sample(conditions, seed=inputs.seed)

    def look(**options):
        config = StrucBoothConfig(**options)
        return prepare(generator, conditions, inputs, config, context.observer, base=base)

    return generator, look


def shapes(targets):
    found = [patch.cells for own in targets.patches for patch in own]
    return [(cells.bottom - cells.top, cells.right - cells.left) for cells in found]


def test_sides_of_a_multiple_make_patches_of_few_shapes_that_are_decoded_in_few_calls(looked_at):
    generator, look = looked_at
    calls = {}

    def gradient(targets, batch):
        sizes = []

        def decode(latents):
            sizes.append(len(latents))
            return generator.decode(latents)

        sites = [Site(row, patch, 1.0) for row, own in enumerate(targets.patches) for patch in own]
        terms = PatchDecoder(decode, generator.latent_stride, batch=batch).terms(sites, 0.1)
        found = pull_back(targets.latents, terms)
        calls[len(calls)] = len(sizes)
        assert sum(sizes) == len(sites)
        return found

    plain, few = look(), look(size_multiple=4)
    assert len(shapes(few)) == len(shapes(plain))
    assert len(set(shapes(few))) < len(set(shapes(plain)))
    (alone, one_by_one), (together, batched) = gradient(few, 1), gradient(few, 16)
    torch.testing.assert_close(batched, one_by_one, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(together["gradient"], alone["gradient"])
    gradient(plain, 16)
    assert calls[1] == len(set(shapes(few))) < calls[2] < calls[0] == len(shapes(few))


def test_a_larger_patch_still_has_a_guide_of_its_own_size(looked_at):
    generator, look = looked_at
    for own in look(size_multiple=5).patches:
        for patch in own:
            box = patch.cells.pixels(generator.latent_stride)
            sides = [side + 2 for side in patch.guide.gradients.shape[-2:]]  # a Sobel kernel takes a pixel on each side
            assert sides == [box.height, box.width]
