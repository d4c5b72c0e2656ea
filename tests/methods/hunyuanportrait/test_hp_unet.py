"""The video UNet alone: output and every gradient against upstream's, grouped attention, checkpointing."""

import os

import hp_native as native
import pytest
import torch

from portraitbench.methods.hunyuanportrait.unet import PortraitUNet, _attend

FRAMES = 3


def made():
    return native.fill(PortraitUNet(**native.SMALL.unet()), 1).double()


def given():
    width = native.SMALL.width
    return {
        "sample": native.draw(1, 1, FRAMES, 8, 8, 8).double(),
        "time": torch.tensor([0.37], dtype=torch.float64),
        "appearance": native.draw(2, 1, 7, width).double(),
        "motion": native.draw(3, 1, FRAMES, 4, width).double(),
        "pose_map": native.draw(4, native.SMALL.channels[0], 8, 8).double(),
    }


def run(unet, case):
    ids = torch.tensor([[12.5, 0.0, 0.0]], dtype=torch.float64)
    return unet(case["sample"], case["time"], (case["appearance"], case["motion"]), ids, case["pose_map"])


def gradients(unet, found):
    unet.zero_grad()
    found.square().mean().backward()
    return {name: value.grad.clone() for name, value in unet.named_parameters() if value.grad is not None}


@pytest.mark.skipif(not os.environ.get("HP_UPSTREAM"), reason="needs HP_UPSTREAM, a checkout of HunyuanPortrait")
def test_output_and_every_gradient_are_upstreams():
    import hp_upstream

    hp_upstream.prepare()
    ours, theirs, case = made(), hp_upstream.unet().double().eval(), given()
    theirs.load_state_dict(ours.state_dict())
    found = run(ours, case)
    pose_map = case["pose_map"][None, None]
    expected = hp_upstream.call_unet(theirs, case["sample"], case["time"], case["appearance"], case["motion"], pose_map)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    own, other = gradients(ours, found), gradients(theirs, expected)
    assert own.keys() == other.keys() == dict(theirs.named_parameters()).keys()
    worst = max(float((own[name] - other[name]).abs().max()) for name in own)
    print(f"output {float((found - expected).abs().max()):.1e}, worst of {len(own)} gradients {worst:.1e}")
    assert worst < 1e-12


def test_checkpointing_leaves_every_gradient_as_it_is():
    unet, case = made().train(), given()
    plain = gradients(unet, run(unet, case))
    unet.enable_gradient_checkpointing()
    again = gradients(unet, run(unet, case))
    assert plain.keys() == again.keys() == dict(unet.named_parameters()).keys()
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=1e-13)


def test_grouped_queries_are_a_repeated_context():
    query, key, value = (
        native.draw(row, *shape).double() for row, shape in enumerate([(6, 3, 8), (2, 5, 8), (2, 5, 8)])
    )
    found = _attend(query, key, value, heads=2)
    for row in range(6):
        for head in (slice(0, 4), slice(4, 8)):
            scores = query[row, :, head] @ key[row // 3, :, head].T / 2
            torch.testing.assert_close(found[row, :, head], scores.softmax(-1) @ value[row // 3, :, head])
