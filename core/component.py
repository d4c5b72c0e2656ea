"""What every exchangeable part of a run says of itself: options, weights files, and all that decides its results.

Generators, tuners, face backends, metrics and executors are components. Their contract classes, one per kind, are in
the rooms that use them; this is what they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from .digest import digest
from .download import DownloadProgress, FetchReport
from .errors import ConfigError
from .options import Options
from .weights import WeightFile


class Component:
    """Base of all contract classes.

    Attributes:
        name: Registry name.
        options_model: Model of the options; ``bench methods explain`` and the report print it.
        code_version: Version of the component's own code, raised whenever results may change without any option
            changing.
    """

    name: str
    options_model: ClassVar[type[Options]] = Options
    code_version: ClassVar[int] = 1

    @classmethod
    def weight_files(cls, options: Mapping[str, Any]) -> Sequence[WeightFile]:  # noqa: ARG003 - most need none
        """Weights files that these options ask for, as they are on this machine; nothing is loaded or fetched.

        Args:
            options: Options as the user gave them, perhaps none.

        Raises:
            ConfigError: When an option is malformed.
        """
        return ()

    @classmethod
    def fetch_weights(cls, to: Path | None, progress: DownloadProgress | None = None) -> FetchReport:  # noqa: ARG003
        """Bring all weights files to disk, over https, whole, with the publisher's sizes and digests.

        Args:
            to: Folder for them; None for the place where they are looked for without options.
            progress: Told of every chunk.

        Raises:
            ConfigError: When they cannot be fetched, or there are none; says how to get them.
        """
        ways = sorted({file.how for file in cls.weight_files({})})
        if ways:
            raise ConfigError(f"--weights {cls.name}: these have to be fetched by hand: {'; '.join(ways)}")
        raise ConfigError(f"--weights {cls.name}: it needs no weights files, or brings them")

    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that decides the results besides the case and the seed, as plain data for people and digests.

        Names of fields are what ``bench why`` prints: code version, options, digests of weights files by name.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fingerprint()")

    @property
    def revision(self) -> str:
        """Digest of the fingerprint."""
        return digest(self.fingerprint())
