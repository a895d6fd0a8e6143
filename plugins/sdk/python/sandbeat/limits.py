"""What this collector may use, by its sidecar: for those that do their work in pieces."""

from __future__ import annotations

from dataclasses import dataclass

from . import _host


@dataclass(frozen=True, slots=True)
class Limits:
    """Who passes one of these is ended, or has points rejected. Sizes are in bytes, times in seconds.

    The defaults are those of a sidecar that sets none.
    """

    memory: int = 32 << 20
    """All linear memories and tables together, and what the instance costs the host."""
    timeout: float = 1.0
    """Wall clock for one call."""
    cpu: float = 0.2
    """CPU for one call."""
    output: int = 1 << 20
    """What it may cost to take one answer out of the guest."""
    metrics: int = 1_000
    """Metrics of one collect."""
    metadata: int = 64
    """Metadata entries of one collect."""
    attributes: int = 16
    """Attributes of one metric."""
    series: int = 2_000
    """Different pairs of name and attributes within an hour."""
    state: int = 64 << 10
    """Keys and values in the state."""
    file_calls: int = 1_000
    """Calls of `files`, `filesystems` and `processes` in one call."""
    file_bytes: int = 16 << 20
    """What `files` hands over in one call."""
    http_requests: int = 16
    """HTTP requests in one call."""
    http_bytes: int = 4 << 20
    """Bodies of all HTTP answers in one call."""
    http_timeout: float = 5.0
    """One HTTP exchange."""


def current() -> Limits:
    """Those in force for this call."""
    return _host.current().limits()
