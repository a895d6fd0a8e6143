"""A sandbox for a collector's tests, and the agent's stand-in wherever a collector is not a component.

    sandbox = Sandbox(files={"/run/queue/length": "3"}, config={"name": "mail"})
    contribution = sandbox.collect(Queue)
    assert contribution.points == [JOBS.value(3, {NAME: "mail"})]

What a test does not put in is not there: no grant, no config, no state. Outside of `collect` and of `with sandbox:` it
is so for everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from . import _host, processes, state
from . import files as granted
from ._collector import Collector, call
from ._contribution import Contribution
from ._metrics import Metadata
from .files import EntryKind, Info
from .filesystems import Usage
from .limits import Limits
from .log import Level
from .native import Sample
from .processes import Owner

MOST_INODES = 4096
"""Sockets that can be asked for at once, as in the agent."""


@dataclass
class Sandbox:
    """All that a collector can see, filled by a test."""

    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    """Granted paths and what is in the files; `None` where nothing is at the path."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The table `[config]`."""
    native: Sample = field(default_factory=Sample)
    """What the agent measured itself."""
    modified: Mapping[str, int] = field(default_factory=dict)
    """When the content of granted files changed, in nanoseconds since 1970-01-01T00:00:00Z."""
    filesystems: Mapping[str, Usage | None] = field(default_factory=dict)
    """Granted paths, and the file systems on which they lie; `None` where nothing is at the path."""
    processes: Mapping[int, Owner] | None = None
    """Who holds the sockets with these inodes; `None` where processes are not granted."""
    allowed: Limits = field(default_factory=Limits)
    """What it may use."""
    certificates: Mapping[str, bytes] = field(default_factory=dict)
    """What the servers of origins showed of themselves."""
    state: dict[str, bytes] = field(default_factory=dict)
    """What the collector keeps; it stays from one `collect` to the next."""
    lines: list[tuple[Level, str]] = field(default_factory=list)
    """The lines that were written to the log."""

    def collect(self, collector: type[Collector]) -> Contribution:
        """Collects once in this sandbox, in a fresh instance, and raises what the agent would be told.

        A point or metadata entry that the collector's `reports` do not name is an `AssertionError`, unless it has
        `others`.
        """
        with self:
            contribution = call(lambda: collector().collect())
        if collector.others is None:
            self._assert_described(collector, contribution)
        return contribution

    def __enter__(self) -> Sandbox:
        self._before = _host.use(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._before is not None:
            _host.use(self._before)

    def _assert_described(self, collector: type[Collector], contribution: Contribution) -> None:
        metrics = {handle.name for handle in collector.reports if not isinstance(handle, Metadata)}
        metadata = {handle.key for handle in collector.reports if isinstance(handle, Metadata)}
        for point in contribution.points:
            assert point.name in metrics, f"`{point.name}` is not among the `reports` of `{collector.__name__}`"
        for entry in contribution.metadata:
            assert entry.key in metadata, f"`{entry.key}` is not among the `reports` of `{collector.__name__}`"

    # The imports of the world.

    def log(self, level: Level, message: str) -> None:
        self.lines.append((level, message))

    def config_json(self) -> str:
        return json.dumps(self.config)

    def state_get(self, key: str) -> bytes | None:
        return self.state.get(key)

    def state_set(self, key: str, value: bytes) -> None:
        if not 0 < len(key.encode()) <= 128:
            raise state.BadKey()
        kept = {**self.state, key: bytes(value)}
        if sum(len(key.encode()) + len(value) for key, value in kept.items()) > self.allowed.state:
            raise state.Full(self.allowed.state)
        self.state = kept

    def state_delete(self, key: str) -> None:
        self.state.pop(key, None)

    def state_keys(self) -> list[str]:
        return sorted(self.state, key=str.encode)

    def limits(self) -> Limits:
        return self.allowed

    def sample(self) -> Sample:
        return self.native

    def read(self, path: str) -> bytes:
        content = self._content(path)
        if len(content) > granted.MOST_BYTES:
            raise granted.TooLarge(path, granted.MOST_BYTES)
        return content

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        return self._content(path)[offset : offset + length]

    def entries(self, directory: str) -> list[granted.Entry]:
        if directory in self.files:
            raise granted.NotFound(directory) if self.files[directory] is None else granted.WrongType(directory)
        entries = self._below(directory)
        if not entries:
            raise granted.Denied(directory)
        return [granted.Entry(name, kind) for name, kind in sorted(entries.items())]

    def stat(self, path: str) -> Info:
        modified = self.modified.get(path)
        try:
            return Info(EntryKind.FILE, len(self._content(path)), modified)
        except granted.WrongType:
            return Info(EntryKind.DIRECTORY, 0, modified)

    def granted_filesystems(self) -> list[str]:
        return sorted(self.filesystems)

    def stat_filesystem(self, path: str) -> Usage:
        if path not in self.filesystems:
            raise granted.Denied(path, "filesystems")
        usage = self.filesystems[path]
        if usage is None:
            raise granted.NotFound(path)
        return usage

    def socket_owners(self, inodes: Sequence[int]) -> list[Owner | None]:
        if self.processes is None:
            raise processes.Denied()
        if len(inodes) > MOST_INODES:
            raise processes.TooMany(MOST_INODES)
        return [self.processes.get(inode) for inode in inodes]

    def certificate(self, origin: str) -> bytes | None:
        return self.certificates.get(origin)

    def _content(self, path: str) -> bytes:
        if path not in self.files:
            raise granted.WrongType(path) if self._below(path) else granted.Denied(path)
        content = self.files[path]
        if content is None:
            raise granted.NotFound(path)
        return content.encode() if isinstance(content, str) else content

    def _below(self, directory: str) -> dict[str, EntryKind]:
        prefix = directory.rstrip("/") + "/"
        below = [
            path[len(prefix) :]
            for path, content in self.files.items()
            if content is not None and path.startswith(prefix)
        ]
        return {rest.partition("/")[0]: EntryKind.DIRECTORY if "/" in rest else EntryKind.FILE for rest in below}
