from __future__ import annotations

from pathlib import Path

import pytest

from portraitbench.core.component import Component
from portraitbench.core.digest import digest
from portraitbench.core.errors import ConfigError, PluginError
from portraitbench.core.options import Options
from portraitbench.core.weights import file_on_disk
from portraitbench.faces import BACKENDS
from portraitbench.methods import METHODS
from portraitbench.methods.base import Animation, Generator
from portraitbench.metrics import METRICS


class Shy(Component):
    """Says nothing of itself."""

    name = "shy"


class Heavy(Component):
    name = "heavy"

    @classmethod
    def weight_files(cls, options):
        return [file_on_disk(None, name="w.bin", source="https://x", licence="none", how="ask the author")]


def test_the_revision_is_the_digest_of_the_fingerprint():
    class Told(Component):
        name = "told"

        def fingerprint(self):
            return {"name": "told", "code": 3}

    assert Told().revision == digest({"name": "told", "code": 3})
    with pytest.raises(NotImplementedError, match="Shy has no fingerprint"):
        _ = Shy().revision


def test_weights_that_cannot_be_fetched_are_refused_with_the_way_to_get_them():
    with pytest.raises(ConfigError, match="heavy: these have to be fetched by hand: ask the author"):
        Heavy.fetch_weights(Path("x"))
    with pytest.raises(ConfigError, match="shy: it needs no weights files"):
        Shy.fetch_weights(None)


@pytest.mark.parametrize("registry", [METHODS, BACKENDS, METRICS], ids=lambda registry: registry.kind)
def test_every_built_in_component_has_its_registry_name_and_tells_its_weights(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in registry:
        made = registry.get(name)
        assert issubclass(made, Component)
        assert issubclass(made.options_model, Options)
        if registry is not METRICS:
            assert made.name == name
        for file in made.weight_files({}):
            assert file.licence, name
            assert file.how, name
            assert file.source.startswith("https://"), name


def test_a_method_with_options_must_tell_them_or_nothing_of_it_is_reused():
    class Own(Options):
        strength: float = 1.0

    class Forgetful(Generator):
        name = "forgetful"
        options_model = Own

        def __init__(self, options, context):
            pass

        def animate(self, inputs):
            return Animation(inputs.driving)

    with pytest.raises(PluginError, match="forgetful: its constructor must set settings"):
        Forgetful({}, None).fingerprint()

    class Plain(Forgetful):
        __init__ = Generator.__init__

    revisions = {Plain({"strength": value}, None).revision for value in (1.0, 2.0)}
    assert len(revisions) == 2
    with pytest.raises(ConfigError, match=r"method forgetful: option 'strenght': unknown"):
        Plain({"strenght": 1}, None)
