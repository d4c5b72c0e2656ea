"""``bench ablate``: rows are settings of one method, and the rows of steps share one tuning per case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.core.options import parse_options
from portraitbench.harness.run_file import load_run
from portraitbench.methods.base import MethodContext
from portraitbench.methods.hellomeme.generator import HelloMeme
from portraitbench.methods.strucbooth.ablation import (
    decoding_rows,
    loss_rows,
    region_rows,
    step_rows,
    weight_rows,
    window_rows,
)
from portraitbench.methods.strucbooth.config import StrucBoothConfig
from portraitbench.methods.sweeps import SweepSettings
from portraitbench.reports.ablation import numbers_of

TINY = Path(__file__).parents[1] / "methods" / "strucbooth" / "tiny_generators.py"
QUICK = ["--set", "lora_targets=.*to_q", "--set", "regions=mouth"]


@pytest.fixture
def where(tmp_path, make_suite):
    suite = make_suite(tmp_path / "suite", drivings=2)
    folders = ["--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    return ["--suite", suite, "--plugin", TINY, "--faces", "tiny", "--baseline", "tiny-v", *folders]


def made(folder):
    """The generate records of a run, in the order in which they were made."""
    lines = [json.loads(line) for path in sorted((folder / "records").glob("*.jsonl")) for line in path.open()]
    return [line for line in lines if line["stage"] == "generate"]


def test_losses_are_added_one_after_another(bench, where, tmp_path):
    command = ["ablate", "losses", *where, *QUICK, "--set", "steps=1", "--limit", "1"]
    done = bench(*command)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "tiny-ablate-losses"
    labels = ["tiny-v", "tiny-v+PGT", "tiny-v+PGT+grad", "tiny-v+PGT+grad+id"]
    assert json.loads((folder / "run.json").read_text())["methods"] == labels
    table = (folder / "report" / "tiny.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in table[2:6]] == labels
    losses = [{name for name in ("ldm", "gradient", "identity") if f"{name}_last" in r["detail"]} for r in made(folder)]
    assert losses == [set(), {"ldm"}, {"ldm", "gradient"}, {"ldm", "gradient", "identity"}]
    assert not (tmp_path / "cache" / "tunings").exists()
    assert "![losses](ablation.png)" in (folder / "report" / "index.md").read_text()
    picture = (folder / "report" / "ablation.png").read_bytes()
    again = bench(*command)
    assert "generate: 0 to do, 4 reused" in again.out
    (folder / "report" / "ablation.png").unlink()
    assert bench("report", folder).code == 0
    assert (folder / "report" / "ablation.png").read_bytes() == picture


def check_steps(bench, where, tmp_path, *more):
    done = bench("ablate", "steps", "--values", "0,1,3", *where, *QUICK, *more)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "tiny-ablate-steps"
    records = made(folder)
    assert len(records) == 6
    reused = [(r["method"], r["detail"]["tuning_reused"]) for r in records if r["method"] != "tiny-v"]
    assert sorted(reused) == 2 * [("tiny-v+steps=1", 1)] + 2 * [("tiny-v+steps=3", 0)]
    shown = json.loads((folder / "run.json").read_text())["methods"]
    assert shown == ["tiny-v", "tiny-v+steps=1", "tiny-v+steps=3"]
    assert (folder / "report" / "ablation.png").exists()
    return {(r["method"], r["case"]): r["output"]["sha256"] for r in records}


def test_steps_come_from_one_tuning_per_case_and_are_what_each_alone_gives(bench, where, tmp_path):
    shared = check_steps(bench, where, tmp_path)
    options = "lora_targets=.*to_q,regions=mouth"
    alone = [f"strucbooth:steps={n},{options},as=steps={n}" for n in (1, 3)]
    done = bench("run", "-m", alone[0], "-m", alone[1], *where, "--name", "alone")
    assert done.code == 0, done.err
    own = made(tmp_path / "runs" / "alone")
    assert {(r["method"], r["case"]): r["output"]["sha256"] for r in own} == shared
    assert not any("tuning_reused" in r["detail"] for r in own)


@pytest.mark.slow
def test_workers_share_tunings_too(bench, where, tmp_path):
    check_steps(bench, where, tmp_path, "--workers", "2")


def test_decoding_compares_patches_halos_and_whole_frames(bench, where, tmp_path):
    done = bench("ablate", "decoding", "--values", "0,1", *where, *QUICK, "--set", "steps=1", "--limit", "1")
    assert done.code == 0, done.err
    config = json.loads((tmp_path / "runs" / "tiny-ablate-decoding" / "run.json").read_text())["config"]
    rows = {spec["label"]: (spec["options"]["decoding"], spec["options"]["halo"]) for spec in config["methods"]}
    assert rows == {"patch": ("patch", 0), "patch+halo=1": ("patch", 1), "global": ("global", 0)}
    assert config["ablation_left_out"] == {"tiled": "the decoder of tiny-v has no tiled decoding"}
    said = "The row tiled of this ablation is left out: the decoder of tiny-v has no tiled decoding."
    assert said in " ".join(done.out.split())
    assert all(spec["options"]["regions"] == "mouth" for spec in config["methods"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["steps", "--values", "0"], "--values: give step counts"),
        (["steps", "--values", "30,-1"], "--values: give step counts"),
        (["steps", "--values", "many"], "--values 'many'"),
        (["losses", "--values", "1"], "--values: this sweep takes none"),
        (["decoding", "--values", "-2"], "--values"),
        (["step"], "method strucbooth has no sweep 'step': did you mean steps?"),
        (["weights-of"], "has no sweep 'weights-of': did you mean weights?"),
        (["everything"], "has no sweep 'everything': known: losses, steps, decoding, weights, window, regions"),
        (["weights", "--values", "0"], "--values: give percent of the weights"),
        (["window", "--values", "120"], "--values: give percent of the sampling steps"),
        (["window", "--set", "window=0.2"], "--set window"),
        (["regions", "--values", "1"], "--values: this sweep takes none"),
        (["steps", "--method", "warp"], "--method warp: is no tuner"),
        (["steps", "--method", "strucboot"], "did you mean strucbooth"),
        (["steps", "--set", "steps=9"], "--set steps"),
        (["decoding", "--set", "halo=9"], "--set halo"),
        (["losses", "--set", "gradient_weight=0"], "--set gradient_weight=0"),
        (["losses", "--set", "rang=4"], "'rang'"),
        (["losses", "--set", "rank"], "--set"),
        (["losses", "--set", "as=me"], "--set as"),
        (["losses", "--baseline", "copy-identity"], "copy-identity is none"),
    ],
)
def test_what_does_not_fit_is_one_line(bench, where, arguments, words):
    done = bench("ablate", arguments[0], *where, *arguments[1:])
    assert done.code == 2
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def settings(given=(), **in_effect):
    """Settings of StrucBooth with its defaults under them."""
    return SweepSettings(dict(given), StrucBoothConfig(**in_effect).model_dump(mode="json"))


def test_a_loss_that_is_off_by_default_has_the_papers_weight_in_its_row():
    rows = loss_rows(settings(gradient_weight=3.0, identity_weight=0.0))
    weights = {label: (row["gradient_weight"], row["identity_weight"]) for label, row in rows.items()}
    assert weights == {"PGT": (0, 0), "PGT+grad": (3.0, 0), "PGT+grad+id": (3.0, 0.1)}
    with pytest.raises(ConfigError, match="identity_weight=0"):
        loss_rows(settings({"identity_weight": 0}, identity_weight=0.0))


def test_rows_of_steps_keep_what_shorter_ones_need():
    rows = step_rows(settings(), [90, 0, 30, 60, 30])
    assert [(row["steps"], row["snapshots"]) for row in rows.values()] == [(30, ()), (60, (30,)), (90, (30, 60))]


def test_whole_frames_are_decoded_in_tiles_too_where_the_decoder_can(tmp_path):
    context = MethodContext(lambda: None, device="cpu", cache=tmp_path)
    generator = HelloMeme({"weights": "random-tiny"}, context)
    rows = decoding_rows(settings()._replace(generator=generator), [2, 0])
    assert list(rows) == ["patch", "patch+halo=2", "global", "tiled"]
    assert rows["tiled"] == {"decoding": "tiled", "halo": 0}
    with pytest.raises(ConfigError, match="neighbours"):
        parse_options(StrucBoothConfig, {**rows["tiled"], "neighbours": 1}, "it")


def test_weights_cross_gradient_and_identity_around_the_settings_own():
    rows = weight_rows(settings(gradient_weight=3.0, identity_weight=1.0), [100, 0, 50])
    assert list(rows) == [f"grad={grad}+id={own}" for grad in ("1.5", "3") for own in ("0", "0.5", "1")]
    assert rows["grad=1.5+id=0.5"] == {"gradient_weight": 1.5, "identity_weight": 0.5}


def test_windows_are_shares_of_the_steps_whatever_the_generator_measures_its_own_in():
    assert window_rows(settings(), [0, 40])["window=0.4"] == {"window": 0.4, "reuse": True}
    by_noise = window_rows(settings(window_sigma=2.0), [100])["window=1"]
    assert StrucBoothConfig(window_sigma=2.0).model_copy(update=by_noise).window_sigma is None


def test_regions_stand_alone_and_together():
    rows = region_rows(settings())
    assert list(rows) == ["eyes", "brows", "nose", "mouth", "all"]
    assert sorted(region for label in list(rows)[:4] for region in rows[label]["regions"]) == sorted(
        rows["all"]["regions"]
    )


def test_windows_share_one_tuning_per_case_and_draw_the_front(bench, where, tmp_path):
    command = ["ablate", "window", "--values", "40,100", *where, *QUICK, "--set", "steps=1"]
    done = bench(*command)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "tiny-ablate-window"
    reused = [r["detail"]["tuning_reused"] for r in made(folder) if r["method"] != "tiny-v"]
    assert sorted(reused) == [0, 0, 1, 1]
    assert numbers_of(load_run(folder)) == {"tiny-v": 0, "tiny-v+window=0.4": 0.4, "tiny-v+window=1": 1.0}
    assert "generate: 0 to do, 6 reused" in bench(*command).out


def test_any_tuner_may_declare_a_sweep(bench, where, tmp_path):
    """One that nobody here has heard of, drawn against the numbers that its rows state."""
    plugin = tmp_path / "own.py"
    plugin.write_text(OWN_TUNER)
    flags = ["--plugin", plugin, "--method", "lighten", "--set", "floor=2", "--limit", "1"]
    done = bench("ablate", "amount", *where, *flags, "--values", "10,30")
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "tiny-ablate-amount"
    run = load_run(folder)
    assert run.methods == ["tiny-v", "tiny-v+10", "tiny-v+30"]
    assert run.config["ablation"] == "amount"
    assert [spec["options"] for spec in run.config["methods"]] == [{"floor": 2, "amount": n} for n in (10, 30)]
    assert numbers_of(run) == {"tiny-v": 0, "tiny-v+10": 10, "tiny-v+30": 30}
    assert "amount (1,2)" in bench("methods", "explain", "lighten", "--plugin", plugin).out
    refused = bench("ablate", "amount", *where, *flags, "--set", "amount=3")
    assert (refused.code, "--set amount: this is what the rows differ in" in refused.err) == (2, True)


OWN_TUNER = """
from contextlib import contextmanager
import portraitbench as pb

class LightenOptions(pb.Options):
    floor: int = 0
    amount: int = 0

class Lighten(pb.Tuner):
    name, options_model = "lighten", LightenOptions
    sweeps = {"amount": pb.Sweep("How much.", lambda settings, values: {str(n): {"amount": n} for n in values}, (1, 2))}
    @contextmanager
    def tune(self, generator, conditions, inputs):
        yield generator

pb.METHODS.add("lighten", Lighten)
"""


def test_an_ablation_in_a_file_is_checked(bench, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("suites: [demo-image]\nmethods: [warp]\nablation: steps\n")
    done = bench("run", "-c", file)
    assert done.code == 2
    assert "ablation 'steps' needs" in done.err
