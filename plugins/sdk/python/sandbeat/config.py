"""The `[config]` table of the sidecar, as the operator wrote it.

Keys of nested tables are written with dots (`http.timeout`). Each function takes the default for an absent key, and
raises a `ConfigError` that names the key where the value is of another type.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar, overload

from . import _host
from ._errors import ConfigError

T = TypeVar("T")


def table() -> dict[str, Any]:
    """The whole table; dates and times are strings."""
    whole: dict[str, Any] = json.loads(_host.current().config_json())
    return whole


def get(key: str) -> Any:
    """The value under a key; `None` when it is absent."""
    value: Any = table()
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


@overload
def string(key: str) -> str | None: ...
@overload
def string(key: str, default: str) -> str: ...
def string(key: str, default: str | None = None) -> str | None:
    """The string under a key."""
    return _typed(key, str, "a string", default)


@overload
def integer(key: str) -> int | None: ...
@overload
def integer(key: str, default: int) -> int: ...
def integer(key: str, default: int | None = None) -> int | None:
    """The whole number under a key."""
    return _typed(key, int, "a whole number", default)


@overload
def number(key: str) -> float | None: ...
@overload
def number(key: str, default: float) -> float: ...
def number(key: str, default: float | None = None) -> float | None:
    """The number under a key."""
    value = _typed(key, (int, float), "a number", default)
    return None if value is None else float(value)


@overload
def boolean(key: str) -> bool | None: ...
@overload
def boolean(key: str, default: bool) -> bool: ...
def boolean(key: str, default: bool | None = None) -> bool | None:
    """The boolean under a key."""
    return _typed(key, bool, "`true` or `false`", default)


@overload
def strings(key: str) -> list[str] | None: ...
@overload
def strings(key: str, default: list[str]) -> list[str]: ...
def strings(key: str, default: list[str] | None = None) -> list[str] | None:
    """The strings under a key, which may be one string or an array of them."""
    value = get(key)
    if value is None:
        return default
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    raise wrong(key, "a string or an array of strings")


def wrong(key: str, wanted: str) -> ConfigError:
    """The exception for a value that is not what it has to be; `wanted` follows the words `it has to be`."""
    return ConfigError(f"`{key}` is {json.dumps(get(key), ensure_ascii=False)}; it has to be {wanted}")


def _typed(key: str, types: type[T] | tuple[type[T], ...], wanted: str, default: T | None) -> T | None:
    value = get(key)
    if value is None:
        return default
    # A `bool` is an `int` for Python, and not for who writes TOML.
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        raise wrong(key, wanted)
    return value
