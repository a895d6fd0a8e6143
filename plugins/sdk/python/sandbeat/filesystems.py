"""How full file systems are: those on which the paths under `[grant] filesystems` lie."""

from __future__ import annotations

from dataclasses import dataclass

from . import _host


@dataclass(frozen=True, slots=True)
class Usage:
    """A file system, as statvfs(3) sees it. Sizes are in bytes."""

    size: int
    """All of it."""
    free: int
    """What is not used."""
    available: int
    """What of that others than root may use."""
    inodes: int | None
    """All inodes; absent where the file system makes them as it needs them."""
    inodes_free: int | None
    """Inodes that are not used; absent where `inodes` is."""
    read_only: bool
    """Nothing can be written."""


def granted() -> list[str]:
    """The granted paths, as the sidecar names them."""
    return _host.current().granted_filesystems()


def stat(path: str) -> Usage:
    """The file system on which a granted path lies. Raises a `files.FileError`."""
    return _host.current().stat_filesystem(_host.checked(path, str, "a path"))
