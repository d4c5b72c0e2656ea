"""The page and its media: proxies show what their sources show, names stay text, one file holds what fits."""

from __future__ import annotations

import base64
import json
import re
from fractions import Fraction
from html.parser import HTMLParser

import av
import numpy as np
import pytest
from PIL import Image

from portraitbench.core.errors import MediaError
from portraitbench.datasets.clip import Clip
from portraitbench.datasets.media import read_clip
from portraitbench.reports.html import cases as cases_module
from portraitbench.reports.html import page as page_module
from portraitbench.reports.html.proxies import LARGEST, make_proxies, write_video
from portraitbench.reports.report import write_report

BAD = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'


def moving(frames: int, width: int = 96, height: int = 64) -> Clip:
    """Smooth colours with a bright square whose place tells the frame."""
    rows, columns = np.mgrid[:height, :width]
    ground = np.stack([60 + columns, 40 + rows, 200 - columns], -1)
    pictures = np.repeat(ground[None], frames, 0)
    for index in range(frames):
        pictures[index, 16:32, 8 * (index % 10) : 8 * (index % 10) + 16] = (230, 60, 40)
    return Clip(pictures.astype(np.uint8), Fraction(12))


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


class Words(HTMLParser):
    """Tags with their attributes, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text, self._raw = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, data):
        if not self._raw:
            self.text.append(data)


def test_a_video_proxy_has_the_frames_and_colours_of_its_source(tmp_path):
    clip = moving(23)
    write_video(tmp_path / "a.mp4", clip)
    shown = read_clip(tmp_path / "a.mp4")
    assert len(shown) == 23
    assert shown.fps == 12
    difference = np.abs(shown.frames.astype(int) - clip.frames)
    # Wrong matrices or ranges shift colours by 10 to 20, a frame too early or late moves the square.
    assert difference.mean(axis=(1, 2, 3)).max() < 4
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        keys = [index for index, packet in enumerate(container.demux(stream)) if packet.is_keyframe and packet.size]
    assert keys == [0, 10, 20]


@pytest.mark.parametrize(("size", "expected"), [((700, 350), (LARGEST, LARGEST // 2)), ((65, 33), (64, 32))])
def test_a_large_or_odd_clip_is_made_to_fit(tmp_path, size, expected):
    write_video(tmp_path / "a.mp4", Clip(np.zeros((2, size[1], size[0], 3), np.uint8)))
    shown = read_clip(tmp_path / "a.mp4")
    assert (shown.width, shown.height) == expected


def test_proxies_are_made_once_and_taken_away_when_nothing_shows_them(tmp_path):
    read: list[str] = []

    def load(name, clip):
        return lambda: (read.append(name), clip)[1]

    both = {"a": load("a", moving(3)), "b": load("b", moving(1))}
    first = make_proxies(tmp_path, both)
    names = {key: proxy.name for key, proxy in first.made.items()}
    assert sorted(read) == ["a", "b"]
    assert (first.made["a"].frames, first.made["b"].frames) == (3, 1)
    assert first.bytes == sum((tmp_path / name).stat().st_size for name in names.values())
    assert np.abs(np.asarray(Image.open(tmp_path / names["b"])).astype(int) - moving(1).frames[0]).mean() < 4
    assert make_proxies(tmp_path, both) == first
    assert len(read) == 2
    (tmp_path / names["a"]).write_bytes(b"cut")  # damaged: made again, of the same bytes
    assert make_proxies(tmp_path, both) == first
    assert read[2:] == ["a"]
    make_proxies(tmp_path, {"b": both["b"]})
    assert {path.name for path in tmp_path.iterdir()} == {names["b"], "index.json"}


def test_a_source_that_cannot_be_read_has_a_reason(tmp_path):
    def load():
        raise MediaError("a.png: is not there")

    found = make_proxies(tmp_path, {"a": load})
    assert (found.made, found.gone) == ({}, {"a": "a.png: is not there"})


def test_a_run_writes_a_page_with_its_numbers_cases_and_reasons(crafted):
    write_report(crafted.folder)
    text = (crafted.folder / "report" / "index.html").read_text()
    words = " ".join(Words(text).text)
    for part in ("too few", "why a-y", "H.264 4:2:0", "0123456789ab", "Primary metrics"):
        assert part in words
    data = data_of(text)
    assert [case["id"] for case in data["cases"]] == ["a-x", "a-y", "b-x"]
    metrics = data["suites"]["tiny"]["metrics"]
    # Case values are means over the frames that have one: (1 + 2 + 3 + 6) / 4 and (4 + 8) / 2.
    up = metrics.index("up/1")
    assert data["cases"][0]["values"]["base"][up] == 3.0
    assert data["cases"][0]["values"]["ours"][up] == 6.0
    assert data["cases"][1]["values"]["ours"][up] is None
    tiles = {tile["label"]: tile for tile in data["cases"][1]["tiles"]}
    assert (tiles["ours"]["status"], tiles["ours"]["reason"]) == ("crash", "why a-y")
    place = data["cases"][0]["curves"]
    call = (crafted.folder / "report" / place).read_text()
    index, curves = json.loads(f"[{call.removeprefix('portraitCurves(').rstrip().removesuffix(')')}]")
    assert index == 0
    assert curves["up/1"] == {"base": [1, 2, 3, 6], "ours": [4, None, None, 8]}


def test_names_and_reasons_stay_text(blank):
    blank.case("base", "a-x", {"up": [1.0], "down": [1.0]})
    blank.case(BAD, "a-x", None, "crash", BAD)
    blank.write()
    run = json.loads((blank.folder / "run.json").read_text())
    run["suites"]["tiny"]["title"] = BAD
    run["config"]["name"] = BAD
    (blank.folder / "run.json").write_text(json.dumps(run))
    write_report(blank.folder, single_file=True)
    for name in ("index.html", "single.html"):
        text = (blank.folder / "report" / name).read_text()
        page = Words(text)
        assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
        assert sum(tag == "script" for tag, _ in page.tags) == 2
        assert "".join(page.text).count(BAD) >= 4
        assert data_of(text)["cases"][0]["tiles"][-1]["reason"] == BAD


def test_a_single_file_holds_what_fits_and_says_what_it_left_out(perform, monkeypatch):
    session, _ = perform(methods=["copy-identity", "copy-driving"])
    folder = session.config.folder
    write_report(folder, single_file=True)
    text = (folder / "report" / "single.html").read_text()
    media = data_of(text)["media"]
    assert media
    assert all(one["src"].startswith("data:image/webp;base64,") for one in media)
    assert f"{len(media)} of {len(media)} pictures and clips are inside it." in text
    hrefs = [attributes["href"] for tag, attributes in Words(text).tags if tag == "a"]
    assert all(href.startswith("#") for href in hrefs)
    monkeypatch.setattr(page_module, "SINGLE_LIMIT", len(media[0]["src"]))
    write_report(folder, single_file=True)
    text = (folder / "report" / "single.html").read_text()
    inside = [one for one in data_of(text)["media"] if "src" in one]
    assert sum(len(one["src"]) for one in inside) <= len(media[0]["src"])
    assert f"{len(media) - 1} were left out" in text
    assert "left out of this single file" in data_of(text)["media"][-1]["gone"]
    write_report(folder)
    assert not (folder / "report" / "single.html").exists()


def test_pages_of_an_ablation_hold_its_plot_and_its_front(blank):
    blank.case("base", "a-x", {"up": [1.0], "down": [2.0]})
    blank.case("base+steps=5", "a-x", {"up": [2.0], "down": [1.0]})
    blank.write()
    path = blank.folder / "run.json"
    named = lambda text: text.replace("up/1", "id_sim/1").replace("down/1", "aed_lmk_px512/1")  # noqa: E731
    data = json.loads(named(path.read_text()))
    rows = [{"name": "strucbooth", "label": "steps=5", "options": {"steps": 5}}]
    data["config"] |= {"ablation": "steps", "baseline": {"name": "base"}, "methods": rows}
    path.write_text(json.dumps(data))
    plan = blank.folder / "plan.jsonl"
    plan.write_text(named(plan.read_text()))
    write_report(blank.folder, single_file=True)
    report = blank.folder / "report"
    shown = {}
    for name in ("index.html", "single.html"):
        pictures = [attributes for tag, attributes in Words((report / name).read_text()).tags if tag == "img"]
        shown[name] = [one["src"] for one in pictures if one["alt"] == "plot of the ablation"]
    assert shown["index.html"] == ["ablation.png", "front.tiny.png"]
    for name, source in zip(shown["index.html"], shown["single.html"], strict=True):
        start, _, coded = source.partition(",")
        assert start == "data:image/png;base64"
        assert base64.b64decode(coded) == (report / name).read_bytes()


def test_links_of_the_page_lead_to_files(perform):
    session, _ = perform(methods=["copy-identity", "bad:how=raise,only=i0__d1"], baseline="copy-driving")
    report = session.config.folder / "report"
    write_report(session.config.folder)
    text = (report / "index.html").read_text()
    data = data_of(text)
    ids = {attributes.get("id") for _, attributes in Words(text).tags}
    hrefs = [attributes["href"] for tag, attributes in Words(text).tags if tag == "a"]
    hrefs += [tile["original"] for case in data["cases"] for tile in case["tiles"] if "original" in tile]
    hrefs += [one["src"] for one in data["media"]]
    assert len(hrefs) > 15
    for href in hrefs:
        assert href[1:] in ids if href.startswith("#") else (report / href).is_file(), href


def test_inputs_that_have_gone_stay_visible_where_they_were_seen_before(perform):
    session, _ = perform(methods=["copy-identity"])
    folder = session.config.folder
    write_report(folder)
    suite = session.media.suite("tiny")
    (suite.folder / suite.suite.assets["i0"].path).unlink()
    write_report(folder)
    assert not [one for one in data_of((folder / "report" / "index.html").read_text())["media"] if "gone" in one]
    for path in (folder / "report" / "media").iterdir():
        path.unlink()
    write_report(folder)
    gone = [one["gone"] for one in data_of((folder / "report" / "index.html").read_text())["media"] if "gone" in one]
    assert len(gone) == 1
    assert "asset i0" in gone[0]


def test_a_page_of_many_cases_shows_some_and_says_so(blank, monkeypatch):
    monkeypatch.setattr(cases_module, "SHOWN_CASES", 3)
    for row in range(7):
        blank.case("base", f"i-{row}", {"up": [row, row + 1.0], "down": [3.0, 4.0]})
    blank.write()
    write_report(blank.folder)
    page = (blank.folder / "report" / "index.html").read_text()
    assert len(data_of(page)["cases"]) == 3
    assert "3 of 7 cases are shown, spread evenly over the run" in page
    assert len(list((blank.folder / "report" / "media").glob("curves-*.js"))) == 3
    assert ",3.5," in (blank.folder / "report" / "tiny.csv").read_text()  # the mean of all seven
