"""``--open``: a browser where there is a display, and nothing but a line where there is none."""

from __future__ import annotations

import io
import sys
import webbrowser

import pytest
from rich.console import Console

from portraitbench.cli.browse import has_display, open_page


@pytest.fixture
def opened(monkeypatch):
    """Addresses given to the browser; a Linux desktop."""
    found = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    return found


def said(page):
    console = Console(file=io.StringIO())
    open_page(console, page)
    return console.file.getvalue()


def test_the_page_is_opened_as_a_file_address(opened, tmp_path):
    page = tmp_path / "a run" / "index.html"
    assert said(page) == ""
    assert opened == [page.resolve().as_uri()]
    assert "%20" in opened[0]


def test_without_a_display_nothing_is_started(opened, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY")
    assert "no display" in said(tmp_path / "index.html")
    assert opened == []


def test_a_browser_that_does_not_start_is_told(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert "no display or browser" in said(tmp_path / "index.html")


@pytest.mark.parametrize(
    ("platform", "variables", "shown"),
    [
        ("linux", {}, False),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_displays(monkeypatch, platform, variables, shown):
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert has_display() is shown


def test_run_opens_its_report_and_only_when_asked(bench, opened, tmp_path):
    toys = ["run", "-s", "demo-image", "-m", "copy-identity", "--limit", "1", "--out", str(tmp_path), "--name", "one"]
    assert bench(*toys).code == 0
    assert opened == []
    assert bench(*toys, "--open").code == 0
    assert opened == [(tmp_path / "one" / "report" / "index.html").resolve().as_uri()]
