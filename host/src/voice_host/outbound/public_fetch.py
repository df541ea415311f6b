"""`fetch_public_url`: reads an address that a model chose, and nothing that only this machine can reach."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from voice_host.outbound.page_process import decoded
from voice_host.outbound.public_address import is_allowed
from voice_host.tenancy import look_up

MAX_BYTES = 1 << 20
MAX_REDIRECTS = 5
TIMEOUT_S = 10.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name. Raises OSError when there are none."""


class FetchError(Exception):
    """An address could not be read. The words are fit for a model: a tool may return them."""


class AddressRefused(FetchError):
    """The address is not one that may be visited: not public, not http or https, or with a password in it."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """What was found.

    Attributes:
        url: where it was, after redirects.
        status: the HTTP status, of whatever kind.
        content_type: without its parameters, e.g. `text/html`; empty when the server named none.
        body: at most `max_bytes`.
        charset: of the text, where the server named one.
    """

    url: str
    status: int
    content_type: str
    body: bytes
    charset: str | None = None

    @property
    def text(self) -> str:
        """The body as text; what does not fit the charset is replaced."""
        return decoded(self.body, self.charset)


async def fetch_public_url(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
    max_redirects: int = MAX_REDIRECTS,
) -> FetchedPage:
    """Read a web address with GET, e.g. one that a model chose or a caller named.

    Refused are: other schemes than http and https; user names and passwords in the address; names and numbers that
    stand for an address which is not public (private, loopback, link-local, metadata services, multicast, IPv4 inside
    IPv6), at every redirect too. A name is looked up once, and the connection goes to the very address that was
    checked: a name that means something else a moment later changes nothing. Proxies of the environment are not used.

    Args:
        url: with its scheme.
        headers: sent along to the first site and not to another one that it redirects to.
        timeout_s: for everything together.
        max_bytes: a longer body is an error.
        max_redirects: so many are followed.

    Raises:
        AddressRefused: it may not be visited.
        FetchError: it cannot be read: no answer, too slow, too long, too many redirects.
    """
    fetcher = PublicFetcher()
    return await fetcher.fetch(
        url, headers=headers, timeout_s=timeout_s, max_bytes=max_bytes, max_redirects=max_redirects
    )


async def _system_resolver(host: str, port: int) -> list[str]:
    found = await look_up(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PublicFetcher:
    """`fetch_public_url`, with the two things that tests replace.

    Args:
        resolve: looks names up.
        allowed: whether an address may be connected to.
    """

    def __init__(self, resolve: Resolve = _system_resolver, allowed: Callable[[str], bool] = is_allowed) -> None:
        self._resolve = resolve
        self._allowed = allowed

    async def fetch(
        self, url: str, *, headers: Mapping[str, str] | None, timeout_s: float, max_bytes: int, max_redirects: int
    ) -> FetchedPage:
        """Read an address; see `fetch_public_url`."""
        sent = dict(headers or {})
        try:
            async with asyncio.timeout(timeout_s):
                target = _parsed(url)
                for _ in range(max_redirects + 1):
                    answer = await self._get(target, sent, max_bytes)
                    if isinstance(answer, FetchedPage):
                        return answer
                    if answer.origin() != target.origin():
                        sent = {}
                    target = answer
        except TimeoutError:
            raise FetchError("The page took too long to answer.") from None
        raise FetchError("The page redirects too often.")

    async def _get(self, url: URL, headers: Mapping[str, str], max_bytes: int) -> FetchedPage | URL:
        """Return the page, or where it redirects to."""
        addresses = await self._checked(url)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session:
            for address in addresses:
                try:
                    async with session.get(
                        url.with_host(address),
                        headers=_headers(url, headers),
                        server_hostname=url.raw_host,  # the certificate is the name's, not the address's
                        allow_redirects=False,
                    ) as response:
                        return await _read(url, response, max_bytes)
                except (FetchError, TimeoutError):
                    raise
                except aiohttp.ClientConnectorError as error:
                    failed = error
                except Exception as error:
                    raise FetchError(f"The page could not be read: {type(error).__name__}.") from error
            raise FetchError("The site cannot be reached.") from failed

    async def _checked(self, url: URL) -> Sequence[str]:
        """Return the addresses of a host, all of which may be connected to."""
        try:
            addresses = await self._resolve(url.raw_host or "", url.port or 0)
        except (OSError, ValueError):  # the resolver's, and those of what can be no name
            raise FetchError("There is no site of this name.") from None
        if not addresses:
            raise FetchError("There is no site of this name.")
        # All of them: a name that stands for both kinds is not to be trusted.
        if not all(map(self._allowed, addresses)):
            raise AddressRefused("This address is not public. It cannot be visited.")
        return addresses


async def _read(url: URL, response: aiohttp.ClientResponse, max_bytes: int) -> FetchedPage | URL:
    if response.status in _REDIRECTS and (location := response.headers.get("location")):
        return _parsed(location, base=url)
    if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise FetchError("The page comes compressed, although that was not asked for.")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            raise FetchError(f"The page is longer than {max_bytes} bytes.")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return FetchedPage(str(url), response.status, kind, bytes(body), response.charset)


def _parsed(url: str, base: URL | None = None) -> URL:
    try:
        parsed = URL(url) if base is None else base.join(URL(url))
        host, port = parsed.raw_host, parsed.port
    except (ValueError, UnicodeError):
        raise AddressRefused("This is not a web address.") from None
    if parsed.scheme not in ("http", "https") or not host:
        raise AddressRefused("Only addresses that begin with http:// or https:// can be visited.")
    if not port or not host.isprintable():
        raise AddressRefused("This is not a web address.")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise AddressRefused("An address with a user name or password in it cannot be visited.")
    return parsed


def _headers(url: URL, wanted: Mapping[str, str]) -> CIMultiDict[str]:
    headers = CIMultiDict({"User-Agent": "voice-host"})
    headers.update(wanted)
    headers["Host"] = url.host_port_subcomponent or ""
    headers["Accept-Encoding"] = "identity"  # a small compressed body may become one of any size
    return headers
