"""The whole way of the published files at their real size, on random numbers, through the public command.

Needs 8 GB of disk, 12 GB of memory and minutes, so it runs only when PORTRAITBENCH_REAL_SIZE names a folder to work in;
files that are there already are used again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from portraitbench.methods.hellomeme.weights import BASE

ROOT = os.environ.get("PORTRAITBENCH_REAL_SIZE", "")
if not ROOT:
    pytest.skip("needs PORTRAITBENCH_REAL_SIZE, a folder with 8 GB to spare", allow_module_level=True)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights():
    import hm_published

    root = Path(ROOT) / "weights"
    if not (root / "written").exists():
        hm_published.write(root)
        (root / "written").touch()
    return root


@pytest.fixture
def public(bench, shared, tmp_path):
    """Flags of a public suite with its files, one case of it."""

    def flags(suite):
        cache = ["--cache", tmp_path / "cache"]
        assert bench("data", "fetch", suite, "--from", shared / "portraits", *cache).code == 0
        return [
            "-s",
            suite,
            "--limit",
            1,
            *cache,
            "--out",
            tmp_path / "runs",
            "--name",
            "r",
            "-f",
            "pocket:threshold=0",
        ]

    return flags


def test_the_doctor_finds_all_files_whole(bench, weights):
    told = bench("doctor", "-m", f"hellomeme:weights={weights}")
    assert told.code == 0, told.out
    assert "damaged" not in told.out.split("weights of method hellomeme")[1]


@pytest.mark.parametrize(
    ("suite", "options"),
    [
        ("public-cross-image", "style=x1"),
        ("public-cross-image", "style=x2,control=cntrl1"),
        ("public-cross-video", "fps=1"),  # three frames of three seconds
    ],
)
def test_a_case_is_tuned(bench, public, weights, tmp_path, suite, options):
    baseline = ["--baseline", f"hellomeme:steps=1,precision=bf16,{options}", "--weights", weights]
    tuner = f"strucbooth:steps=1,checkpointing=true,save={tmp_path / 'lora'}"
    run = bench("run", "--method", tuner, *baseline, *public(suite))
    assert run.code == 0, run.err
    records = [
        json.loads(line)
        for path in (tmp_path / "runs" / "r" / "records").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    made = [record for record in records if record["stage"] == "generate"]
    assert [record["status"] for record in made] == ["ok", "ok"]
    (lora,) = (tmp_path / "lora").glob("*.safetensors")
    unet = UNet2DConditionModel.from_pretrained(weights / BASE / "unet", torch_dtype=torch.bfloat16)
    unet.load_lora_adapter(str(lora), prefix="unet")
    assert sum(name.endswith("lora_A") for name, _ in unet.named_modules()) == 128
    print({record["method"]: (record["seconds"], record["peak_bytes"]) for record in made})
