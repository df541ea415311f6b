"""`fetch_public_url`: fetches an address chosen by a model or a caller, if it is on the public Internet."""

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
"""Returns the addresses of a name. Raises `OSError` if there are none."""


class FetchError(Exception):
    """A URL could not be fetched. The message is suitable for a model, so a tool may return it."""


class AddressRefused(FetchError):
    """The URL is not allowed: not public, not http or https, or with a password."""


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A response.

    Attributes:
        url: the final URL, after redirects.
        status: the HTTP status, which may be an error.
        content_type: without parameters, e.g. `text/html`; empty if the server sent none.
        body: at most `max_bytes`.
        charset: of the text; None if the server sent none.
    """

    url: str
    status: int
    content_type: str
    body: bytes
    charset: str | None = None

    @property
    def text(self) -> str:
        """The body as text. Invalid bytes are replaced."""
        return decoded(self.body, self.charset)


async def fetch_public_url(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
    max_redirects: int = MAX_REDIRECTS,
) -> FetchedPage:
    """Fetch a URL with GET, such as one chosen by a model or a caller.

    The following are refused, also in redirects: schemes other than http and https, URLs with user names or passwords,
    and hosts that resolve to an address that is not public (private, loopback, link-local, metadata services,
    multicast, IPv4 embedded in IPv6). A name is resolved once, and the connection goes to the address that was checked,
    so DNS rebinding has no effect. Proxies of the environment are not used.

    Args:
        url: with its scheme.
        headers: sent to the first site, but not to other sites that it redirects to.
        timeout_s: for the whole request.
        max_bytes: the maximum length of the body.
        max_redirects: the maximum number of redirects.

    Raises:
        AddressRefused: the URL is not allowed.
        FetchError: no response, or it is too slow or too long, or there are too many redirects.
    """
    fetcher = PublicFetcher()
    return await fetcher.fetch(
        url, headers=headers, timeout_s=timeout_s, max_bytes=max_bytes, max_redirects=max_redirects
    )


async def _system_resolver(host: str, port: int) -> list[str]:
    found = await look_up(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PublicFetcher:
    """`fetch_public_url`, with two functions that tests replace.

    Args:
        resolve: resolves names.
        allowed: whether an address may be connected to.
    """

    def __init__(self, resolve: Resolve = _system_resolver, allowed: Callable[[str], bool] = is_allowed) -> None:
        self._resolve = resolve
        self._allowed = allowed

    async def fetch(
        self, url: str, *, headers: Mapping[str, str] | None, timeout_s: float, max_bytes: int, max_redirects: int
    ) -> FetchedPage:
        """Fetch a URL; see `fetch_public_url`."""
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
        """Return the page, or the URL that it redirects to."""
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
                        server_hostname=url.raw_host,  # the certificate is for the name, not the address
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
        """Return the addresses of a host, after checking all of them."""
        try:
            addresses = await self._resolve(url.raw_host or "", url.port or 0)
        except (OSError, ValueError):  # from the resolver, and for invalid names
            raise FetchError("There is no site of this name.") from None
        if not addresses:
            raise FetchError("There is no site of this name.")
        # A name with public and private addresses is refused.
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
    headers["Accept-Encoding"] = "identity"  # a small compressed body may expand to any size
    return headers
