from __future__ import annotations

import re

import av
import pytest
import yaml

from portraitbench.core.errors import ConfigError, ManifestError
from portraitbench.datasets.assets import AssetStore
from portraitbench.datasets.catalog import PUBLIC_CROSS_IMAGE, SUITES, open_suite
from portraitbench.datasets.check import check_suite
from portraitbench.datasets.fetch import fetch_assets
from portraitbench.datasets.framing import frame_window
from portraitbench.datasets.manifest import SuiteKind
from portraitbench.datasets.media import probe
from portraitbench.datasets.timeline import sampled
from portraitbench.harness.framing import face_framing

PUBLIC = {
    "public-cross-image": (SuiteKind.CROSS_IMAGE, 200),
    "public-cross-video": (SuiteKind.CROSS_VIDEO, 200),
    "public-self-video": (SuiteKind.SELF_VIDEO, 50),
}


@pytest.fixture(params=PUBLIC)
def public(request, tmp_path):
    return open_suite(request.param, tmp_path)


@pytest.fixture(scope="module")
def sources(shared):
    return {entry["path"]: entry for entry in yaml.safe_load((shared / "portraits/sources.yaml").read_text())["files"]}


def test_public_suites_have_the_papers_shape(public):
    suite = public.suite
    assert (suite.kind, len(suite.cases())) == PUBLIC[suite.name]
    assert suite.size == 512
    used = {window.asset for window in (*suite.identities, *suite.drivings, *suite.clips)}
    assert used == set(suite.assets)
    assert public.case(suite.cases()[-1].id) == suite.cases()[-1]
    with pytest.raises(ConfigError, match="no case called 'x'"):
        public.case("x")


def test_public_assets_are_pinned_licensed_and_accounted_for(public):
    pattern = re.compile(r"https://raw\.githubusercontent\.com/([^/]+/[^/]+)/([0-9a-f]{40})/.+")
    for asset in public.suite.assets.values():
        match = pattern.fullmatch(asset.url)
        assert match is not None
        assert match[1] in asset.provenance
        assert match[2] in asset.provenance
        assert "onsent" in asset.provenance
        assert asset.licence in {"MIT", "Apache-2.0"}
        assert asset.person
    assert any("consent is not recorded" in note for note in public.suite.notes)


def test_public_assets_equal_their_sources(public, sources):
    for asset in public.suite.assets.values():
        entry = sources[asset.path]
        fields = ("url", "sha256", "bytes", "licence", "person")
        assert [getattr(asset, name) for name in fields] == [entry[name] for name in fields]
        assert asset.url.endswith(f"{entry['repo']}/{entry['commit']}/{entry['path_in_repo']}")


def test_public_windows_fit_and_decode(public, shared, tmp_path):
    store, source = AssetStore(tmp_path), shared / "portraits"
    report = fetch_assets(store, public.suite, public.folder, source=source)
    assert (len(report.fetched), report.failed) == (len(public.suite.assets), {})
    assert check_suite(store, public.suite, public.folder, deep=True).ok
    window = public.suite.cases()[0].identity
    clip = frame_window(public.suite, window, store.require(public.suite, window.asset, public.folder))
    assert clip.frames.shape == (1, 512, 512, 3)


def test_driving_clips_last_three_seconds_and_self_clips_drive_with_two(tmp_path, shared):
    for name, seconds in (("public-cross-video", 3), ("public-self-video", 2)):
        suite = open_suite(name, tmp_path).suite
        for window in suite.drivings or suite.clips:
            info = probe(shared / "portraits" / suite.assets[window.asset].path)
            assert window.frames == round(seconds * info.fps)
            if name == "public-self-video":
                # The identity frame opens a window of 3 seconds, so the driving frames start one second after it.
                assert abs(window.start - window.identity_frame - info.fps) <= 1


def test_crops_of_clips_whose_pixels_are_not_square_count_the_pixels_that_are_shown(tmp_path, shared):
    pytest.importorskip("dlib")
    framing, suite = face_framing("dlib"), open_suite("public-self-video", tmp_path).suite
    found = 0
    for clip in suite.clips:
        path = shared / "portraits" / suite.assets[clip.asset].path
        with av.open(str(path)) as container:
            aspect = container.streams.video[0].sample_aspect_ratio
        if aspect not in (None, 0, 1):
            frames = clip.start + clip.frames - clip.identity_frame
            framed = framing(sampled(path, clip.identity_frame, frames))
            assert framed is not None
            assert framed.crop == clip.crop
            found += 1
    assert found


def test_names_are_offered_and_paths_are_opened(tmp_path, monkeypatch):
    assert set(PUBLIC) <= set(SUITES)
    with pytest.raises(ConfigError, match="unknown suite 'public-cros-image': did you mean public-cross-image"):
        open_suite("public-cros-image", tmp_path)
    copied = tmp_path / "own.yaml"
    copied.write_text(PUBLIC_CROSS_IMAGE.read_text())
    for name in (copied, str(copied)):
        opened = open_suite(name, tmp_path)
        assert (opened.suite.name, opened.folder) == ("public-cross-image", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert open_suite("own.yaml", tmp_path).suite == opened.suite
    with pytest.raises(ManifestError, match=r"gone\.yaml"):
        open_suite("gone.yaml", tmp_path)
    with pytest.raises(ManifestError, match="is a folder"):
        open_suite(tmp_path, tmp_path)


def test_a_plug_in_can_bring_a_suite_as_a_path_or_as_a_maker(tmp_path, monkeypatch):
    monkeypatch.setattr(SUITES, "_added", {})
    SUITES.add("stored", PUBLIC_CROSS_IMAGE)
    made = []

    def maker(cache):
        made.append(cache)
        (cache / "suite.yaml").write_text(PUBLIC_CROSS_IMAGE.read_text())
        return cache / "suite.yaml"

    SUITES.add("made", maker)
    assert open_suite("stored", tmp_path).folder == PUBLIC_CROSS_IMAGE.parent
    assert open_suite("made", tmp_path).folder == tmp_path
    assert made == [tmp_path]
