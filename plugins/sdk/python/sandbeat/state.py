"""A small store of the collector's own that survives the end of an instance and the reload of the file.

What a `collect` wrote is kept when that call returns, also with an error, and dropped when it traps or is ended.
"""

from __future__ import annotations

import json
from typing import Any

from . import _host
from ._errors import InternalError


class StateError(InternalError):
    """Nothing was stored, and what was there stays."""


class BadKey(StateError):
    """The key is empty or longer than 128 bytes."""

    def __init__(self) -> None:
        super().__init__("a key of the state is empty or longer than 128 bytes")


class Full(StateError):
    """All keys and values together would pass `limit` bytes (64 KiB by default)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the state would pass {limit} bytes")
        self.limit = limit


def get(key: str) -> bytes | None:
    """The value under a key."""
    return _host.current().state_get(_host.checked(key, str, "a key"))


def set(key: str, value: bytes) -> None:
    """Puts a value under a key. Raises a `StateError`."""
    _host.current().state_set(_host.checked(key, str, "a key"), _host.checked(value, bytes, "a value"))


def delete(key: str) -> None:
    """Forgets a key; nothing happens when it is absent."""
    _host.current().state_delete(_host.checked(key, str, "a key"))


def keys() -> list[str]:
    """All keys, in the order of their bytes."""
    return _host.current().state_keys()


def get_int(key: str, default: int = 0) -> int:
    """What `set_int` put under a key; the default where there is nothing, or something else."""
    kept = get(key)
    try:
        return default if kept is None else int(kept)
    except ValueError:
        return default


def set_int(key: str, value: int) -> None:
    """Puts a whole number under a key. Raises a `StateError`."""
    set(key, str(value).encode())


def get_json(key: str) -> Any:
    """What `set_json` put under a key; `None` where there is nothing, or something else."""
    kept = get(key)
    try:
        return None if kept is None else json.loads(kept)
    except ValueError:
        return None


def set_json(key: str, value: Any) -> None:
    """Puts what JSON can express under a key. Raises a `StateError`."""
    set(key, json.dumps(value, separators=(",", ":")).encode())
