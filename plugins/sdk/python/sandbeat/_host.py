"""Whom the SDK's modules ask: the agent where the collector is a component, a `testing.Sandbox` elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from .files import Entry, Info
    from .filesystems import Usage
    from .limits import Limits
    from .log import Level
    from .native import Sample
    from .processes import Owner


class Host(Protocol):
    """The imports of the world `sandbeat:collector/collector`, with this SDK's types and exceptions."""

    def log(self, level: Level, message: str) -> None: ...
    def config_json(self) -> str: ...
    def state_get(self, key: str) -> bytes | None: ...
    def state_set(self, key: str, value: bytes) -> None: ...
    def state_delete(self, key: str) -> None: ...
    def state_keys(self) -> list[str]: ...
    def limits(self) -> Limits: ...
    def sample(self) -> Sample: ...
    def read(self, path: str) -> bytes: ...
    def read_at(self, path: str, offset: int, length: int) -> bytes: ...
    def entries(self, directory: str) -> list[Entry]: ...
    def stat(self, path: str) -> Info: ...
    def granted_filesystems(self) -> list[str]: ...
    def stat_filesystem(self, path: str) -> Usage: ...
    def socket_owners(self, inodes: Sequence[int]) -> list[Owner | None]: ...
    def certificate(self, origin: str) -> bytes | None: ...


class Nobody:
    """Whom a component asks while it is built: what runs at import has no agent."""

    def __getattr__(self, _name: str) -> Any:
        raise RuntimeError("while the component is built there is no agent to ask; ask in `collect`")


_used: list[Host] = []


def use(host: Host) -> Host | None:
    """Asks this one from now on; gives back the one before."""
    before = _used[0] if _used else None
    _used[:] = [host]
    return before


def current() -> Host:
    """The one to ask."""
    return _used[0]


def checked(value: T, kind: type[T], what: str) -> T:
    """The value, if it is of this type: one of another type would end the component instead of raising anything."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} has to be of type `{kind.__name__}`, and is {value!r}")
    return value
