"""Arguments that do not fit: each is refused in one line that names it and, where there is one, the near miss."""

from __future__ import annotations

import re

import pytest

# (what is wrong, arguments after the usual ones, what the line must say)
RUN = [
    ("unknown suite", ["-s", "demo-imag"], r"unknown suite 'demo-imag': did you mean demo-image"),
    ("suite file missing", ["-s", "no/such.yaml"], r"manifest no/such\.yaml: No such file"),
    ("suite is a folder", ["-s", "/"], r"is a folder; give the YAML file"),
    ("unknown method", ["-m", "wrap"], r"unknown method 'wrap': did you mean warp"),
    ("unknown method, far off", ["-m", "zzzz"], r"unknown method 'zzzz': known: .*copy-driving"),
    ("unknown baseline", ["-b", "hellomem"], r"unknown method 'hellomem'"),
    ("unknown face backend", ["-f", "dlab"], r"unknown face backend 'dlab': did you mean dlib"),
    ("unknown metric", ["--metric", "id_simm"], r"id_simm.*did you mean id_sim"),
    ("a name papers use for several metrics", ["--metric", "AED"], r"'AED' is not an id: papers cite aed_"),
    (
        "one form of a metric twice",
        ["--metric", "psnr_mask:mask=hull", "--metric", "psnr_mask/1:mask=hull"],
        r"psnr_mask\[mask=hull\]/1 stands twice",
    ),
    ("metric of another version", ["--metric", "id_sim/9"], r"id_sim/9.*version here is 1"),
    ("metric without its model", ["--metric", "aed_coeff_l1"], r"one form per face model"),
    (
        "metric that applies to no suite",
        ["--metric", "psnr_mask"],
        r"psnr_mask/1 applies to no case of this run: the cases have no target",
    ),
    (
        "metric of a model that is not there",
        ["--metric", "aed_coeff_l1[flame]"],
        r"needs coefficients/flame, which none",
    ),
    ("metric that nobody can compute", ["--metric", "id_dlib_l2"], r"needs identity/dlib128.*add one with --faces"),
    ("method option unknown", ["-m", "warp:speed=2"], r"method warp: option 'speed'.*kind, strength"),
    ("method option of another type", ["-m", "warp:strength=much"], r"method warp: option 'strength'"),
    ("method option out of range", ["-m", "warp:strength=-1"], r"method warp: option 'strength'"),
    ("method option not a number", ["-m", "warp:strength=.nan"], r"method warp: option 'strength'"),
    ("reference method with an option", ["-m", "copy-driving:x=1"], r"method copy-driving: option 'x'"),
    ("face option unknown", ["-f", "toy:colour=red"], r"face backend toy: option 'colour'"),
    ("metric option unknown", ["--metric", "emo_sim:mask=hull"], r"metric emo_sim: option 'mask'"),
    ("option without a value", ["-m", "warp:tps"], r"methods\.0: 'warp:tps': 'tps' is not key=value"),
    ("empty method", ["-m", ""], r"methods\.0"),
    ("label that is no file name", ["-m", "warp:as=a/b"], r"methods\.0: label 'a/b'"),
    ("label that is reserved", ["-m", "warp:as=target"], r"label 'target'"),
    ("two rows of one name", ["-m", "warp", "-m", "warp:kind=tps"], r"two methods are called 'warp'"),
    ("baseline and method of one name", ["-b", "warp", "-m", "warp:kind=tps"], r"two rows would be called 'warp'"),
    ("no such case", ["--case", "i9__*"], r"cases: nothing matches 'i9__\*'"),
    ("no such case beside one that is", ["--case", "i0__d0", "--case", "i9"], r"cases: nothing matches 'i9'"),
    ("shard beyond the last", ["--shard", "3/2"], r"shard: '3/2': write i/n"),
    ("shard zero", ["--shard", "0/2"], r"shard: '0/2'"),
    ("shard of nothing", ["--shard", "half"], r"shard"),
    ("device that is none", ["--device", "gpu"], r"device: .*not 'gpu'"),
    ("time limit of zero", ["--case-timeout", "0"], r"case_timeout"),
    ("negative time limit", ["--case-timeout", "-3"], r"case_timeout"),
    ("endless time limit", ["--case-timeout", "inf"], r"case_timeout"),
    ("limit of zero", ["--limit", "0"], r"limit: .* not 0"),
    ("no threads", ["--threads", "0"], r"threads: .* not 0"),
    ("no workers", ["--workers", "0"], r"workers: .* not 0"),
    ("too many workers", ["--workers", "1000"], r"workers"),
    ("name that leaves the folder", ["--name", "../up"], r"name"),
    ("name that is a path", ["--name", "/etc/x"], r"name"),
    ("outputs without a label", ["--outputs", "/tmp"], r"--outputs '/tmp': write LABEL=FOLDER"),
    ("outputs without a folder", ["--outputs", "x="], r"--outputs 'x=': write LABEL=FOLDER"),
    ("outputs with a bad label", ["--outputs", "a b=/tmp"], r"label 'a b'"),
    ("outputs folder missing", ["--outputs", "x=no/such"], r"method outputs: folder no/such does not exist"),
    ("configuration missing", ["-c", "no/such.yaml"], r"config no/such\.yaml: No such file"),
    ("only a backend that detects nothing", ["-f", "emonet:weights=none.pth"], r"face backend emonet"),
]


@pytest.mark.parametrize(("arguments", "message"), [row[1:] for row in RUN], ids=[row[0] for row in RUN])
def test_bench_run_refuses(refused, where, suite, tmp_path, arguments, message):
    # --faces, --suite and --method are repeatable: the usual ones give way where the row brings its own.
    usual = ["--suite", suite] if "-s" not in arguments else []
    if "-f" in arguments:
        where = [*where[:2], *where[4:]]
    line = refused("run", *usual, *where, *arguments)
    assert re.search(message, line), line
    assert not (tmp_path / "runs").exists()


OTHER = [
    ("report on nothing", ["report", "no/such"], r"run .*no/such: no run\.json there"),
    ("report on a file", ["report", __file__], r"no run\.json there"),
    ("score on nothing", ["score", "no/such"], r"no run\.json there"),
    ("doctor with a bad backend", ["doctor", "-f", "dlib:fast"], r"--faces 'dlib:fast': .*key=value"),
    ("explain an unknown method", ["methods", "explain", "warpp"], r"unknown method 'warpp': did you mean warp"),
    ("explain an unknown metric", ["metrics", "explain", "ssim"], r"ssim"),
    ("show an unknown suite", ["suites", "show", "demo"], r"unknown suite 'demo': did you mean demo-"),
    ("fetch an unknown suite", ["data", "fetch", "demo"], r"unknown suite 'demo'"),
    ("check an unknown suite", ["data", "check", "demo"], r"unknown suite 'demo'"),
    (
        "build from a folder that is not there",
        ["data", "build", "self-video", "--drivings", "no/such", "--out", "x.yaml", "--faces", "none"],
        r"folder no/such does not exist",
    ),
    (
        "build with a bad backend",
        ["data", "build", "self-video", "--drivings", ".", "--out", "x.yaml", "--faces", "dlib:fast"],
        r"--faces 'dlib:fast'",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), [row[1:] for row in OTHER], ids=[row[0] for row in OTHER])
def test_other_verbs_refuse(refused, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    line = refused(*arguments)
    assert re.search(message, line), line


USAGE = [["run", "--limit", "x"], ["run", "--seed", "x"], ["run", "--no-such"], ["rum"]]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_flags_of_another_type_show_the_usage(bench, arguments):
    outcome = bench(*arguments)
    assert outcome.code == 2
    assert "Usage: bench" in outcome.err
    assert "Traceback" not in outcome.err


CONFIG = [
    ("unknown field", "suits: [demo-image]", r"suits: unknown field: did you mean suites"),
    (
        "unknown field of a method",
        "methods: [{name: warp, opts: {}}]",
        r"methods\.0\.opts: unknown field: did you mean options",
    ),
    ("method without a name", "methods: [{label: x}]", r"methods\.0\.name"),
    ("a list", "[demo-image]", r"expected a mapping"),
    ("a text for a list", "suites: demo-image", r"suites"),
    ("a number for a list", "cases: 5", r"cases"),
    ("not YAML", "suites: [", r"line 1"),
    ("a tag", "seed: !!python/name:os.system", r"python/name"),
    ("an alias bomb", "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]", r"alias"),
    ("the same field twice", "seed: 1\nseed: 2", r"'seed' stands twice"),
    ("a number as field", "1: 2", r"run\.yaml"),
    ("a list as field", "? [a]\n: 1", r"keys must be plain words"),
    ("a NUL character", "seed: \0", r"run\.yaml"),
    ("a date that is none", "name: 2001-13-45", r"run\.yaml"),
    ("very deep", "[" * 2000, r"nested"),
    ("not UTF-8", b"name: \xff\xfe", r"UTF-8"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in CONFIG], ids=[row[0] for row in CONFIG])
def test_a_configuration_file_is_refused(refused, where, tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused("run", "--config", path, *where)
    assert str(path) in line
    assert re.search(message, line), line
