"""Names and reasons as Markdown: what they hold stays text, in a page as in a table."""

from __future__ import annotations

import re
from urllib.parse import quote

from ...core.text import visible

# Emphasis within a word is none for "_", so that ids stay as they are.
_SPECIAL = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])|[`*~<]|(?<![^\W_])_|_(?![^\W_])|(?<=\])(?=[(\[:])|&(?=#?\w+;)|^(?=[#>]|[-+] )"
)


class Bold(str):
    """A cell of a table that is printed bold."""


class Link(str):
    """A cell of a table that leads to a file.

    Attributes:
        path: Relative path of the file.
    """

    path: str

    def __new__(cls, text: str, path: str) -> Link:
        """A text and where it leads."""
        link = super().__new__(cls, text)
        link.path = path
        return link


def linked(link: Link) -> str:
    """A link as Markdown; a path may hold what it likes.

    >>> linked(Link("a_1.png", "out/a 1.png"))
    '[a_1.png](<out/a%201.png>)'
    """
    return f"[{plain(link)}](<{quote(link.path)}>)"


def plain(text: object) -> str:
    r"""Escape a name or a sentence for Markdown outside of code.

    >>> plain("aed_lmk/1 <b>*bold*</b> [a](b) &lt;")
    'aed_lmk/1 &lt;b>\\*bold\\*&lt;/b> [a]\\(b) &amp;lt;'
    """
    line = " ".join(visible(str(text)).split())
    return _SPECIAL.sub(lambda found: {"<": "&lt;", "&": "&amp;"}.get(found[0], f"\\{found[0]}"), line)


def as_code(text: object) -> str:
    """A name as code, with as many backticks around it as it takes."""
    line = " ".join(visible(str(text)).split())
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    room = " " if longest else ""
    return f"{fence}{room}{line}{room}{fence}"
