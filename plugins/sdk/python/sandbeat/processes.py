"""What the kernel shows of processes only to who may look into them. Granted by `[grant] processes = true`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import _host
from ._errors import DeniedError, InternalError, UnavailableError


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that holds a socket."""

    pid: int
    """Its process id."""
    name: str
    """Its name, as in `/proc/PID/comm`."""


class Denied(DeniedError):
    """The sidecar does not grant it."""

    def __init__(self) -> None:
        super().__init__("processes are not granted; set `processes = true` under `[grant]` in the sidecar")


class TooMany(InternalError):
    """More inodes were asked for than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} sockets can be asked for at once")
        self.limit = limit


class Unreadable(UnavailableError):
    """Anything else, in the operating system's own words."""


def socket_owners(inodes: Sequence[int]) -> list[Owner | None]:
    """Who holds each of these sockets, given by inode as `/proc/net/tcp` shows them, in the same order; 4,096 at most.

    `None` where no process that the agent may look into holds it. Of several holders it is the one that started first.
    Raises `Denied`, `TooMany` or `Unreadable`.
    """
    return _host.current().socket_owners(inodes)
