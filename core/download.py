"""Downloads: https only, never more bytes than promised, checked by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from .errors import AssetError, one_line

DownloadProgress = Callable[[str, int, int], None]
"""Called with an asset's id, the bytes that have come, and the bytes there are."""

_CHUNK = 1 << 18
_TIMEOUT_S = 30.0


class Remote(Protocol):
    """What must be known of a file before it is downloaded: an asset of a suite is one."""

    @property
    def path(self) -> str:
        """Where it belongs, for messages."""
        ...

    @property
    def url(self) -> str | None:
        """Its https address, where it has one."""
        ...

    @property
    def bytes(self) -> int:
        """Its size."""
        ...

    @property
    def sha256(self) -> str | None:
        """Its digest; None when the caller checks the content."""
        ...


@dataclass
class FetchReport:
    """How a fetch went, by asset id; ``failed`` holds one line for each."""

    fetched: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def url_problem(url: str) -> str | None:
    """What keeps a text from being an https address that can be asked for; None when nothing does."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return one_line(error, 80)
    if parts.scheme.lower() != "https":
        return "its scheme is not https"
    if not parts.hostname or port == 0:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it holds a user name or password"
    if not url.isascii() or any(letter.isspace() or not letter.isprintable() for letter in url):
        return "it has spaces, control or non-ASCII characters: write them as %20 and so on"
    return None


def download(
    name: str, remote: Remote, target: Path, progress: DownloadProgress | None = None, listed: str = "the manifest"
) -> None:
    """Download one file over https, never more bytes than its list says, and check its sha256.

    Args:
        name: For messages and for ``progress``.
        remote: Gives the address, the size and the hash.
        target: Where the bytes go; the caller makes it atomic.
        progress: Told of every chunk.
        listed: What says how large the file is, for messages.

    Raises:
        AssetError: When there is no address, the server cannot be reached or sends something else.
    """
    if remote.url is None:
        raise AssetError(f"asset {name}: the manifest gives no url: put {remote.path} beside the manifest")
    where = f"asset {name}: {remote.url}"
    with opened(remote.url, where) as response, target.open("wb") as file:
        received, sha256 = _copy(response, file, remote.bytes, lambda done: _tell(progress, name, done, remote.bytes))
    if received != remote.bytes:
        more = "more" if received > remote.bytes else f"{received}"
        raise AssetError(f"{where}: sent {more} bytes, {listed} says {remote.bytes}: the file there has changed")
    if remote.sha256 not in (None, sha256):
        raise AssetError(f"{where}: sha256 is {sha256}, {listed} says {remote.sha256}: the file there has changed")


@contextmanager
def opened(url: str, where: str) -> Iterator[IO[bytes]]:
    """Open an https address; what goes wrong with the connection, also while reading, is one line.

    Args:
        url: The address.
        where: Begins the message.

    Raises:
        AssetError: When the server cannot be reached or answers with an error.
    """
    if problem := url_problem(url):
        raise AssetError(f"{where}: is no https address: {problem}")
    request = Request(url, headers={"User-Agent": "portraitbench"})  # noqa: S310 - https only, see above
    try:
        with _ask(request) as response:
            yield response
    except HTTPError as error:
        reason = one_line(ValueError(str(error.reason)), 160)
        raise AssetError(f"{where}: the server answers {error.code} {reason}: try later or use --from") from error
    except (URLError, TimeoutError, HTTPException, ConnectionError) as error:
        reason = one_line(error, 120)
        raise AssetError(f"{where}: cannot be reached ({reason}): check the connection or use --from") from error


def _ask(request: Request) -> Any:
    try:
        return opener().open(request, timeout=_TIMEOUT_S)
    except ValueError as error:  # of an address that a redirect leads to and that is none
        raise URLError(one_line(error, 80)) from error


class _HttpsOnly(HTTPRedirectHandler):
    """Follows redirects to https addresses and to no others."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith("https://"):
            raise URLError(f"it redirects to {newurl[:80]}, which is not https")
        if problem := url_problem(newurl):
            raise URLError(f"it redirects to {newurl[:80]!r}: {problem}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opener() -> OpenerDirector:
    """An opener whose redirects stay on https; proxies are taken from the environment."""
    return build_opener(_HttpsOnly)


def _copy(response: IO[bytes], file: IO[bytes], size: int, tell: Callable[[int], None]) -> tuple[int, str]:
    """Copy until the end, or until one byte more than there should be has come."""
    sha256 = hashlib.sha256()
    received = 0
    while received <= size and (chunk := response.read(min(_CHUNK, size + 1 - received))):
        file.write(chunk)
        sha256.update(chunk)
        received += len(chunk)
        tell(received)
    return received, sha256.hexdigest()


def _tell(progress: DownloadProgress | None, asset_id: str, done: int, total: int) -> None:
    if progress is not None:
        progress(asset_id, done, total)
