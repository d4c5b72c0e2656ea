from __future__ import annotations

import av
import numpy as np
import pytest

from portraitbench.core.errors import MediaError
from portraitbench.datasets.media import probe, read_clip, read_window, write_image


def _empty(path, make_video):
    path.write_bytes(b"")


def _text(path, make_video):
    path.write_text("not a picture at all\n" * 50)


def _html(path, make_video):
    path.write_text("<!doctype html><title>404: Not Found</title>")


def _lfs_pointer(path, make_video):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")


def _playlist(path, make_video):
    secret = make_video(path.with_name("secret.ts"), [np.zeros((48, 64, 3), np.uint8)] * 3, "mpeg2video", "yuv420p")
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n")


def _concat(path, make_video):
    secret = make_video(path.with_name("secret.mp4"), [np.zeros((48, 64, 3), np.uint8)] * 3)
    path.write_text(f"ffconcat version 1.0\nfile '{secret.name}'\n")


def _sound_only(path, make_video):
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _no_frames(path, make_video):
    with av.open(path, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        container.start_encoding()


def _noise(seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(12)]


def _cut(path, make_video):
    make_video(path, _noise(0))
    path.write_bytes(path.read_bytes()[:-3000])


def _damaged(path, make_video):
    make_video(path, _noise(1))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 3000
    data[start : start + 4000 : 7] = bytes(255 - value for value in data[start : start + 4000 : 7])
    path.write_bytes(data)


HOSTILE = [_empty, _text, _html, _lfs_pointer, _playlist, _concat, _sound_only, _no_frames, _cut, _damaged]


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__[1:])
def test_bad_files_give_one_line_that_names_them(tmp_path, make_video, capfd, make, suffix):
    path = tmp_path / f"bad{suffix}"
    source = tmp_path / "bad.mp4"
    make(source, make_video)
    source.rename(path)
    capfd.readouterr()
    with pytest.raises(MediaError) as caught:
        read_clip(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_probe_refuses_what_has_no_picture(tmp_path, make_video):
    for make in (_empty, _text, _playlist, _sound_only, _no_frames):
        path = tmp_path / f"{make.__name__}.mp4"
        make(path, make_video)
        with pytest.raises(MediaError, match=str(path)):
            probe(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(MediaError, match=r"gone\.png: no such file"):
        read_clip(tmp_path / "gone.png")
    with pytest.raises(MediaError, match="is a folder"):
        read_clip(tmp_path)


def test_names_are_never_read_as_addresses(tmp_path, monkeypatch, make_video, numbered_frame, frame_number):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "data:,x.mp4", "-i.mp4", "100%d.mp4", "[x]*?.mp4", "Ünï.mp4"):
        make_video(tmp_path / "plain.mp4", [numbered_frame(5)] * 2)
        path = (tmp_path / "plain.mp4").rename(tmp_path / name)
        assert frame_number(read_window(path.relative_to(tmp_path)).frames[0]) == 5


def test_one_pixel_is_a_picture(tmp_path):
    write_image(tmp_path / "dot.png", np.full((1, 1, 3), 9, np.uint8))
    assert read_clip(tmp_path / "dot.png").frames.tolist() == [[[[9, 9, 9]]]]
