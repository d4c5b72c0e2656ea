"""The collector is held back inside, and is what it was outside, whatever happens."""

from __future__ import annotations

import gc

import pytest

from portraitbench.core.collector import collector_paused


@pytest.mark.parametrize("enabled", [True, False])
def test_it_is_what_it_was_before(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), collector_paused():
            assert not gc.isenabled()
            with collector_paused():
                pass
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
