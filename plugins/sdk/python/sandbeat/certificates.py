"""What HTTP does not tell of TLS."""

from __future__ import annotations

from . import _host


def shown(origin: str) -> bytes | None:
    """The certificate (X.509, DER) that the server of an origin (`https://example.com:8443`) showed when this call last
    connected to it, also where it was not trusted; `None` when it showed none.
    """
    return _host.current().certificate(_host.checked(origin, str, "an origin"))
