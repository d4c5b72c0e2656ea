"""The report's page in a real browser, opened from the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portraitbench.reports.report import write_report

pytestmark = pytest.mark.browser
BAD = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
VIDEOS = "const videos = [...document.querySelectorAll('.case')[arguments[0]].querySelectorAll('video')];"
READY = f"""{VIDEOS}
return videos.length && videos.every(v => v.readyState >= 2 && !v.seeking) && videos.length"""
SHOWN = "return [...document.querySelectorAll('.case')].map(card => card.card.entry.id)"


METHODS = ["bad:how=raise,only=i0__d1", "toy:mix=0.2,as=other", "copy-identity"]


def retitle(folder: Path, title: str) -> None:
    run = json.loads((folder / "run.json").read_text())
    run["suites"]["tiny"]["title"] = title
    (folder / "run.json").write_text(json.dumps(run))


@pytest.fixture(scope="module")
def made() -> list[Path]:
    """The page, once a test has asked for it."""
    return []


@pytest.fixture
def page(request, made) -> Path:
    """The page of :func:`new_page`, made once for all tests."""
    if not made:
        made.append(request.getfixturevalue("new_page"))
    return made[0]


@pytest.fixture
def new_page(perform, make_suite, tmp_path) -> Path:
    """A run of six clips, two identities and three drivers, of which one output failed, with a hostile title."""
    suite = make_suite(tmp_path / "suite", "cross-video", identities=2)
    session, _ = perform(suite, methods=METHODS, baseline="toy")
    retitle(session.config.folder, BAD)
    write_report(session.config.folder, single_file=True)
    return session.config.folder / "report" / "index.html"


def select(browser, title: str, value: str) -> None:
    """Choose in one of the page's filters, as a person does."""
    browser.run(
        """const labels = [...document.querySelectorAll('#controls label')];
        const label = labels.find(l => l.firstChild.data === arguments[0]);
        const select = label.querySelector('select'); select.value = arguments[1];
        select.dispatchEvent(new Event('change'))""",
        title,
        value,
    )


def near(browser, index: int) -> None:
    """Scroll to a case and wait for its clips."""
    browser.run("document.querySelectorAll('.case')[arguments[0]].scrollIntoView()", index)
    browser.wait(READY, index)


def frames(browser, index: int, fps: float = 12) -> list[int]:
    return [int(time * fps) for time in browser.run(f"{VIDEOS} return videos.map(v => v.currentTime)", index)]


def test_the_page_opens_without_a_complaint(browser, page):
    for name in ("index.html", "single.html"):
        browser.open(page.with_name(name))
        near(browser, 0)
        near(browser, 5)
        assert browser.errors() == []


def test_hostile_titles_stay_text(browser, page):
    browser.open(page)
    assert browser.driver.title == "tiny - portraitbench"
    assert BAD in browser.run("return document.querySelector('#results h3').textContent")
    assert browser.run("return document.querySelectorAll('script').length") == 2
    near(browser, 1)
    select(browser, "status", "crash")
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0


def test_hostile_ids_methods_and_reasons_stay_text(browser, crafted_page):
    browser.open(crafted_page)
    browser.run("document.querySelector('#cases').scrollIntoView()")
    browser.wait("return document.querySelectorAll('.frame.failed p').length")
    texts = browser.run("return [...document.querySelectorAll('.frame.failed p')].map(p => p.textContent)")
    assert f"crash: {BAD}" in texts
    assert BAD in browser.run("return document.querySelector('.case h3').textContent")
    assert BAD in browser.run("return document.querySelector('#controls').textContent")
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0
    assert browser.driver.title == "run - portraitbench"


@pytest.fixture
def crafted_page(crafted_hostile) -> Path:
    """A run whose method, case and reason are HTML."""
    write_report(crafted_hostile)
    return crafted_hostile / "report" / "index.html"


@pytest.fixture
def crafted_hostile(perform) -> Path:
    session, _ = perform(methods=["bad:how=raise"], baseline="toy")
    folder = session.config.folder
    coded = json.dumps(BAD)[1:-1]
    for path in [folder / "run.json", folder / "plan.jsonl", *(folder / "records").glob("*.jsonl")]:
        text = path.read_text().replace('"i0__d0"', f'"{coded}"').replace('"bad"', f'"{coded}"')
        lines = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]
        for line in lines:
            if line.get("status") == "crash":
                line["reason"] = BAD
        path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    (folder / "report").mkdir(exist_ok=True)
    renamed = folder.with_name("run")
    folder.rename(renamed)
    return renamed


def test_filters_filter(browser, page):
    browser.open(page)
    assert sorted(browser.run(SHOWN)) == [f"i{row}__d{column}" for row in range(2) for column in range(3)]
    select(browser, "identity", "i1")
    assert sorted(browser.run(SHOWN)) == ["i1__d0", "i1__d1", "i1__d2"]
    select(browser, "driver", "d2")
    assert browser.run(SHOWN) == ["i1__d2"]
    assert "identity=i1&driving=d2" in browser.driver.current_url
    assert browser.run("return document.querySelector('#count').textContent") == "1 of 6 cases"
    select(browser, "identity", "")
    select(browser, "driver", "")
    select(browser, "status", "crash")
    assert browser.run(SHOWN) == ["i0__d1"]
    select(browser, "status", "")
    select(browser, "method", "bad")
    near(browser, 0)
    labels = browser.run("return [...document.querySelectorAll('.case:first-child b')].map(b => b.textContent)")
    assert labels == ["identity", "driver", "toy", "bad", "copy-identity"]
    select(browser, "method", "other")
    near(browser, 0)
    labels = browser.run("return [...document.querySelectorAll('.case:first-child b')].map(b => b.textContent)")
    assert labels == ["identity", "driver", "toy", "other", "copy-identity"]
    assert browser.errors() == []


def test_the_state_stands_in_the_address(browser, page):
    browser.open(page, "#driving=d1&order=plan&case=i1__d1")
    assert sorted(browser.run(SHOWN)) == ["i0__d1", "i1__d1"]
    assert browser.run("return document.querySelector('.case.current').card.entry.id") == "i1__d1"


def test_cases_come_in_the_order_of_loss_and_gain(browser, page):
    browser.open(page, "#method=other")
    gains = "return [...cards.values()].map(c => gainOf(c.entry, 'other', metricNow()))"
    losses = browser.run(gains)
    assert len(set(losses)) > 1
    assert losses == sorted(losses)
    select(browser, "order", "gain")
    assert browser.run(gains) == sorted(losses, reverse=True)


def test_one_slider_moves_all_clips_to_one_frame(browser, page):
    browser.open(page)
    near(browser, 2)
    count = len(frames(browser, 2))
    assert count >= 3
    move = """const slider = document.querySelectorAll('.case')[2].querySelector('[aria-label=frame]');
        slider.value = arguments[0]; slider.dispatchEvent(new Event('input'))"""
    for frame in (4, 1, 5, 0):
        browser.run(move, frame)
        browser.wait(READY, 2)
        assert frames(browser, 2) == [frame] * count
    assert set(frames(browser, 1) or [0]) == {0}  # other cases stay


def test_a_part_of_the_face_is_enlarged_where_it_was_seen(browser, page):
    """The window that is on the screen holds the recorded box, and not much besides."""
    browser.open(page)
    near(browser, 0)
    left, top, right, bottom = browser.run("return document.querySelector('.case').card.entry.windows['lower face']")
    assert left < right
    assert top < bottom
    shown = browser.run(
        """const card = document.querySelector('.case');
        [...card.querySelectorAll('button')].find(b => b.textContent === 'lower face').click();
        const frame = card.querySelector('.frame').getBoundingClientRect();
        const whole = card.querySelector('.frame video, .frame img').getBoundingClientRect();
        return [(frame.left - whole.left) / whole.width, (frame.top - whole.top) / whole.height,
          (frame.right - whole.left) / whole.width, (frame.bottom - whole.top) / whole.height]"""
    )
    assert shown[0] <= left + 1e-3
    assert shown[1] <= top + 1e-3
    assert shown[2] >= right - 1e-3
    assert shown[3] >= bottom - 1e-3
    side = max(right - left, bottom - top, 0.1)
    assert shown[2] - shown[0] == pytest.approx(min(1, 1.3 * side), abs=0.01)
    assert browser.errors() == []


def test_keys_step_play_and_compare(browser, page):
    from selenium.webdriver.common.keys import Keys

    browser.open(page)
    near(browser, 0)
    body = browser.driver.find_element("tag name", "body")
    body.send_keys("j")
    browser.wait(READY, 0)
    count = len(frames(browser, 0))
    body.send_keys("..")
    browser.wait(READY, 0)
    assert frames(browser, 0) == [2] * count
    body.send_keys(",")
    browser.wait(READY, 0)
    assert frames(browser, 0) == [1] * count
    for key, word in (("w", "left A"), ("f", "B: "), ("d", "difference of A and B")):
        body.send_keys(key)
        browser.wait("return document.querySelector('.stage .fine').textContent.includes(arguments[0])", word)
    body.send_keys("x")
    assert not browser.run("return document.querySelector('.stage')")
    body.send_keys("j")
    assert browser.run("return [...cards.values()].indexOf(current)") == 1
    body.send_keys(Keys.SHIFT + "?")
    assert "next case" in browser.driver.find_element("id", "help").text
    assert browser.errors() == []


def test_while_playing_clips_are_at_most_a_frame_apart(browser, page):
    browser.open(page)
    near(browser, 0)
    browser.run("[...cards.values()][0].speed.value = '0.25'; [...cards.values()][0].play()")
    browser.wait("const c = [...cards.values()][0]; return c.frame >= 2")
    apart = []
    for _ in range(20):
        seen = frames(browser, 0)
        apart.append(max(seen) - min(seen))
    browser.run("[...cards.values()][0].pause()")
    assert sorted(apart)[len(apart) // 2] <= 1
    browser.wait(READY, 0)
    assert len(set(frames(browser, 0))) == 1


def test_media_are_fetched_near_the_screen_alone(browser, page):
    browser.driver.set_window_size(600, 400)
    browser.open(page)
    browser.wait("return document.readyState === 'complete'")
    assert browser.run("return document.querySelectorAll('video').length") == 0
    near(browser, 0)
    with_media = "return [...cards.values()].filter(card => card.near).length"
    assert 0 < browser.run(with_media) < 6
    browser.run("scrollTo(0, 0)")
    browser.wait(with_media.replace("return", "return 0 ===", 1))
    assert browser.run("return document.querySelectorAll('video').length") == 0
    browser.driver.set_window_size(1280, 900)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(browser, page, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.open(page)
    near(browser, 0)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
