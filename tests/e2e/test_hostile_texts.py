"""Names and reasons with terminal escapes, Markdown and HTML in them stay text, wherever a run shows them."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

MARK = "owned"
BAD = (
    f'\x1b]0;{MARK}\x07\x1b[2J<img src=x onerror="{MARK}()"><script>{MARK}()</script>| a | [b](javascript:{MARK}) **c**'
)
PLUGIN = f"""
from portraitbench.methods import METHODS
from portraitbench.methods.base import Generator

class Bad(Generator):
    name = "hostile"
    def animate(self, inputs):
        raise RuntimeError({BAD!r} + "\\n# heading")

METHODS.add("hostile", Bad)
"""
OWN_ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[12]K|\x1b\[1A")
"""Colours, the cursor and lines of bars, which the console itself writes."""


class Tags(HTMLParser):
    """Whatever of a page could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._script = False

    def handle_starttag(self, tag, attrs):
        self._script = tag == "script"
        values = [f"{name}={value}" for name, value in attrs]
        self.found += [f"<{tag} {value}" for value in values if value.startswith(("on", "href=javascript"))]
        self.found += ["<img src=x"] if tag == "img" and ("src", "x") in attrs else []

    def handle_data(self, data):
        # The page's own data is JSON in a script, in which a tag would have to be closed to get out.
        if self._script and data.strip() == f"{MARK}()":
            self.found.append("<script>")

    def handle_endtag(self, tag):
        self._script = False


def live(html: str) -> list[str]:
    tags = Tags()
    tags.feed(html)
    return tags.found


@pytest.fixture
def hostile(make_suite, tmp_path, where):
    (tmp_path / "hostile.py").write_text(PLUGIN)
    suite = make_suite(tmp_path / "suite", edit=lambda data: data.update(title=f"T {BAD}", notes=[f"N {BAD}"]))
    return ["run", "-s", suite, "-m", "toy", "-m", "hostile", "--plugin", tmp_path / "hostile.py", *where]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_title_and_a_reason_stay_text_everywhere(bench, hostile, tmp_path, monkeypatch, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    outcome = bench(*hostile)
    assert outcome.code == 0
    told = OWN_ESCAPES.sub("", outcome.out + outcome.err)
    assert MARK in told
    assert not set(told) & {"\x1b", "\x07"}
    report = tmp_path / "runs" / "tiny" / "report"
    page = (report / "index.html").read_text()
    assert MARK in page
    assert live(page) == []
    markdown = (report / "index.md").read_text()
    assert f"T \\x1b]0;{MARK}" in markdown.replace("\\\\", "\\")
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    assert live(rendered) == []
    assert "<strong>c</strong>" not in rendered
    assert "heading</h1>" not in rendered
    for path in report.glob("*.csv"):
        rows = list(csv.reader(path.open()))
        assert len({len(row) for row in rows}) == 1
    assert not any(
        set(path.read_text()) & {"\x1b", "\x07"} for path in report.iterdir() if path.suffix in (".md", ".csv")
    )


@pytest.mark.parametrize("field", ["identities", "drivings"])
def test_ids_and_labels_with_such_texts_are_refused_in_one_clean_line(refused, make_suite, where, tmp_path, field):
    suite = make_suite(tmp_path / "suite", edit=lambda data: data[field][0].update(id=BAD))
    line = refused("run", "-s", suite, "-m", "toy", *where)
    assert f"{field}.0.id" in line
    assert not set(line) & {"\x1b", "\x07"}
    label = refused("run", "-s", make_suite(tmp_path / "other"), "-m", f"toy:as=\x1b[2J<b>{MARK}", *where)
    assert "label" in label
    assert "\x1b" not in label


def test_names_of_results_that_match_nothing_are_shown_clean(refused, suite, where, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / f"\x1b[2J[bold]{MARK}.png").write_bytes((suite.parent / "d0.png").read_bytes())
    line = refused("run", "-s", suite, "--outputs", f"x={tmp_path / 'theirs'}", *where)
    assert "\x1b" not in line
    assert f"[bold]{MARK}.png" in line
