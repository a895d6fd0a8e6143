"""Lines for the agent's log. They carry the collector's name; a flood of them is cut.

Control characters are escaped, and what is over 1024 bytes is cut off. `print` goes nowhere.
"""

from enum import Enum

from . import _host


class Level(Enum):
    """How much a line matters. The agent shows `INFO` and above unless told otherwise."""

    TRACE = "trace"
    """Every step, for the author."""
    DEBUG = "debug"
    """What helps to find a fault."""
    INFO = "info"
    """A change of state, rare."""
    WARN = "warn"
    """Something is wrong, and the collector copes with it."""
    ERROR = "error"
    """Something is wrong, and a part of the contribution is missing for it."""


def write(level: Level, message: str) -> None:
    """Writes one line."""
    _host.current().log(level, str(message))


def trace(message: str) -> None:
    """Writes a line of `Level.TRACE`."""
    write(Level.TRACE, message)


def debug(message: str) -> None:
    """Writes a line of `Level.DEBUG`."""
    write(Level.DEBUG, message)


def info(message: str) -> None:
    """Writes a line of `Level.INFO`."""
    write(Level.INFO, message)


def warn(message: str) -> None:
    """Writes a line of `Level.WARN`."""
    write(Level.WARN, message)


def error(message: str) -> None:
    """Writes a line of `Level.ERROR`."""
    write(Level.ERROR, message)
