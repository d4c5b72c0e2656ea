"""What every verb prints is whole on a narrow terminal and in a pipe: no number, id, label or flag is cut or broken."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from portraitbench.datasets.catalog import SUITES
from portraitbench.faces import BACKENDS
from portraitbench.methods import METHODS
from portraitbench.metrics.resolve import all_metrics
from portraitbench.reports.model import build_report
from portraitbench.reports.render.numbers import mean_text

NAME = "a-suite-of-ours-with-a-name-that-is-long"
IDENTITY = "someone-whose-recording-has-a-rather-long-name.take-02"
DRIVING = "a-driving-picture-with-a-name-that-is-as-long-as-such-names-are"
LABEL = "toy-with-a-quarter-of-the-identity-and-some-noise"
METRICS = [metric.spec.id for metric in all_metrics()]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
MEASURED_ANEW = re.compile(r"[\d.]+ (s|min|h|MiB|GiB)\b|\d+:\d\d")
"""How long something took, and the memory it took, which differ from one run to the next."""


def name_long(data):
    data["title"] = "Pictures whose names are longer than those of the public suites, as they come from cameras"
    data["identities"][0]["id"], data["drivings"][0]["id"] = IDENTITY, DRIVING


@pytest.fixture
def run_flags(make_suite, tmp_path, monkeypatch, where):
    """Arguments of a run with a failing method, from a folder with its suite."""
    monkeypatch.chdir(tmp_path)
    for variable in ("FORCE_COLOR", "NO_COLOR", "TERM"):
        monkeypatch.delenv(variable, raising=False)
    make_suite(tmp_path / "suite", name=NAME, identities=2, edit=name_long)
    label = f"toy:mix=0.25,noise=true,as={LABEL}"
    methods = ["-m", "copy-identity", "-m", label, "-m", f"bad:how=raise,only={IDENTITY}*"]
    return ["run", "-s", f"suite/{NAME}.yaml", *methods, "--baseline", "toy", *where]


def prepare(bench, verb, flags):
    """Do before a verb what it needs: a run, its baseline, another configuration."""
    if verb.split()[0] in ("run", "report", "compare", "runs", "why", "gate"):
        assert bench(*flags).code == 0
    if verb == "gate":
        assert bench("baseline", "save", f"runs/{NAME}", "-o", "baseline.json").code == 0
    if verb == "why":
        config = json.loads(Path("runs", NAME, "run.json").read_text())["config"] | {"seed": 3}
        Path("other.yaml").write_text(json.dumps(config))


def words(text):
    """Words in a text from the first results on, and how often each stands there; no colours and times.

    Before its results a run shows how far it is, on terminals by bars.
    """
    plain = ESCAPES.sub("", text)
    results = plain[plain.rfind("\n", 0, max(0, plain.find(f"{NAME}: "))) + 1 :]
    return Counter(MEASURED_ANEW.sub("", results).split())


WIDTHS = [("80", True), ("100", True), ("80", False), (None, False)]
"""Columns, and whether it is a terminal. All lines of the slow doctor are printed in the same way."""

VERBS = {
    "run": lambda run: run,
    "run --dry-run": lambda run: [*run, "--dry-run"],
    "report": lambda run: ["report", f"runs/{NAME}", "--all-metrics"],
    "compare": lambda run: ["compare", f"runs/{NAME}", "--all-metrics"],
    "doctor": lambda run: ["doctor"],
    "data check": lambda run: ["data", "check", f"suite/{NAME}.yaml", "--deep"],
    "methods list": lambda run: ["methods", "list"],
    "metrics list": lambda run: ["metrics", "list"],
    "suites list": lambda run: ["suites", "list"],
    "suites show": lambda run: ["suites", "show", f"suite/{NAME}.yaml"],
    "runs list": lambda run: ["runs", "list"],
    "runs show": lambda run: ["runs", "show", f"runs/{NAME}"],
    "why": lambda run: ["why", f"runs/{NAME}", "-c", "other.yaml"],
    "animate": lambda run: [
        *("animate", "-i", "suite/i0.png", "-d", "suite/d0.png", "-o", f"{LABEL}.png", "--force"),
        *("--no-tune", "-b", "copy-driving", "--size", "64", "--framing", "none"),
    ],
    "gate": lambda run: [
        *("gate", f"runs/{NAME}", "--against", "baseline.json", "--rule", "loss(id_sim)<=2% sig", "--verbose")
    ],
}
MEASURED = ["id_sim/1", "aed_lmk_px512/1", "aed_coeff_l1[toy]/1", "akd_l1_px256/1", "sharpness_ratio/1"]
HELD = {
    "run": [NAME + ":", LABEL, *MEASURED[:2], "--retry-failed)"],
    "run --dry-run": [NAME + ":", f"{LABEL},", "bad)"],
    "report": [NAME + ":", LABEL, *MEASURED],
    "compare": [NAME + ":", LABEL, *MEASURED],
    "doctor": [*BACKENDS],
    "data check": [NAME, "driving", "frames,"],
    "methods list": [*METHODS],
    "metrics list": METRICS,
    "suites list": [*SUITES],
    "suites show": [f"{IDENTITY}__{DRIVING}"],
    "runs list": [f"runs/{NAME}:", f"{LABEL},"],
    "runs show": [NAME + ":", LABEL, "id_sim/1,"],
    "why": [LABEL + ":", f"{IDENTITY}__{DRIVING}"],
    "animate": [f"{LABEL}.png,", f"{LABEL}.strip.png"],
    "gate": [NAME + ",", LABEL + ":", "id_sim/1:"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_cut_or_broken_at_any_width(run_flags, bench, monkeypatch, verb):
    """Each word of a very wide page stands whole on narrow ones, on terminals and in pipes."""
    prepare(bench, verb, run_flags)
    arguments = VERBS[verb](run_flags)
    monkeypatch.setenv("COLUMNS", "4000")
    wide = bench(*arguments)
    assert wide.code == 0, wide.err
    whole = words(wide.out)
    assert set(HELD[verb]) <= set(whole)
    if verb in ("run", "report", "compare"):
        summary = build_report(Path("runs", NAME)).summary
        rows = summary[summary["primary"]] if verb == "run" else summary
        numbers = [word for _, row in rows.iterrows() for word in mean_text(row).split()]
        assert len(numbers) > 6
        assert set(numbers) <= set(whole)
    for columns, terminal in WIDTHS[: 1 if verb == "doctor" else None]:
        monkeypatch.setenv("COLUMNS", columns) if columns else monkeypatch.delenv("COLUMNS")
        monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
        shown = bench(*arguments)
        assert shown.code == 0
        assert "…" not in shown.out
        assert not whole - words(shown.out), (columns, terminal)
