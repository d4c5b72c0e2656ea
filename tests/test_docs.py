"""The committed pages say what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from portraitbench.methods import METHODS

ROOT = Path(__file__).resolve().parents[1]


def made() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "docs" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


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
