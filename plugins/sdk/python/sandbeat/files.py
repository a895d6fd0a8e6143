"""Files of the sandbox that the sidecar's `[grant] read` names, by glob.

Everything else is denied, and so is a symbolic link that leads out of what was granted. Paths are absolute.
"""

from __future__ import annotations

import builtins
import os
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from . import _host
from ._errors import DeniedError, Error, InternalError, UnavailableError

Path: TypeAlias = str | os.PathLike[str]
"""An absolute path, such as a string or a `pathlib.Path`."""


MOST_BYTES = 1024 * 1024
"""How much one answer brings at most."""


class EntryKind(Enum):
    """What a folder's entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    """Not followed."""
    OTHER = "other"
    """A device, a pipe or a socket."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder contains."""

    name: str
    """The last part of its path."""
    kind: EntryKind


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of a file or folder without reading it."""

    kind: EntryKind
    """`FILE` or `DIRECTORY`; nothing else is served."""
    size: int
    """Its length in bytes; of no meaning for a folder and for files that the kernel makes up, such as in `/proc`."""
    modified: int | None
    """When its content last changed, in nanoseconds since 1970-01-01T00:00:00Z; absent where that was before."""


class FileError(Error):
    """A file or folder could not be read. The subclass says why, and with it who must act."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"`{path}` {what}")
        self.path = path
        """The path that was asked for."""


class Denied(FileError, DeniedError):
    """No glob under `[grant] read` matches the path."""

    def __init__(self, path: str, grant: str = "read", what: str = "it") -> None:
        super().__init__(path, f"is not granted; add {what} to `{grant}` under `[grant]` in the sidecar")


class NotFound(FileError, UnavailableError):
    """A glob matches, and nothing is there."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "is not there")


class WrongType(FileError, UnavailableError):
    """It is a folder, a device, a pipe or a socket where a file was asked for, or a file where a folder was."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "is not the kind of file that it should be")


class TooLarge(FileError, UnavailableError):
    """The answer would be larger than `limit` bytes or entries."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(path, f"has more than {limit} bytes or entries")
        self.limit = limit


class NotText(FileError, InternalError):
    """The content is not UTF-8."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "is not text in UTF-8")


class Unreadable(FileError, UnavailableError):
    """Anything else, in the operating system's own words."""


def read(path: Path) -> bytes:
    """A whole file, 1 MiB at most. Raises a `FileError`."""
    return _host.current().read(_text(path))


def read_text(path: Path) -> str:
    """A whole file of text in UTF-8, 1 MiB at most. Raises a `FileError`."""
    try:
        return read(path).decode()
    except UnicodeDecodeError:
        raise NotText(_text(path)) from None


def read_at(path: Path, offset: int, length: int) -> bytes:
    """A part of a file, from `offset` on, `length` bytes or fewer (1 MiB at most); empty at or past its end.

    Raises a `FileError`.
    """
    if offset < 0 or length < 0:
        raise ValueError("neither the offset nor the length can be negative")
    return _host.current().read_at(_text(path), offset, min(length, MOST_BYTES))


def list(directory: Path) -> builtins.list[Entry]:
    """The entries of a folder by name, as far as they are granted or lead to something that may be.

    Raises a `FileError`.
    """
    path = _text(directory)
    try:
        return _host.current().entries(path)
    except Denied:
        # Of a folder it is what lies below that is granted.
        raise Denied(path, what=f"a glob such as `{path}/**`") from None


def stat(path: Path) -> Info:
    """What is known of a file or folder. A folder is granted where something in it may be. Raises a `FileError`."""
    return _host.current().stat(_text(path))


def _text(path: Path) -> str:
    return _host.checked(os.fspath(path), str, "a path")
