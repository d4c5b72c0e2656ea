"""The baseline's output is sampled once per case; a tuned row starts from it, and only from the one it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from portraitbench.harness.runner import Runner, Silent
from portraitbench.harness.stages.base_output import BaseOutput
from portraitbench.harness.store import Store

TINY = Path(__file__).parents[1] / "methods" / "strucbooth" / "tiny_generators.py"
FIELDS = {"plugins": [str(TINY)], "baseline": "tiny-epsilon", "faces": ["tiny"], "metrics": ["id_sim"]}
TUNED = "tiny-epsilon+strucbooth"
FAST = "strucbooth:steps=2"
COUNTED = """
from pathlib import Path
from portraitbench.methods import METHODS
Tiny = type(METHODS.get("tiny-epsilon")({}, None))
Tiny.plain_sample = original = getattr(Tiny, "plain_sample", Tiny.sample)  # once, however often this is loaded
def sample(self, conditions, *, seed, on_step=None):
    with Path(LOG).open("a") as file:
        file.write("plain\\n" if on_step is None else "tuned\\n")
    return original(self, conditions, seed=seed, on_step=on_step)
Tiny.sample = sample
Tiny.resume = lambda self, conditions, base: SHARES
"""


@pytest.fixture
def counted(tmp_path):
    """A plug-in that notes every sampling of the tiny generators; ``shares`` is what they promise."""

    def make(*, shares=True):
        path = tmp_path / f"counted_{shares}.py"
        path.write_text(f"LOG = {str(tmp_path / 'log')!r}\nSHARES = {shares}\n{COUNTED}")
        return {**FIELDS, "plugins": [str(TINY), str(path)]}

    return make


def samplings(tmp_path) -> list[str]:
    path = tmp_path / "log"
    lines = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


def generated(session, method=TUNED) -> dict[str, dict[str, object]]:
    store = Store(session.config.folder)
    store.load()
    found = [record for (stage, _), record in store.records.items() if stage == "generate"]
    return {record["case"]: record for record in found if record["method"] == method}


def shared(session, method=TUNED) -> list[int]:
    return [record["detail"]["base_shared"] for record in generated(session, method).values()]


def numbers(session) -> dict[str, object]:
    """What the tuned rows are: pixels, losses and patches."""
    return {
        case: [record["output"]["sha256"], *(record["detail"][f"{loss}_last"] for loss in ("ldm", "gradient"))]
        for case, record in generated(session).items()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_a_case_takes_two_samplings_and_its_numbers_are_those_of_three(perform, counted, tmp_path, workers):
    once, summary = perform(methods=[FAST], workers=workers, name="once", **counted())
    assert not summary.failures
    assert samplings(tmp_path) == ["plain"] * 3 + ["tuned"] * 3
    assert shared(once) == [1, 1, 1]
    twice, _ = perform(methods=[FAST], name="twice", **counted(shares=False))
    assert samplings(tmp_path) == ["plain"] * 6 + ["tuned"] * 3
    assert shared(twice) == [0, 0, 0]
    assert numbers(once) == numbers(twice)


def test_each_shard_makes_the_baselines_of_its_own_cases_first(perform, counted, tmp_path):
    for shard in ("2/2", "1/2"):
        session, _ = perform(methods=[FAST], shard=shard, **counted())
    assert samplings(tmp_path) == ["plain"] * 3 + ["tuned"] * 3
    assert shared(session) == [1, 1, 1]


def test_another_tuning_starts_from_the_output_of_the_run_before(perform, counted, tmp_path):
    perform(methods=[FAST], **counted())
    samplings(tmp_path)
    session, summary = perform(methods=[FAST, "strucbooth:steps=3,as=longer"], **counted())
    assert samplings(tmp_path) == ["tuned"] * 3
    assert shared(session, "tiny-epsilon+longer") == [1, 1, 1]
    assert not summary.failures


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"threads": 2}, {"device": "cuda"}, {"baseline": "tiny-epsilon:steps=4"}, {"baseline": "tiny-v"}],
    ids=str,
)
def test_an_output_of_other_seed_arithmetic_device_or_options_is_not_shared(make_session, counted, monkeypatch, change):
    """The run before left a sound output of the same case and method name; the plan means another one."""
    Runner(make_session(methods=[FAST], **counted())).run()
    other = make_session(methods=[FAST], **(counted() | change))
    bases = []

    class Executor:
        """Lets the baseline fail, and notes what tuned jobs are handed."""

        def __init__(self, session):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def run(self, jobs):
            for job in jobs:
                bases.extend([job.base] if "+" in getattr(job, "method", "") and hasattr(job, "base") else [])
                yield [record | {"seconds": 0.0, "peak_bytes": 0} for record in job.failed("crash", "by the test")]

    monkeypatch.setattr("portraitbench.harness.runner.make_executor", Executor)
    Runner(other, Silent()).run()
    assert bases == [None, None, None]


@pytest.mark.parametrize("damage", ["deleted", "other pixels"])
def test_an_output_that_is_not_as_it_was_written_is_sampled_anew(perform, counted, damage):
    session, _ = perform(methods=[FAST], **counted())
    record = generated(session, "tiny-epsilon")["i0__d1"]
    base = BaseOutput.of_record(record)
    folder = session.config.folder
    assert base.load(folder).clip.frames.shape == (1, 64, 64, 3)
    path = folder / record["output"]["path"]
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(generated(session, "tiny-epsilon")["i0__d0"]["output"]["path"].encode())
    assert base.load(folder) is None


def test_a_baseline_that_fails_leaves_its_tuned_row_to_itself(perform, counted, tmp_path):
    plugin = tmp_path / "fails.py"
    plugin.write_text(
        "from portraitbench.methods import METHODS\n"
        "Tiny = type(METHODS.get('tiny-epsilon')({}, None))\n"
        "def animate(self, inputs, original=Tiny.animate):\n"
        "    if inputs.case_id == 'i0__d1':\n"
        "        raise RuntimeError('once')\n"
        "    return original(self, inputs)\n"
        "Tiny.animate = animate\n"
    )
    fields = counted()
    session, summary = perform(methods=[FAST], **(fields | {"plugins": [*fields["plugins"], str(plugin)]}))
    assert summary.failures == {"crash": 1}
    assert shared(session) == [1, 0, 1]
    assert samplings(tmp_path) == ["plain"] * 3 + ["tuned"] * 3


def test_what_a_sampling_leaves_is_kept_bit_by_bit_and_handed_back(perform, tmp_path):
    """Of every precision; a generator that needs it gets exactly what it left."""
    plugin = tmp_path / "stateful.py"
    plugin.write_text(
        "import torch\n"
        "from dataclasses import replace\n"
        "from portraitbench.methods import METHODS\n"
        "Tiny = type(METHODS.get('tiny-epsilon')({}, None))\n"
        "def sample(self, conditions, *, seed, on_step=None, original=Tiny.sample):\n"
        "    made = original(self, conditions, seed=seed, on_step=on_step)\n"
        "    left = torch.randn(2, 3, generator=torch.Generator().manual_seed(seed % 1000))\n"
        "    return made if on_step else replace(made, state={'latents': left.bfloat16(), 'pads': left.T})\n"
        "def resume(self, conditions, base, original=Tiny.sample):\n"
        "    expected = sample(self, conditions, seed=self.seed).state\n"
        "    assert base.state.keys() == expected.keys()\n"
        "    return all(torch.equal(base.state[n], expected[n]) and base.state[n].dtype == expected[n].dtype\n"
        "               for n in expected)\n"
        "def condition(self, inputs, original=Tiny.condition):\n"
        "    self.seed = inputs.seed\n"
        "    return original(self, inputs)\n"
        "Tiny.sample, Tiny.resume, Tiny.condition = sample, resume, condition\n"
    )
    session, summary = perform(methods=[FAST], **(FIELDS | {"plugins": [str(TINY), str(plugin)]}))
    assert not summary.failures
    assert shared(session) == [1, 1, 1]
    record = generated(session, "tiny-epsilon")["i0__d1"]
    assert (session.config.folder / record["state"]["path"]).name == "tiny-epsilon.state.safetensors"
    assert "state" not in generated(session)["i0__d1"]
