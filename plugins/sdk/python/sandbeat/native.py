"""What the agent itself measured for the report that is being made."""

from __future__ import annotations

from dataclasses import dataclass

from . import _host


@dataclass(frozen=True, slots=True)
class Process:
    """A process that the agent supervises."""

    name: str
    """Its name in the configuration."""
    status: str
    """`running`, `stopped` or `error`."""
    pid: int | None = None
    """Its process id while it runs."""
    restart_count: int = 0
    """Starts after the first one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The sandbox at one moment. What could not be measured is `None`."""

    sandbox_id: str = ""
    """The sandbox's id at the control plane."""
    hostname: str = ""
    """The host name."""
    uptime_secs: int = 0
    """Seconds since the agent started, from a monotonic clock."""
    cpu_percent: float | None = None
    """Used CPU, in percent of what the sandbox may use."""
    cpu_limit_cores: float | None = None
    """How many cores the sandbox may use."""
    memory_bytes: int | None = None
    """The working set: memory in use without inactive file pages."""
    memory_limit_bytes: int | None = None
    """How much memory the sandbox may use."""
    session_count: int | None = None
    """Established inbound connections on the configured session ports."""
    processes: tuple[Process, ...] = ()
    """All supervised processes, by name."""


def current() -> Sample:
    """The newest sample."""
    return _host.current().sample()
