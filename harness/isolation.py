"""Whatever foreign code does to this process ends with its job: no plug-in touches the result of another case."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import NoReturn

import numpy as np

from ..core.digest import seed_for
from .torch_state import torch_settings_kept


@contextmanager
def isolated(seed: int, *names: str) -> Iterator[None]:
    """Run foreign code (a method, metric or face model) apart from all that follows.

    Inside the block the global random streams of Python, NumPy and torch begin at a seed of their own, so that code
    which draws from them gives the same for one worker or many, in any order; what is printed goes to standard error;
    ``os._exit`` is the failure of this one job. Behind it the working folder, the random streams, NumPy's error state
    and torch's settings are what they were. Inputs are given as copies by whoever calls.

    A method that loads torch itself must do so before it draws from torch's global stream, best at the head of its
    file.

    Args:
        seed: The run's.
        *names: What tells this job from all others.
    """
    with ExitStack() as kept:
        kept.enter_context(_exit_is_a_failure())
        kept.enter_context(redirect_stdout(sys.stderr))
        kept.enter_context(_working_folder_kept())
        kept.enter_context(np.errstate())
        kept.enter_context(torch_settings_kept())
        kept.enter_context(_streams_kept(seed_for(seed, "global streams", *names)))
        yield


@contextmanager
def _working_folder_kept() -> Iterator[None]:
    try:
        before = Path.cwd()
    except OSError:  # it was removed: relative names lead nowhere, before the job and after it
        before = None
    try:
        yield
    finally:
        if before is not None:
            os.chdir(before)


@contextmanager
def _streams_kept(seed: int) -> Iterator[None]:
    torch = sys.modules.get("torch")
    python, numbers = random.getstate(), np.random.get_state()
    states = torch.get_rng_state() if torch else None
    cards = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        if torch:
            torch.set_rng_state(states)
            if cards is not None:
                torch.cuda.set_rng_state_all(cards)


@contextmanager
def _exit_is_a_failure() -> Iterator[None]:
    """Let ``os._exit`` raise SystemExit, in this thread; processes forked from here and other threads still end."""
    real, process, thread = os._exit, os.getpid(), threading.get_ident()

    def refuse(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) != (process, thread):
            real(status)
        raise SystemExit(f"os._exit({status}) was called")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = real
