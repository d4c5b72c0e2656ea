"""Text from outside that is safe to show: what would steer a terminal is spelled out instead."""

from __future__ import annotations

import re

# C0 and C1 controls but for line ends and tabs, line separators, and the marks that turn the direction of writing.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Spell out control characters, so that they can be read and do nothing.

    Names of cases and methods, and what plug-ins and libraries say, may hold terminal escapes.

    >>> print(visible("plain, \x1b[31mred\x1b[0m"))
    plain, \x1b[31mred\x1b[0m
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
