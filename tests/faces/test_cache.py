from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from portraitbench.core import file_system
from portraitbench.core.errors import StoreError
from portraitbench.faces.cache import FeatureCache


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.text(max_size=20), arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0)), max_size=5
    )
)
def test_what_goes_in_comes_out(values):
    cache = FeatureCache()
    cache.put_many(values)
    found = cache.get_many([*values, "another key that is absent"])
    assert found.keys() == values.keys()
    for key, value in values.items():
        np.testing.assert_array_equal(found[key], value)
    cache.close()


def test_more_keys_than_one_query_takes():
    cache = FeatureCache()
    values = {f"k{i}": np.array(i) for i in range(1203)}
    cache.put_many(values)
    found = cache.get_many(values)
    assert {key: int(value) for key, value in found.items()} == {f"k{i}": i for i in range(1203)}


def test_two_users_of_one_file(tmp_path):
    path = tmp_path / "deep" / "features.sqlite"
    first, second = FeatureCache(path), FeatureCache(path)
    first.put_many({"a": np.array([1.0])})
    second.put_many({"a": np.array([2.0]), "b": np.array([3.0])})
    assert first.get_many(["a", "b"]) == {"a": 1.0, "b": 3.0}
    first.close()
    second.close()
    assert FeatureCache(path).get_many(["b"]) == {"b": 3.0}


@pytest.mark.parametrize("content", [b"this is not a database" * 50, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_refused_when_opened_or_read(tmp_path, content):
    path = tmp_path / "features.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"features\.sqlite.*may be deleted"):
        FeatureCache(path).get_many(["a"])


def test_a_file_damaged_in_the_middle_is_refused(tmp_path):
    path = tmp_path / "features.sqlite"
    cache = FeatureCache(path)
    cache.put_many({f"k{i}": np.arange(100.0) + i for i in range(200)})
    cache.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="malformed"):
        FeatureCache(path).get_many([f"k{i}" for i in range(200)])


@pytest.mark.parametrize("kept", [0, 5, 100, -8])
def test_a_damaged_value_is_refused(tmp_path, kept):
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.arange(4.0))
    cache = FeatureCache(tmp_path / "f.sqlite")
    cache._db.execute("INSERT INTO features VALUES ('a', ?)", (buffer.getvalue()[: kept if kept >= 0 else -8],))
    with pytest.raises(StoreError):
        cache.get_many(["a"])


def test_pickled_objects_are_never_opened(tmp_path):
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    cache = FeatureCache(tmp_path / "f.sqlite")
    cache._db.execute("INSERT INTO features VALUES ('a', ?)", (buffer.getvalue(),))
    with pytest.raises(StoreError, match="allow_pickle"):
        cache.get_many(["a"])


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="another folder"):
        FeatureCache(tmp_path / "file" / "features.sqlite")


def test_on_a_network_file_system_the_file_is_only_read(tmp_path, monkeypatch):
    """What is new goes to this machine's disk; SQLite's log would not be seen by other machines."""
    shared = tmp_path / "home" / "features.sqlite"
    first = FeatureCache(shared)
    first.put_many({"a": np.array([1.0])})
    first.close()
    (tmp_path / "mounts").write_text(f"/dev/x / ext4 rw 0 0\nserver:/home {tmp_path}/home nfs4 rw,vers=4.2 0 0\n")
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "local"))
    before = shared.read_bytes()
    cache, beside = FeatureCache(shared), FeatureCache(shared)
    cache.put_many({"b": np.array([2.0])})
    assert beside.get_many(["a", "b", "c"]) == {"a": 1.0, "b": 2.0}
    cache.close()
    beside.close()
    assert shared.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["features.sqlite"]
    new = FeatureCache(tmp_path / "home" / "not-there-yet.sqlite")
    new.put_many({"d": np.array([4.0])})
    assert new.get_many(["a", "d"]) == {"d": 4.0}
    new.close()
    assert len(list((tmp_path / "home").iterdir())) == 1
