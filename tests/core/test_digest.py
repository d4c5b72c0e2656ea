from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portraitbench.core.digest import array_digest, cached_sha256, canonical_json, digest, file_sha256, seed_for

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_canonical_json_is_json_of_the_same_value_whatever_the_order_of_keys(value):
    assert canonical_json(value) == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert json.loads(canonical_json(value)) == value

    def turned(part):
        if isinstance(part, dict):
            return {key: turned(part[key]) for key in reversed(list(part))}
        return [turned(one) for one in part] if isinstance(part, list) else part

    assert digest(turned(value)) == digest(value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_numbers_that_json_cannot_carry_are_refused(bad):
    with pytest.raises(ValueError, match="JSON"):
        digest(bad)


def test_a_cached_digest_follows_the_file(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"one")
    assert cached_sha256(path) == file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert cached_sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_arrays_of_equal_bytes_but_other_shape_or_type_differ():
    array = np.arange(6, dtype=np.uint8)
    assert len({array_digest(one) for one in (array, array.reshape(2, 3), array.view(np.int8))}) == 3
    assert array_digest(array.reshape(2, 3).T) == array_digest(np.ascontiguousarray(array.reshape(2, 3).T))


def test_seeds_of_cases_do_not_meet():
    seeds = {seed_for(seed, "suite", f"case{index}") for seed in range(3) for index in range(200)}
    assert len(seeds) == 600
    assert all(0 <= seed < 2**63 for seed in seeds)
