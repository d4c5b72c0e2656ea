"""``bench animate``: pictures, clips, strips, what is said, and what is refused."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from portraitbench.cli.app import app
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import read_clip, write_clip, write_image

TESTS = Path(__file__).parents[1]
TINY = TESTS / "methods" / "strucbooth" / "tiny_generators.py"
TOY = TESTS / "toy_diffusion.py"


def waves(seed, frames=1, size=64):
    rows, columns = np.mgrid[:size, :size] / size
    a, b, c = np.random.default_rng(seed).uniform(2, 9, 3)
    moving = [
        np.stack([np.sin(a * rows + p), np.sin(b * columns + p), np.sin(c * rows * columns)], -1) for p in range(frames)
    ]
    return (128 + 100 * np.array(moving)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: two images, a driving clip of eight frames and one of two."""
    write_image(tmp_path / "a.png", waves(0)[0])
    write_image(tmp_path / "c.png", waves(1)[0])
    write_clip(tmp_path / "b.mkv", Clip(waves(2, 8), Fraction(8)))
    write_clip(tmp_path / "d.mkv", Clip(waves(3, 2), Fraction(8)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def animate(bench, folder):
    """Run the verb on the tiny generator; later flags win over these."""

    def run(*arguments, drive="b.mkv", out="e.mkv", plugin=TINY, baseline="tiny-epsilon", faces=("-f", "tiny")):
        fixed = ["-i", "a.png", "-d", drive, "-o", out, "-b", baseline, "--plugin", plugin, "--size", 64, *faces]
        return bench("animate", *fixed, "--cache", "cache", *arguments)

    return run


def test_an_image_with_a_region_of_another(animate, folder):
    done = animate("-r", "mouth=c.png", "-m", "strucbooth:steps=4", drive="c.png", out="e.png")
    assert done.code == 0, done.err
    assert read_clip(folder / "e.png").frames.shape == (1, 64, 64, 3)
    strip = read_clip(folder / "e.strip.png").frames[0]
    assert strip.shape[1] > 5 * 96, "identity, driving, mouth, base, tuned"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["a.png", "b.mkv", "c.png", "d.mkv", "cache", "e.png", "e.strip.png"]
    )
    summary = next(line for line in done.out.splitlines() if line.startswith("4 steps"))
    assert re.fullmatch(r"4 steps, .* s(, (ldm|gradient|identity) \S+ -> \S+){3}", summary)
    assert "face models: test, not a measurement" in done.out
    assert "written: e.png, e.strip.png" in done.out


def test_a_clip_with_everything(animate, folder):
    regions = ["--region", "mouth=c.png", "--region", "eyes=d.mkv"]
    done = animate(*regions, "--strip", "s.png", "--save-lora", "w.safetensors", out="e.mp4")
    assert done.code == 0, done.err
    clip = read_clip(folder / "e.mp4")
    assert (len(clip), clip.fps) == (8, 8)
    assert not (folder / "e.strip.png").exists()
    assert read_clip(folder / "s.png").height > 6 * 96, "identity, driving, mouth, eyes, base, tuned"
    assert "written: e.mp4, s.png, w.safetensors" in done.out
    assert (folder / "w.safetensors").is_file()
    # Lossless, and the same picture for the same seed, but not for another one.
    outputs = [animate(*regions, "--seed", seed, out=f"{name}.mkv") for seed, name in ((0, "x"), (0, "y"), (1, "z"))]
    assert [one.code for one in outputs] == [0, 0, 0]
    assert (folder / "x.mkv").read_bytes() == (folder / "y.mkv").read_bytes() != (folder / "z.mkv").read_bytes()


def test_limits_are_kept_and_told(animate, folder):
    done = animate("--frames", 3, "--fps", 4, "--no-tune")
    assert done.code == 0, done.err
    assert "the first 3 of 4 driving frames are taken (--frames)" in done.out
    assert (len(read_clip(folder / "e.mkv")), read_clip(folder / "e.mkv").fps) == (3, 4)
    one = animate("--frames", 1, "--no-tune", out="f.png")
    assert one.code == 0, one.err
    assert "face models" not in done.out + one.out, "none was asked"


def test_a_plain_generator_and_a_plain_tuner(animate, folder):
    plain = animate("--no-tune", plugin=TOY, baseline="toy-diffusion", out="p.mkv", faces=())
    tuned = animate("-m", "toy-tuner", plugin=TOY, baseline="toy-diffusion", out="t.mkv", faces=())
    assert (plain.code, tuned.code) == (0, 0), plain.err + tuned.err
    base, lighter = (read_clip(folder / name).frames for name in ("p.mkv", "t.mkv"))
    # The toy adds 0.1 to frames in [-1, 1], its tuner 0.2 more.
    dark = base < 200
    assert np.abs(lighter[dark].astype(int) - base[dark] - 0.2 * 127.5).max() <= 1
    assert "steps" not in tuned.out


def test_a_crop_moves_the_picture(animate, folder):
    done = animate("--crop-drive", "16,32,32", "--no-tune", "--size", 32, plugin=TOY, baseline="copy-driving")
    assert done.code == 0, done.err
    assert np.array_equal(read_clip(folder / "e.mkv").frames, waves(2, 8)[:, 32:, 16:48])


def test_plain_output_tells_steps_and_losses(animate, monkeypatch):
    monkeypatch.setattr("portraitbench.cli.case_progress._PLAIN_EVERY_S", 0.0)
    lines = animate("-m", "strucbooth:steps=3").out.splitlines()
    assert [lines.index(name) for name in ("sample tiny-epsilon", "tune (strucbooth)", "sample tuned")] == [0, 1, 5]
    for step, line in enumerate(lines[2:5], start=1):
        assert re.fullmatch(
            rf"tune \(strucbooth\): step {step}/3, ldm \S+, gradient \S+, identity \S+, about .* left", line
        )


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            ["-r", "chin=c.png"],
            {},
            "--region chin: method strucbooth has no such region (known: eyes, brows, right_brow",
        ),
        (["-r", "mouth=c.png", "-r", "mouth=a.png"], {}, "--region mouth: given twice"),
        (["-r", "eyes=c.png", "-r", "left_eye=a.png"], {}, "--region left_eye: left_eye is given twice"),
        (["-r", "mouth"], {}, "--region 'mouth': write NAME=FILE"),
        (["-r", "mouth=gone.png"], {}, "gone.png: no such file"),
        (["-r", "mouth=c.png", "--no-tune"], {}, "--region: only a tuner can do that"),
        (
            ["-r", "mouth=c.png", "-m", "toy-tuner"],
            {"plugin": TOY, "baseline": "toy-diffusion"},
            "--region mouth: method toy-tuner knows no regions",
        ),
        (["--save-lora", "w.safetensors", "--no-tune"], {}, "--save-lora: only a tuner"),
        (["--save-lora", "w.bin"], {}, "--save-lora w.bin: must end in .safetensors"),
        (["--strip", "s.jpg"], {}, "--strip s.jpg: must end in .png"),
        (["--strip", "a.png"], {}, "--strip a.png: is the file of --identity too"),
        (["-m", "strucbooth", "--no-tune"], {}, "--no-tune and --method: give one of them"),
        (["-m", "strucbooth:stepps=3"], {}, "stepps"),
        (["-m", "strucboot"], {}, "did you mean strucbooth"),
        (["-m", "warp"], {}, "--method warp: is no tuner: write --baseline warp --no-tune"),
        (["--device", "tpu"], {}, "flags: device"),
        (["--crop-identity", "1,2"], {}, "--crop-identity '1,2': write X,Y,SIDE"),
        (["--crop-identity", "1,2,x"], {}, "--crop-identity '1,2,x': side"),
        (["--crop-drive", "40,0,32"], {}, "b.mkv: crop of 32 pixels at (40, 0) leaves the picture of 64 x 64"),
        ([], {"drive": "gone.mp4"}, "gone.mp4: no such file"),
        ([], {"drive": "broken.mp4"}, "broken.mp4: "),
        ([], {"out": "e.gif"}, "e.gif: must end in .png or .jpg for an image, in .mp4 or .mkv for a clip"),
        ([], {"out": "."}, "must end in"),
        ([], {"out": "none/e.mp4"}, "--out none/e.mp4: there is no folder none: make it first"),
        ([], {"out": "e.png"}, "e.png: there are 8 frames: write a clip"),
        ([], {"out": "e.mp4", "drive": "c.png"}, "e.mp4: there is one frame only: write an image"),
        ([], {"out": "b.mkv"}, "--out b.mkv: is the file of --drive too"),
        ([], {"baseline": "warp"}, "method strucbooth tunes diffusion generators; the baseline warp is none"),
        ([], {"baseline": "nobody"}, "unknown method 'nobody'"),
        ([], {"faces": ("-f", "nobody")}, "unknown face backend 'nobody'"),
    ],
)
def test_what_does_not_fit_is_one_line(animate, folder, arguments, options, message):
    (folder / "broken.mp4").write_bytes(b"no video at all")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = animate(*arguments, **options)
    assert done.code == 2, done
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "cache"}
    assert after == {name: time for name, time in before.items() if name != "cache"}


def test_the_defaults_are_the_embedded_parts():
    shown = CliRunner().invoke(app, ["animate", "--help"], env={"COLUMNS": "250", "NO_COLOR": "1"}).output
    for text in ("Default: strucbooth.", "Default: pocket.", "Default: 250.", "lossless", "PasteDrive"):
        assert text in shown


def test_random_weights_are_told_beside_the_picture(animate, folder):
    baseline = "hellomeme:weights=random-tiny,steps=1"
    done = animate("--no-tune", "--size", 256, drive="c.png", out="e.png", baseline=baseline)
    assert done.code == 0, done.err
    assert "hellomeme: random weights, not a measurement" in done.out
    assert read_clip(folder / "e.png").frames.shape == (1, 128, 128, 3)
