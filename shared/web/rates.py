"""How fast one client may ask: token buckets in memory, and who the client is behind a proxy."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic

from starlette.datastructures import Headers
from starlette.types import Scope

MOST_CLIENTS = 20_000
"""Buckets kept at a time; the client that asked longest ago is forgotten first."""


class Buckets:
    """A bucket of tokens for each client: every request takes one, and so many flow back each minute."""

    def __init__(
        self, per_minute: float, burst: int, *, most: int = MOST_CLIENTS, clock: Callable[[], float] = monotonic
    ) -> None:
        self._rate = per_minute / 60
        self._burst = float(burst)
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> int:
        """0 if the client may go on, else the seconds after which it may ask again."""
        now = self._clock()
        tokens, at = self._buckets.get(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - tokens) / self._rate))

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._buckets)


class Clients:
    """Tells clients apart. X-Forwarded-For is believed only as far as trusted proxies wrote it."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def of(self, scope: Scope) -> str:
        """The client's IPv4 address or IPv6 /64 network (one customer has a whole one)."""
        peer = scope["client"][0] if scope.get("client") else "local"
        address = _address(peer)
        if address is None:
            return str(peer)
        for hop in reversed(_forwarded(scope) if self._trusts(address) else ()):
            before = _address(hop)
            if before is None:
                break
            address = before
            if not self._trusts(address):
                break
        return _group(address)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded(scope: Scope) -> list[str]:
    return [hop.strip() for line in Headers(scope=scope).getlist("x-forwarded-for") for hop in line.split(",")]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _group(address: IPv4Address | IPv6Address) -> str:
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)
