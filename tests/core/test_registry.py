from __future__ import annotations

import pytest

from portraitbench.core.errors import ConfigError, PluginError
from portraitbench.core.registry import Registry, load_plugin


@pytest.fixture
def registry():
    return Registry("thing", "portraitbench.nothing", {"ordered": "collections:OrderedDict"})


def test_things_are_imported_when_asked_for(registry):
    from collections import OrderedDict

    assert registry.get("ordered") is OrderedDict
    assert (list(registry), "ordered" in registry, registry.origin("ordered")) == (["ordered"], True, "built in")


def test_an_unknown_name_gets_the_nearest_ones(registry):
    with pytest.raises(ConfigError, match="unknown thing 'orderd': did you mean ordered"):
        registry.get("orderd")
    with pytest.raises(ConfigError, match="unknown thing 'zzz': known: ordered"):
        registry.get("zzz")


def test_a_plugin_cannot_take_a_name_but_may_say_the_same_twice(registry):
    registry.add("mine", dict)
    registry.add("mine", dict)
    assert registry.origin("mine") == "plug-in file"
    for name in ("ordered", "mine"):
        with pytest.raises(PluginError, match=f"thing '{name}' exists already"):
            registry.add(name, list)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1/0", "ZeroDivisionError"),
        ("import no_such_module_here", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_plugin_file_that_fails_is_one_line_with_its_name(tmp_path, text, words):
    path = tmp_path / f"plug_{words.lower()}.py"
    path.write_text(text)
    with pytest.raises(PluginError, match=rf"plug-in .*{path.name}: {words}"):
        load_plugin(path)
    with pytest.raises(PluginError, match="no such Python file"):
        load_plugin(tmp_path / "absent.py")


def test_a_plugin_file_runs_once(tmp_path):
    path, log = tmp_path / "plug_once.py", tmp_path / "log"
    path.write_text(f"open({str(log)!r}, 'a').write('x')")
    load_plugin(path)
    load_plugin(path)
    assert log.read_text() == "x"
