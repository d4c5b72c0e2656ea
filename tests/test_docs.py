"""The committed pages say what the code says."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import typer

from portraitbench.cli.app import app
from portraitbench.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]


def script(name):
    """A script of the folder of pages, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made() -> dict[str, str]:
    return script("reference").pages()


def test_the_pages_are_current():
    for name, text in made().items():
        path = ROOT / "docs" / "reference" / name
        assert path.read_text(encoding="utf-8") == text, f"{name} is not current: invoke docs"


def test_every_built_in_method_has_a_section_without_paths_of_this_machine():
    text = (ROOT / "docs" / "reference" / "methods.md").read_text(encoding="utf-8")
    names = re.findall(r"^##+ ([a-z0-9_-]+)$", text, re.MULTILINE)
    assert sorted(names) == [name for name in METHODS if METHODS.origin(name) == "built in"]
    assert str(Path.home()) not in text
    assert str(ROOT) not in text


def test_the_texts_for_developers_name_files_that_exist():
    """Recipes rot when files move."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.(?:py|md|yaml|toml))?)`", text))
    assert len(paths) > 15
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_showcase_gives_commands_that_exist_and_names_the_run_of_every_figure():
    showcase = script("make_showcase")
    verbs = typer.main.get_command(app)
    commands = [shlex.split(text) for text in showcase.COMMANDS.values() if text.startswith("bench ")]
    for _, verb, *arguments in commands:
        verbs.commands[verb].make_context(verb, arguments)  # an unknown flag is an error
    assert [words[2] for words in commands if words[1] == "ablate"] == list(showcase.SWEEPS)
    assert set(showcase.SWEEPS) == set(METHODS.get("strucbooth").sweeps) - {"regions"}
    named = ["figure4_pocket-image_pocket+strucbooth", "table2b_pocket-image", "front_window_pocket-image"]
    assert [showcase.run_of(name) for name in named] == ["default", "decoding", "window"]
    assert set(showcase.TABLES.values()) == {"default", *showcase.SWEEPS}
