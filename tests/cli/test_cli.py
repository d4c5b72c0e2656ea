"""Help, lists, dry runs and progress: what a person sees."""

from __future__ import annotations

import io
import itertools
import json
import os
from pathlib import Path

import pytest
import typer
import yaml
from rich.console import Console

from portraitbench.animating import AnimateConfig
from portraitbench.cli import case_progress, progress
from portraitbench.cli.app import app
from portraitbench.cli.case_progress import CaseProgress
from portraitbench.cli.progress import RunProgress
from portraitbench.datasets.catalog import SUITES
from portraitbench.harness.config import RunConfig
from portraitbench.methods import METHODS
from portraitbench.metrics import METRICS

TOYS = str(Path(__file__).parents[1] / "toys.py")


def verbs() -> list[list[str]]:
    """Every verb of the command, with the groups themselves."""
    root = typer.main.get_command(app)
    found = [[]]
    for name, command in sorted(root.commands.items()):
        found.append([name])
        found += [[name, verb] for verb in sorted(getattr(command, "commands", {}))]
    return found


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_verb_has_help(bench, verb, flag):
    outcome = bench(*verb, flag)
    assert outcome.code == 0
    assert f"Usage: {' '.join(['bench', *verb])}" in outcome.out


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_help_cuts_nothing(bench, verb, columns, monkeypatch):
    """No flag, default or id ends in an ellipsis, and every flag stands there whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = bench(*verb, "--help").out
    assert max(map(len, shown.splitlines())) <= columns
    assert "…" not in shown
    command = typer.main.get_command(app)
    for name in verb:
        command = command.commands[name]
    words = set(shown.replace(",", " ").split())
    flags = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts) if flag[0] == "-"}
    assert flags <= words


@pytest.mark.parametrize("columns", ["80", "100"])
@pytest.mark.parametrize("things", ["metrics", "methods", "suites"])
def test_lists_cut_no_name(bench, things, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    names = {"metrics": METRICS, "methods": METHODS, "suites": SUITES}[things].names()
    shown = {line.split()[0] for line in bench(things, "list").out.splitlines() if line.strip()}
    assert set(names) <= {name.partition("[")[0].partition("/")[0] for name in shown}


def test_verbs_of_the_design_are_there():
    assert {("run",), ("score",), ("report",), ("doctor",), ("data", "fetch"), ("metrics", "explain")} <= {
        tuple(verb) for verb in verbs()
    }


def test_every_option_is_explained():
    root = typer.main.get_command(app)
    commands = [root, *root.commands.values()]
    commands += itertools.chain.from_iterable(getattr(command, "commands", {}).values() for command in commands[1:])
    options = [(command.name, option) for command in commands for option in command.params]
    assert len(options) > 40
    silent = [(name, option.name) for name, option in options if not (getattr(option, "help", None) or option.hidden)]
    assert silent == []


def test_the_version_is_the_installed_one(bench):
    from importlib.metadata import version

    assert bench("--version").out == f"portraitbench {version('portraitbench')}\n"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(bench, make_suite, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    suite = make_suite(tmp_path / "suite", identities=2, drivings=3)
    arguments = ["run", "-s", suite, "-m", "toy", "-m", "warp", "--plugin", TOYS, "--faces", "toy", "--dry-run"]
    outcome = bench(*arguments, "--out", tmp_path / "runs", "--cache", tmp_path / "cache")
    assert outcome.code == 0
    assert "tiny: 6 cases x 2 methods (toy, warp)" in outcome.out
    assert "aed_coeff_l1[toy]/1" in outcome.out
    assert "id_sim/1" in outcome.out
    assert f"run folder: {tmp_path / 'runs' / 'tiny'}" in outcome.out
    assert not (tmp_path / "runs").exists()


def test_flags_win_over_the_file_down_to_false_and_zero(bench, make_suite, tmp_path):
    """``--seed 0`` and ``--no-fail-on-error`` are given as much as any other value."""
    suite = make_suite(tmp_path / "suite")
    config = tmp_path / "run.yaml"
    config.write_text(
        f"suites: [{suite}]\nseed: 7\nfail_on_error: true\nfaces: [toy]\nplugins: [{TOYS}]\nout: {tmp_path / 'runs'}\n"
        f"cache: {tmp_path / 'cache'}\nmethods: ['bad:how=raise']\n"
    )
    assert bench("run", "-c", config).code == 1
    assert bench("run", "-c", config, "--seed", "0", "--no-fail-on-error").code == 0
    remembered = json.loads((tmp_path / "runs" / "tiny" / "run.json").read_text())["config"]
    assert (remembered["seed"], remembered["fail_on_error"], remembered["workers"]) == (0, False, 1)


def test_debug_shows_where_a_mistake_was_found(bench):
    plain, debug = bench("run", "-m", "wrap"), bench("--debug", "run", "-m", "wrap")
    assert plain.code == debug.code == 2
    assert len(plain.err.splitlines()) == 1
    assert "Traceback (most recent call last)" in debug.err
    assert debug.err.endswith(plain.err)
    assert "did you mean warp" in plain.err


def test_the_configuration_in_effect_is_a_configuration(bench, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("suites: [demo-image]\nseed: 7\nmethods: [warp]\n")
    shown = bench("config", "show", "-c", file, "--seed", "0", "--outputs", "mine=there", "--retry-failed")
    assert shown.code == 0, shown.err
    data = yaml.safe_load(shown.out)
    assert data.keys() == RunConfig.model_fields.keys()
    assert (data["seed"], data["retry_failed"], data["device"]) == (0, True, "auto")
    assert data["methods"] == [
        # methods given as flags go before the file's, as every other flag does
        {"name": "outputs", "label": "mine", "options": {"dir": "there"}}
    ]
    assert [spec["name"] for spec in data["faces"]] == ["dlib"]
    file.write_text(shown.out)
    assert bench("config", "show", "-c", file).out == shown.out


def test_the_schema_describes_every_field(bench):
    schema = json.loads(bench("config", "schema").out)
    assert schema["properties"].keys() == RunConfig.model_fields.keys()
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("model", [RunConfig, AnimateConfig])
def test_every_field_is_described(model):
    assert [name for name, field in model.model_fields.items() if len(field.description or "") < 10] == []


def test_help_says_what_the_fields_say():
    commands = typer.main.get_command(app).commands
    for verb, model in (("run", RunConfig), ("animate", AnimateConfig)):
        options = {option.name: option.help for option in commands[verb].params}
        shared = options.keys() & model.model_fields.keys()
        assert len(shared) > 10
        for name in shared:
            assert options[name].startswith(model.model_fields[name].description.partition(" Default: ")[0]), name
    given = {option.name for option in commands["run"].params}
    assert RunConfig.model_fields.keys() - given == {"ablation", "ablation_left_out"}, "which ablate gives"


def test_lists_know_plug_ins(bench):
    assert "toy" in bench("methods", "list", "--plugin", TOYS).out
    assert "Blends the identity" in bench("methods", "explain", "toy", "--plugin", TOYS).out
    assert bench("methods", "explain", "nobody", "--plugin", TOYS).code == 2


def test_brackets_in_names_and_paths_are_no_markup(bench, make_suite, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    suite = make_suite(tmp_path / "[red]suite[/]")
    (suite.parent / "d0.png").unlink()
    assert f"bench data fetch {suite} " in bench("data", "check", suite, "--cache", tmp_path / "cache").out
    assert "aed_coeff_l1[MODEL]/1" in bench("metrics", "list").out


def test_a_finished_run_says_what_it_did(bench, make_suite, tmp_path):
    arguments = ["run", "-s", make_suite(tmp_path / "suite"), "-m", "copy-driving", "--plugin", TOYS, "--faces", "toy"]
    arguments += ["--out", tmp_path / "runs", "--cache", tmp_path / "cache"]
    first, second = bench(*arguments), bench(*arguments)
    assert "generate: 3 to do" in first.out
    assert "toy.detect 4" in first.out
    assert "aed_lmk_px512/1" in first.out
    assert "aed_coeff_l1[toy]/1" not in first.out
    assert "aed_coeff_l1[toy]/1" in bench("report", tmp_path / "runs" / "tiny", "--all-metrics").out
    assert "generate: 0 to do, 3 reused" in second.out
    assert "0 done" in second.out
    assert "toy.detect" not in second.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_arrows_gets_question_marks(bench_process, tmp_path, encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    outcome = bench_process("metrics", "list", env=environment, cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert "id_sim/1" in outcome.out
    assert "?" in outcome.out


class Clock:
    """Time that goes by the second asked for."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    own = Clock()
    for module in (progress, case_progress):
        monkeypatch.setattr(module, "time", own)
    return own


def test_plain_progress_speaks_now_and_then_and_tells_the_time_left(clock):
    screen = io.StringIO()
    with RunProgress(Console(file=screen, width=120)) as bar:
        bar.stage("generate", total=10, reused=3)
        clock.now += 100  # workers start: no job will take as long again
        for number in range(1, 8):
            clock.now += 4
            bar.done([{"status": "crash" if number == 2 else "ok"}])
        bar.stage("score", total=0, reused=0)
        clock.now += 1
    assert screen.getvalue().splitlines() == [
        "generate: 10 to do, 3 reused",
        "generate: 1/10",
        "generate: 4/10, 1 failed, about 24.0 s left",
        "generate: 7/10, 1 failed, about 12.0 s left",
        "score: 0 to do",
    ]
    assert bar.seconds == {"generate": 128.0, "score": 1.0}


def test_bars_are_drawn_in_a_terminal(clock):
    screen = io.StringIO()
    with RunProgress(Console(file=screen, width=120, force_terminal=True)) as bar:
        bar.stage("generate", total=2, reused=1)
        bar.done([{"status": "crash"}])
        bar.done([{"status": "ok"}])
    assert "2/2" in screen.getvalue()
    assert "1 failed" in screen.getvalue()


def test_steps_of_long_work_are_told_now_and_then_with_their_losses(clock):
    screen = io.StringIO()
    with RunProgress(Console(file=screen, width=120)) as bar:
        bar.stage("generate", total=2, reused=0)
        for step in range(1, 7):
            clock.now += 4
            bar.step(step, 6, {"ldm": 0.5 / step, "gradient": 1.0})
        bar.done([{"status": "ok"}])
    assert screen.getvalue().splitlines() == [
        "generate: 2 to do",
        "generate: 0/2, step 3/6, ldm 0.167, gradient 1",
        "generate: 0/2, step 6/6, ldm 0.0833, gradient 1",
    ]


def test_steps_stand_beside_the_bar_and_give_way_to_what_was_there(clock):
    screen = io.StringIO()
    with RunProgress(Console(file=screen, width=120, force_terminal=True)) as bar:
        bar.stage("generate", total=3, reused=5)
        bar.step(1, 6, {"ldm": 0.5})
        note = lambda: bar._bars.tasks[0].fields["note"]  # noqa: E731
        assert note() == "step 1/6, ldm 0.5"
        bar.done([{"status": "ok"}])
        assert note() == "5 reused"
        bar.done([{"status": "crash"}])
        bar.step(2, 6, {})
        assert note() == "[red]1 failed[/], step 2/6"
        bar.done([{"status": "ok"}])
        assert note() == "[red]1 failed[/]"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_single_case_shows_phases_steps_and_the_time_left(clock, terminal):
    screen = io.StringIO()
    with CaseProgress(Console(file=screen, width=120, force_terminal=terminal)) as shown:
        shown.phase("sample")
        clock.now += 2
        shown.phase("tune [x]")
        for step in range(1, 5):
            clock.now += 2
            shown.step(step, 10, {"ldm": 0.25})
    assert shown.seconds == {"sample": 2.0, "tune [x]": 8.0}
    if terminal:
        assert "step 4/10, ldm 0.25" in screen.getvalue()
        assert "tune [x]" in screen.getvalue()
    else:
        assert screen.getvalue().splitlines() == [
            "sample",
            "tune [x]",
            "tune [x]: step 2/10, ldm 0.25, about 16.0 s left",
            "tune [x]: step 4/10, ldm 0.25, about 12.0 s left",
        ]
