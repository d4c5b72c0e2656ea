"""Records survive a kill at any byte, and nobody writes a shard twice at the same time."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portraitbench.core.digest import file_sha256
from portraitbench.core.errors import StoreError
from portraitbench.harness import store as store_module
from portraitbench.harness.store import Store, is_intact, read_lines, stored_file

TEXT = "ä\u2028 \U0001f600 'quoted\" \\ line"


def record(key: str, **more: object) -> dict[str, object]:
    return {"stage": "observe", "key": key, "status": "ok", "reason": TEXT} | more


def written(folder, *records) -> Store:
    store = Store(folder)
    with store.writing():
        store.append(records)
    return store


def read(folder) -> dict[str, dict[str, object]]:
    store = Store(folder)
    store.load()
    return {key: value for (_, key), value in store.records.items()}


def test_a_record_cut_at_any_byte_is_dropped_and_the_next_one_stands_on_its_own_line(tmp_path):
    whole = record("a")
    written(tmp_path, whole, record("b"))
    path = tmp_path / "records" / "1-of-1.jsonl"
    data = path.read_bytes()
    first = data.index(b"\n") + 1
    for cut in range(first, len(data)):
        path.write_bytes(data[:cut])
        assert read(tmp_path) == {"a": whole}
        written(tmp_path, record("c"))
        assert read(tmp_path) == {"a": whole, "c": record("c")}
        assert path.read_bytes().count(b"\n") == 2
    path.write_bytes(data)
    assert set(read(tmp_path)) == {"a", "b"}


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_a_long_torn_line_is_cut_back_to_the_last_line_end(tmp_path, size):
    written(tmp_path, record("a"))
    path = tmp_path / "records" / "1-of-1.jsonl"
    with path.open("ab") as file:
        file.write(b"x" * size)
    written(tmp_path, record("b"))
    assert set(read(tmp_path)) == {"a", "b"}


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "1-of-1.jsonl").write_bytes(b'{"stage"')
    written(tmp_path)
    assert (tmp_path / "records" / "1-of-1.jsonl").read_bytes() == b""


@settings(deadline=None, max_examples=50)
@given(keys=st.lists(st.sampled_from("abc"), max_size=12))
def test_later_lines_win(tmp_path_factory, keys):
    folder = tmp_path_factory.mktemp("run")
    store = written(folder, *(record(key, number=number) for number, key in enumerate(keys)))
    expected = {key: number for number, key in enumerate(keys)}
    assert {key: value["number"] for key, value in read(folder).items()} == expected
    assert {key: value["number"] for (_, key), value in store.records.items()} == expected


def test_all_shards_are_read_and_only_the_own_one_is_written(tmp_path):
    for shard in ("1-of-2", "2-of-2"):
        store = Store(tmp_path, shard)
        with store.writing():
            store.append([record(shard)])
    assert set(read(tmp_path)) == {"1-of-2", "2-of-2"}
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == ["1-of-2.jsonl", "2-of-2.jsonl"]


def test_one_stage_alone_is_read_however_its_lines_are_spelled(tmp_path):
    made = record("a", stage="generate", output=None, status="oom")
    written(tmp_path, made, record("b"), record("c", reason='"generate"'))
    path = tmp_path / "records" / "1-of-1.jsonl"
    path.write_text(path.read_text() + json.dumps(made | {"key": "d"}, indent=None, separators=(", ", ": ")) + "\n")
    store = Store(tmp_path)
    store.load(stage="generate")
    assert list(store.records) == [("generate", "a"), ("generate", "d")]


def test_two_shards_can_be_written_at_the_same_time_and_one_shard_cannot(tmp_path):
    with Store(tmp_path, "1-of-2").writing():
        with Store(tmp_path, "2-of-2").writing():
            pass
        with (
            pytest.raises(StoreError, match=r"another process is writing 1-of-2\.jsonl"),
            Store(tmp_path, "1-of-2").writing(),
        ):
            pass
    with Store(tmp_path, "1-of-2").writing():
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    program = textwrap.dedent(
        f"""
        import os
        from pathlib import Path
        from portraitbench.harness.store import Store
        with Store(Path({str(tmp_path)!r})).writing():
            print("locked", flush=True)
            input()
        """
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"locked\n"
    with pytest.raises(StoreError, match="--name or --shard"), Store(tmp_path).writing():
        pass
    other.kill()
    other.communicate()
    written(tmp_path, record("a"))
    assert set(read(tmp_path)) == {"a"}


def test_records_are_refused_outside_of_writing(tmp_path):
    with pytest.raises(RuntimeError):
        Store(tmp_path).append([record("a")])


def test_a_write_that_stops_half_way_loses_only_its_own_line(tmp_path, monkeypatch):
    """A full disk takes a part of the data first: the part must not spoil what follows."""
    store = Store(tmp_path)
    real = os.write
    left = 40

    def limited(file: int, data: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(file, data[:left])
        left -= done
        return done

    with store.writing():
        store.append([record("a")])
        monkeypatch.setattr(os, "write", limited)
        with pytest.raises(StoreError, match="No space left on device"):
            store.append([record("b")])
        monkeypatch.undo()
    assert set(read(tmp_path)) == {"a"}
    assert ("observe", "b") not in store.records
    written(tmp_path, record("c"))
    assert set(read(tmp_path)) == {"a", "c"}


def test_a_record_that_was_never_flushed_is_not_believed(tmp_path, monkeypatch):
    def fail(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    store = Store(tmp_path)
    with store.writing():
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="Input/output error"):
            store.append([record("a")])
    assert not store.records


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "{",
        "[]",
        "5",
        "null",
        "",
        "[" * 100_000,
        '{"stage": "observe"}',
        '{"key": "a", "status": "ok", "reason": ""}',
        '{"stage": "observe", "key": "a", "status": "fine", "reason": ""}',
        '{"stage": "score", "key": "a", "status": "ok", "reason": "", "values": [1.0], "value_status": []}',
        '{"stage": "score", "key": "a", "status": "ok", "reason": "", "values": ["high"], "value_status": ["ok"]}',
        '{"stage": "generate", "key": "a", "status": "ok", "reason": ""}',
        '{"stage": "generate", "key": "a", "status": "ok", "reason": "", "output": {"path": "a.png"}}',
        '{"stage": "generate", "key": "a", "status": "ok", "reason": "", "output": '
        '{"path": "../../a.png", "bytes": 1, "sha256": ""}}',
    ],
    ids=lambda line: line[:60] or "empty",
)
def test_a_finished_line_that_is_no_record_is_named(tmp_path, line):
    written(tmp_path, record("a"))
    path = tmp_path / "records" / "1-of-1.jsonl"
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(StoreError, match=r"1-of-1\.jsonl: line 2"):
        Store(tmp_path).load()


def test_reading_a_file_that_is_not_there_gives_nothing(tmp_path):
    assert list(read_lines(tmp_path / "none.jsonl")) == []


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "outputs" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"pixels")
    part = {"path": "outputs/a.png", "bytes": 6, "sha256": file_sha256(path)}
    return path, part


def test_an_output_counts_only_byte_for_byte(tmp_path, output):
    path, part = output
    store = Store(tmp_path)
    assert store.has_output({"output": part, "canvas": None})
    path.write_bytes(b"pixelz")
    assert not store.has_output({"output": part, "canvas": None})
    path.write_bytes(b"pixel")
    assert not store.has_output({"output": part, "canvas": None})
    path.unlink()
    assert not store.has_output({"output": part, "canvas": None})
    path.mkdir()
    assert not store.has_output({"output": part, "canvas": None})


def test_an_output_is_read_again_only_where_its_time_of_change_is_another(tmp_path, output, monkeypatch):
    path, _ = output
    part = stored_file(tmp_path, path)
    read = []
    monkeypatch.setattr(store_module, "file_sha256", lambda path: read.append(path) or file_sha256(path))
    assert is_intact(tmp_path, part)
    assert not read
    os.utime(path, ns=(0, 0))  # as a copy would have it
    assert is_intact(tmp_path, part)
    path.write_bytes(b"pixelz")
    assert not is_intact(tmp_path, part)
    assert read == [path, path]


def test_a_missing_canvas_is_a_missing_output(tmp_path, output):
    _, part = output
    assert not Store(tmp_path).has_output({"output": part, "canvas": part | {"path": "outputs/b.png"}})


def test_a_reason_that_is_no_text_is_kept_readable(tmp_path):
    written(tmp_path, record("a") | {"reason": "cannot read \udcff.png"})
    assert read(tmp_path)["a"]["reason"] == "cannot read \udcff.png"


def test_json_files_are_readable_by_people(tmp_path):
    Store(tmp_path).write_json("run.json", {"title": "Größe"})
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert "Größe" in text
    assert json.loads(text) == {"title": "Größe"}
