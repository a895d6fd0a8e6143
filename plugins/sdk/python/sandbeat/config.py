"""The `[config]` table of the sidecar, as the operator wrote it.

Keys of nested tables are written with dots (`http.timeout`). Each function takes the default for an absent key, and
raises a `ConfigError` that names the key where the value is of another type.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar, overload

from . import _host
from ._errors import ConfigError

T = TypeVar("T")

MOST_LETTERS = 64
"""Longer words are near none."""


def table() -> dict[str, Any]:
    """The whole table; dates and times are strings."""
    whole: dict[str, Any] = json.loads(_host.current().config_json())
    return whole


def only(*known: str) -> None:
    """Refuses every key that is not among these, so that nobody takes one that he mistyped for one that holds.

    What is below a key that is named here is for the collector to look at. The `ConfigError` names the key, the nearest
    one and all that there are.
    """
    _refuse_others(table(), "", known)


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


def _refuse_others(settings: dict[str, Any], above: str, known: Sequence[str]) -> None:
    for name, value in settings.items():
        key = f"{above}{name}"
        if "." not in name and key in known:
            continue
        # One with a dot in it is no path.
        if "." in name or not any(other.startswith(f"{key}.") for other in known):
            raise _unknown(above, name, known)
        if not isinstance(value, dict):
            raise ConfigError(f"`{key}` is {json.dumps(value, ensure_ascii=False)}; it has to be a table")
        _refuse_others(value, f"{key}.", known)


def _unknown(above: str, name: str, known: Sequence[str]) -> ConfigError:
    key = above + (json.dumps(name, ensure_ascii=False) if name == "" or "." in name else name)
    if not known:
        return ConfigError(f"`{key}` is an unknown key; this collector has none")
    near = _nearest(name, [other[len(above) :].split(".")[0] for other in known if other.startswith(above)])
    meant = "" if near is None else f"did you mean `{above}{near}`? "
    return ConfigError(f"`{key}` is an unknown key; {meant}known here: {', '.join(known)}")


def _nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is nearest to a misspelt one, if one is near enough to be meant."""
    if len(word) > MOST_LETTERS:
        return None
    far = [(_distance(word, other), other) for other in known]
    near = [(distance, other) for distance, other in far if distance <= max(len(word), len(other)) // 3 + 1]
    return min(near)[1] if near else None


def _distance(word: str, other: str) -> int:
    """How many letters have to be added, left out, changed or swapped with the next one."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word):
        row = [i + 1]
        for j, another in enumerate(other):
            least = min(rows[i][j] + (letter != another), rows[i][j + 1] + 1, row[j] + 1)
            if i > 0 and j > 0 and letter == other[j - 1] and word[i - 1] == another:
                least = min(least, rows[i - 1][j - 1] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]
