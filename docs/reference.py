"""Writes ``docs/reference`` from what methods say of themselves (``invoke docs``); metrics have ``docs/metrics.md``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from portraitbench.cli.listing import method_text
from portraitbench.methods import METHODS
from portraitbench.methods.tuned_method import is_tuner_class

FOLDER = Path(__file__).resolve().parent / "reference"
_NOTE = "<!-- written by `invoke docs`; change the code's own text instead -->"


def pages() -> dict[str, str]:
    """The pages by file name; built-in things only, so that plug-ins of this environment do not show."""
    methods = [name for name in METHODS if METHODS.origin(name) == "built in"]
    tuners = [name for name in methods if is_tuner_class(name)]
    generators = [name for name in methods if name not in tuners]
    return {
        "methods.md": _page(
            "Methods",
            "bench methods explain NAME",
            ["## Generators\n", *_sections(generators, method_text, "###")],
            ["## Tuners\n", *_sections(tuners, method_text, "###")],
        ),
    }


def _sections(names: Iterable[str], text: Callable[[str], str], level: str = "##") -> list[str]:
    return [f"{level} {name}\n\n```text\n{text(name)}\n```\n" for name in names]


def _page(title: str, command: str, *parts: list[str]) -> str:
    sections = [section for part in parts for section in part]
    return "\n".join([_NOTE, "", f"# {title}\n", f"What `{command}` prints.\n", *sections])


def main() -> int:
    """Write the pages; with ``--check`` only say which are not current."""
    old = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        old.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(f"{'not current' if '--check' in sys.argv else 'written'}: {', '.join(old) or 'none'}")
    return int(bool(old) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
