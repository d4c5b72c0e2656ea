"""A tuner on a generator: each case is tuned alone, and a generator that did not come back whole is not used again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from portraitbench.core.errors import ConfigError
from portraitbench.harness.runner import Runner, Silent
from portraitbench.harness.store import Store
from portraitbench.reports.records_frame import tidy

PLUGIN = str(Path(__file__).parents[1] / "toy_diffusion.py")
BASE = {"plugins": [PLUGIN], "baseline": "toy-diffusion"}


def generated(session) -> dict[tuple[str, str], dict[str, object]]:
    store = Store(session.config.folder)
    store.load()
    rows = [record for (stage, _), record in store.records.items() if stage == "generate"]
    return {(row["method"], row["case"]): row for row in rows}


def digests(session) -> dict[tuple[str, str], str | None]:
    return {key: row["output"] and row["output"]["sha256"] for key, row in generated(session).items()}


def test_a_tuner_makes_a_row_beside_its_baseline(perform):
    session, summary = perform(methods=["toy-tuner"], **BASE)
    assert not summary.failures
    assert session.labels == ["toy-diffusion", "toy-diffusion+toy-tuner"]
    own = digests(session)
    cases = ["i0__d0", "i0__d1", "i0__d2"]
    assert all(own["toy-diffusion", case] != own["toy-diffusion+toy-tuner", case] for case in cases)
    frame = tidy(session.config.folder)
    assert dict(zip(frame["method"], frame["baseline"], strict=True)) == {
        "toy-diffusion": "",
        "toy-diffusion+toy-tuner": "toy-diffusion",
    }


@pytest.mark.parametrize("how", ["leak", "raise", "no-face"])
def test_a_generator_that_is_left_changed_spoils_one_case_only(perform, how):
    """The other cases, of the baseline too, must be what they are without the accident."""
    clean, _ = perform(methods=["toy-tuner:as=t"], name="clean", **BASE)
    session, summary = perform(methods=[f"toy-tuner:how={how},only=i0__d0,as=t"], name="leaky", **BASE)
    bad = generated(session)["toy-diffusion+t", "i0__d0"]
    assert (bad["status"], bad["reason"]) == ("crash", "RuntimeError: tuner toy-tuner left toy-diffusion changed")
    assert summary.failures == {"crash": 1}
    expected = digests(clean) | {("toy-diffusion+t", "i0__d0"): None}
    assert digests(session) == expected


def test_a_tuner_without_a_baseline_is_refused(perform):
    with pytest.raises(ConfigError, match="method toy-tuner: it tunes a generator: name that with --baseline"):
        perform(methods=["toy-tuner"], plugins=[PLUGIN])


def test_a_tuner_needs_a_diffusion_generator(perform):
    with pytest.raises(ConfigError, match="toy-tuner tunes diffusion generators; the baseline copy-identity is none"):
        perform(methods=["toy-tuner"], plugins=[PLUGIN], baseline="copy-identity")


def test_a_tuner_is_no_baseline(perform):
    with pytest.raises(ConfigError, match="baseline: 'toy-tuner' is a tuner"):
        perform(plugins=[PLUGIN], baseline="toy-tuner")


def test_tuner_options_are_part_of_the_key(perform):
    _, first = perform(methods=["toy-tuner"], **BASE)
    _, again = perform(methods=["toy-tuner"], **BASE)
    _, other = perform(methods=["toy-tuner:only=i0__d9"], **BASE)
    assert (first.performed > 0, again.performed) == (True, 0)
    assert other.performed > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_is_told_the_steps_of_its_tuner_in_this_process(make_session, workers):
    tiny = Path(__file__).parents[1] / "methods" / "strucbooth" / "tiny_generators.py"
    fields = {"plugins": [str(tiny)], "baseline": "tiny-epsilon", "faces": ["tiny"], "limit": 2, "workers": workers}
    session = make_session(methods=["strucbooth:steps=2"], metrics=["id_sim"], **fields)
    told = []

    class Listener(Silent):
        def step(self, done, total, figures):
            told.append((done, total, sorted(figures)))

    summary = Runner(session, Listener()).run()
    assert not summary.failures
    assert told == [(step, 2, ["gradient", "identity", "ldm"]) for _ in range(2) for step in (1, 2)] * (workers == 1)
