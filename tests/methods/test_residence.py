"""Which networks stay on a card: a pure decision, since there is no card here."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.methods import residence
from portraitbench.methods.base import MethodContext
from portraitbench.methods.hellomeme import published as hellomeme
from portraitbench.methods.hellomeme.generator import HelloMeme
from portraitbench.methods.hellomeme.networks import RESIDENTS, VISITORS
from portraitbench.methods.hunyuanportrait import networks as hunyuanportrait
from portraitbench.methods.hunyuanportrait.generator import HunyuanPortrait
from portraitbench.methods.hunyuanportrait.published import KEPT_BY_DECODER, KEPT_PER_FRAME
from portraitbench.methods.residence import RESERVE, RESERVE_SHARE, resident, stay, step_bytes

GIB = 1 << 30
SIZES = {"encoder": GIB // 4, "helper": 2 * GIB, "control": GIB // 2}


@pytest.mark.parametrize(
    ("free", "total", "case", "staying"),
    [
        (23, 24, 25, []),  # the case alone is too large
        (23, 24, 21, []),  # it fits, and leaves no more than the reserve
        (23.25, 24, 21, ["encoder"]),
        (26.25, 80, 20, ["encoder", "helper"]),  # of a large card the reserve is a share: 4 of 80
        (26.75, 80, 20, ["encoder", "helper", "control"]),
        (77, 80, 25, ["encoder", "helper", "control"]),
        (23.75, 24, 21, ["encoder"]),  # control would fit where helper does not: it waits for its turn
    ],
)
def test_networks_stay_in_order_as_far_as_a_case_and_the_reserve_leave_room(free, total, case, staying):
    assert stay(SIZES, *(int(one * GIB) for one in (free, total, case))) == staying


bytes_ = st.integers(0, 200 * GIB)
networks = st.lists(st.integers(0, 4 * GIB), max_size=7).map(
    lambda sizes: {f"n{row}": one for row, one in enumerate(sizes)}
)


@given(networks, bytes_, bytes_, bytes_)
def test_no_more_stays_than_fits_with_case_and_reserve(sizes, free, total, case):
    chosen = stay(sizes, free, total, case)
    assert chosen == list(sizes)[: len(chosen)]
    if chosen:
        assert sum(sizes[name] for name in chosen) + case + RESERVE <= free
        assert sum(sizes[name] for name in chosen) + case + int(RESERVE_SHARE * total) <= free


@given(networks, bytes_, bytes_, bytes_, bytes_)
def test_more_memory_or_a_smaller_case_never_keeps_fewer(sizes, free, total, case, more):
    chosen = stay(sizes, free, total, case)
    assert stay(sizes, free + more, total, case)[: len(chosen)] == chosen
    assert stay(sizes, free, total, max(0, case - more))[: len(chosen)] == chosen


@pytest.mark.parametrize(
    ("offload", "device", "short", "staying"),
    [
        ("auto", "cuda", False, ["encoder"]),
        ("auto", "cuda:1", False, ["encoder"]),
        ("auto", "cuda", True, []),
        ("never", "cuda", False, list(SIZES)),
        ("never", "cuda", True, []),
        ("always", "cuda", False, []),
        ("auto", "mps", False, []),  # it does not tell what is free
        ("never", "mps", False, list(SIZES)),
        ("auto", "cpu", False, []),
        ("never", "cpu", False, []),
    ],
)
def test_the_option_decides_and_memory_that_ran_out_before_it(monkeypatch, offload, device, short, staying):
    asked = []
    monkeypatch.setattr(residence, "device_memory", lambda device: asked.append(device) or (23 * GIB, 24 * GIB))
    assert resident(offload, device, SIZES, 20 * GIB + GIB // 2, is_memory_short=short) == staying
    assert asked == ([device] if staying == ["encoder"] else [])


def test_free_memory_counts_what_torch_keeps_for_later(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert residence.device_memory("cuda") == (40, 100)


def test_what_a_step_keeps_is_that_of_the_counts():
    """At 512 px: 21.7 GiB and 2.8 GiB decoded for 12 frames of HelloMeme, 52 GiB for 25 of HunyuanPortrait."""
    own = {"per_frame": hellomeme.KEPT_PER_FRAME, "decoded": hellomeme.KEPT_BY_DECODER}
    assert step_bytes(64, 12, 2, **own) / GIB == pytest.approx(21.7 + 2.8, rel=0.03)
    assert step_bytes(32, 12, 2, **own) * 4 == step_bytes(64, 12, 2, **own)
    assert step_bytes(64, 25, 2, per_frame=KEPT_PER_FRAME, decoded=0) / GIB == pytest.approx(52, rel=0.03)
    assert step_bytes(64, 0, 2, per_frame=0, decoded=KEPT_BY_DECODER) / GIB == pytest.approx(4.9, rel=0.03)


@pytest.mark.parametrize("kind", [HelloMeme, HunyuanPortrait])
def test_the_option_changes_no_fingerprint_and_is_told_in_the_settings(kind, tmp_path):
    def made(offload):
        context = MethodContext(lambda: None, device="cpu", cache=tmp_path)
        return kind({"weights": "random-tiny", "offload": offload}, context)

    auto, always = made("auto"), made("always")
    assert auto.fingerprint() == always.fingerprint()
    assert "offload" not in auto.fingerprint()["options"]
    assert (auto.settings["offload"], always.settings["offload"]) == ("auto", "always")


@pytest.mark.parametrize(
    ("kind", "residents", "visitors"),
    [(HelloMeme, RESIDENTS, VISITORS), (HunyuanPortrait, hunyuanportrait.RESIDENTS, hunyuanportrait.VISITORS)],
)
@pytest.mark.parametrize("short", [False, True])
def test_it_is_decided_once_when_networks_settle(kind, residents, visitors, short, tmp_path, monkeypatch):
    context = MethodContext(lambda: None, device="cpu", cache=tmp_path)
    context.is_memory_short = short
    asked = []

    def decide(offload, device, sizes, case, *, is_memory_short):
        asked.append((offload, device, list(sizes), is_memory_short))
        assert all(sizes.values())
        assert case > 0
        return ["encoder"]

    monkeypatch.setattr("portraitbench.methods.published.resident", decide)
    generator = kind({"weights": "random-tiny", "offload": "never"}, context)
    first = generator._networks
    assert generator._networks is first
    assert asked == [("never", "cpu", [name for name in residents if name in first.modules()], short)]
    assert set(residents) <= set(visitors)
