"""Errors a person can act on, and failures of one case that become typed rows.

Two families, told apart by who has to act:

* :class:`BenchError`: the user's input cannot be used. Printed as one line, exit code 2.
* :class:`CaseError`: one case cannot be finished. Recorded as a row with its ``status``; the other cases go on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from .text import visible


class Status(StrEnum):
    """How the work on one value ended. Everything but ``OK`` comes with a NaN value and a reason."""

    OK = "ok"
    NO_FACE = "no_face"
    DECODE = "decode"
    MISSING = "missing"
    UNDEFINED = "undefined"
    DIVERGED = "diverged"
    OOM = "oom"
    TIMEOUT = "timeout"
    CRASH = "crash"


class BenchError(Exception):
    """The user's input cannot be used: the message is one line that names the thing and the fix."""

    exit_code: ClassVar[int] = 2


class ConfigError(BenchError):
    """A flag, a configuration field or a combination of them does not fit."""


class ManifestError(BenchError):
    """A suite manifest is malformed, unsafe or inconsistent."""


class AssetError(BenchError):
    """A media file is missing, changed, or cannot be fetched."""


class WeightsError(BenchError):
    """A weights file is missing, truncated, unsafe or of another model."""


class PluginError(BenchError):
    """A plug-in cannot be imported or does not hold to its contract."""


class StoreError(BenchError):
    """A run folder cannot be written, is in use, or is not one of ours."""


class OneCaseError(BenchError):
    """The single case that a command is about cannot be finished; a run would record it and go on."""


class CaseError(Exception):
    """One case cannot be finished; the run records ``status`` and goes on."""

    status: ClassVar[Status] = Status.CRASH


class NoFaceError(CaseError):
    """No face was found where the work needs one."""

    status = Status.NO_FACE


class MediaError(CaseError):
    """An image or clip cannot be decoded, or is beyond the limits."""

    status = Status.DECODE


class MissingOutputError(CaseError):
    """A folder of results made elsewhere has none for this case."""

    status = Status.MISSING


class MissingTargetError(CaseError):
    """A control asks for the case's target, and the suite knows none."""

    status = Status.MISSING


class DivergedError(CaseError):
    """This case's numbers ran away: a loss or a decoded frame is not finite, or a loss far above where it can be."""

    status = Status.DIVERGED


def one_line(error: BaseException, limit: int = 300) -> str:
    r"""Fold an exception's message into a single line.

    Args:
        error: Any exception; one without a message yields its type's name.
        limit: Longest line returned, in characters.

    Returns:
        The message without line breaks and control characters, cut with an ellipsis.

    >>> one_line(ValueError("first\n  second"))
    'first second'
    >>> one_line(KeyError())
    'KeyError'
    """
    text = visible(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
