"""Requests to addresses that a person typed: to public addresses only, resolved once, no redirects, ten seconds in all.

A webhook's address is a way into the network this server stands in (server-side request forgery). So the name is
resolved once, every address it has must be public, and the connection goes to just the address that was checked:
a name that answers differently a moment later (DNS rebinding) gains nothing. An admin may allow one destination to
be private. Proxies of the environment are not used: they would resolve the name anew.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from crmquality.services.errors import Refused

TIMEOUT = 10.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}


class Unreachable(Exception):
    """No answer; the message says why, for a person."""


def check_url(url: str) -> SplitResult:
    """The parts of an address that may be posted to. Raises Refused, saying what is wrong with it."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise Refused(f"This is no web address: {error}.") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused("Give a whole address: https://host/path.")
    if parts.username or parts.password:
        raise Refused("Leave out the user name and password: they would stand in logs. The signature says who we are.")
    if port == 0:
        raise Refused("Port 0 is none.")
    if any(ord(sign) <= 32 or ord(sign) > 126 for sign in url.strip()):
        raise Refused("Write the address in plain ASCII, without spaces (xn-- for other alphabets).")
    return parts


def is_public(address: str) -> bool:
    """Whether this IP address lies on the internet; addresses that carry another one inside count as that one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The IP addresses of a host. Raises Unreachable if it has none, or if one is private and that is not allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("The host's name is not known.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private and not all(is_public(address) for address in addresses):
        raise Unreachable("The host lies in a private network; an admin may allow that for this destination.")
    return addresses


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool = False, timeout: float = TIMEOUT
) -> int:
    """Post a body; returns the HTTP status of the answer, whose content is not read.

    timeout: seconds for everything, from the first packet to the status line.
    Raises Refused for an address that is none, Unreachable if no answer came.
    """
    parts = check_url(url)
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    deadline = time.monotonic() + timeout
    last = "No answer came."
    for address in resolve(host, port, allow_private=allow_private):
        connection = _Pinned(host, port, address, timeout=max(0.1, deadline - time.monotonic()))
        http = connection.secured() if parts.scheme == "https" else connection.plain()
        watchdog = threading.Timer(max(0.1, deadline - time.monotonic()), _hang_up, [http])
        watchdog.daemon = True
        watchdog.start()
        try:
            http.request("POST", _path(parts), body, dict(headers))
            return http.getresponse().status
        except ssl.SSLCertVerificationError:
            raise Unreachable("The server's certificate is not valid for this host.") from None
        except (OSError, HTTPException, ValueError) as error:
            last = f"No answer came ({type(error).__name__})."
        finally:
            watchdog.cancel()
            http.close()
        if time.monotonic() >= deadline:
            break
    raise Unreachable(last if time.monotonic() < deadline else f"No answer came within {timeout:g} seconds.")


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _hang_up(http: HTTPConnection) -> None:
    """End a connection whose other end sends a byte now and then so as never to time out."""
    with suppress(OSError, AttributeError):
        http.sock.shutdown(socket.SHUT_RDWR)


class _Pinned:
    """A connection to one address of a host, under the host's name (Host header, SNI, certificate)."""

    def __init__(self, host: str, port: int, address: str, *, timeout: float) -> None:
        self._given = (host, port)
        self._address = address
        self._timeout = timeout

    def plain(self) -> HTTPConnection:
        return self._to_address(HTTPConnection(*self._given, timeout=self._timeout))

    def secured(self) -> HTTPConnection:
        context = ssl.create_default_context()
        return self._to_address(HTTPSConnection(*self._given, timeout=self._timeout, context=context))

    def _to_address(self, http: HTTPConnection) -> HTTPConnection:
        port = self._given[1]
        # the hook by which http.client itself opens sockets; a test connects through it
        http._create_connection = lambda _, timeout, source: socket.create_connection(  # type: ignore[attr-defined]
            (self._address, port), timeout, source
        )
        return http
