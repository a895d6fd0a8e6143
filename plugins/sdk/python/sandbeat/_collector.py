"""What an author writes, and how it is called: whatever `collect` raises becomes an `Error` that says who must act."""

from __future__ import annotations

import linecache
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from . import log
from ._contribution import Contribution
from ._errors import Error, InternalError, classified
from ._metrics import Handle

MOST_CALLS = 12
"""How many calls of a traceback are logged: the agent takes 60 lines a minute."""
OWN_FOLDER = __file__.rpartition("/")[0] + "/"


class Collector:
    """What an author writes: what it is, what it reports, and how it measures.

    An object of it lives as long as the component's instance: for one `collect` by default, for many with
    `instance = "keep"`. What has to survive longer belongs into `state`.
    """

    version: ClassVar[str]
    """The collector's own version, such as `1.4.0`."""
    summary: ClassVar[str]
    """One sentence for a person: what it measures."""
    reports: ClassVar[Sequence[Handle]]
    """Everything that it can report."""
    others: ClassVar[str | None] = None
    """Where it can report more than `reports`, because the names come from elsewhere: one sentence on what."""

    def collect(self) -> Contribution:
        """Measures once. A value that could not be measured is left out; with nothing at all, raise an `Error`."""
        raise NotImplementedError


def export(collector: type[Collector]) -> type[object]:
    """What the collector's module has to have under the name `Guest`."""
    for name in ("version", "summary", "reports"):
        if not hasattr(collector, name):
            raise TypeError(f"`{collector.__name__}` has no `{name}`")
    _remember_source(collector)
    if sys.platform == "wasi":
        from . import _guest

        return _guest.exported(collector)
    return object


def call(measure: Callable[[], Contribution]) -> Contribution:
    """Collects once. Raises an `Error`; one that nobody foresaw is logged with the calls that led to it."""
    try:
        contribution = measure()
        if not isinstance(contribution, Contribution):
            raise TypeError(f"`collect` has to return a `Contribution`, and returned {contribution!r}")
        return contribution
    except (Exception, SystemExit) as error:
        known = classified(error)
        if known is error:
            raise
        raise known or unforeseen(error) from error


def unforeseen(error: BaseException) -> Error:
    """Logs the calls that led to the exception, and makes the error that names it and its place."""
    calls = _calls(error)
    log.error(f"{_in_words(error)}; the calls that led to it, the last one last:")
    for call, again in list(Counter(calls).items())[-MOST_CALLS:]:
        log.error(f"  {call}" + (f" ({again} times)" if again > 1 else ""))
    cause = error.__cause__
    if cause is not None:
        log.error(f"caused by {_with_place(cause)}")
    return InternalError(_with_place(error))


def _with_place(error: BaseException) -> str:
    calls = _calls(error)
    return f"{_in_words(error)} ({calls[-1].partition(':  ')[0]})" if calls else _in_words(error)


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _calls(error: BaseException) -> list[str]:
    """Each call, the innermost last, as `file.py, line 7, in function:  source`; the SDK's own are left out."""
    calls = []
    traceback = error.__traceback__
    while traceback is not None:
        code, line = traceback.tb_frame.f_code, traceback.tb_lineno
        if not code.co_filename.startswith(OWN_FOLDER):
            source = linecache.getline(code.co_filename, line).strip()
            place = f"{_short(code.co_filename)}, line {line}, in {code.co_name}"
            calls.append(f"{place}:  {source}" if source else place)
        traceback = traceback.tb_next
    return calls


def _short(file: str) -> str:
    """A component's files lie under the number of the folder that they were built from, such as `/0/collector.py`."""
    first, _, rest = file.lstrip("/").partition("/")
    return rest if first.isdigit() and rest else file.rpartition("/")[2]


def _remember_source(collector: type[Collector]) -> None:
    """Reads the project's files now: a component has none later, and a traceback should show their lines."""
    own = getattr(sys.modules[collector.__module__], "__file__", None)
    if own is None:
        return
    folder = own.rpartition("/")[0] + "/"
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.startswith(folder) and file.endswith(".py"):
            linecache.getlines(file)
