"""Where jobs are done: in this process, in several of this machine, or wherever a plug-in takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.options import Options, parse_options
from ...core.registry import Registry
from ..making import making
from ..session import Session
from .base import ExecutorBase, ExecutorFactory

__all__ = ["EXECUTORS", "ExecutorBase", "ExecutorFactory", "make_executor"]

EXECUTORS: Registry[ExecutorFactory] = Registry(
    "executor",
    "portraitbench.executors",
    {
        "auto": f"{__name__}:auto",
        "serial": f"{__name__}.serial:SerialExecutor",
        "processes": f"{__name__}.processes:ProcessExecutor",
        "ray": f"{__name__}.ray_executor:RayExecutor",
    },
)


def make_executor(session: Session) -> ExecutorBase:
    """The executor that the configuration names.

    Raises:
        ConfigError: When there is none of that name, or an option is wrong.
        PluginError: When it cannot be made.
    """
    spec = session.config.executor
    with making(f"executor {spec.name}"):
        return EXECUTORS.get(spec.name)(spec.options, session)


def auto(options: Mapping[str, Any], session: Session) -> ExecutorBase:
    """One worker without a time limit works in this process, where a debugger can follow; all else in workers."""
    parse_options(Options, options, "executor auto")
    alone = session.config.workers == 1 and session.config.case_timeout is None
    return EXECUTORS.get("serial" if alone else "processes")({}, session)
