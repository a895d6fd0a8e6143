"""Write a collector for sandbeat in Python.

A collector measures something in a sandbox; the agent calls it at each interval and merges what it returns into the
next status report. This is a whole one:

    from sandbeat import Collector, Contribution, Gauge, export, files

    JOBS = Gauge("queue.length", "{job}", "Jobs that wait in the queue.")

    class Queue(Collector):
        version = "0.1.0"
        summary = "The length of the job queue."
        reports = [JOBS]

        def collect(self) -> Contribution:
            return Contribution(JOBS.value(int(files.read_text("/run/queue/length"))))

    Guest = export(Queue)

- What it can report: `Gauge`, `Counter`, `Histogram` and `Metadata` are constants that carry the name, the unit and
  the meaning, written once and used by both `reports` and `collect`.
- What it can reach: `files`, `config`, `state`, `native` and `log`, and for some purposes `filesystems`, `processes`,
  `certificates` and `limits`, each bounded by the agent; and `open` for folders that the sidecar grants under `dirs`.
- What can go wrong: the exceptions under `Error` say who must act. A refused or missing file raises the right one by
  itself; any other exception is reported as the collector's own fault, with its place. A value that could not be
  measured is left out, never made up: `Contribution` takes `None`, too.
- How it is tested: with any Python, without WebAssembly. `sandbeat.testing.Sandbox` stands in for the agent.

Everything that a collector imports is imported while it is built: an `import` inside of a function finds nothing later.
"""

import sys

from . import _host, certificates, config, files, filesystems, limits, log, native, processes, state
from ._collector import Collector, export
from ._contribution import Contribution
from ._errors import ConfigError, DeniedError, Error, InternalError, UnavailableError
from ._metrics import Counter, Distribution, Entry, Gauge, Histogram, Key, Kind, Metadata, Number, Point

if sys.platform == "wasi":
    # The agent is there from the first call on.
    _host.use(_host.Nobody())
else:
    from . import testing

    _host.use(testing.Sandbox())

__all__ = [
    "Collector",
    "ConfigError",
    "Contribution",
    "Counter",
    "DeniedError",
    "Distribution",
    "Entry",
    "Error",
    "Gauge",
    "Histogram",
    "InternalError",
    "Key",
    "Kind",
    "Metadata",
    "Number",
    "Point",
    "UnavailableError",
    "certificates",
    "config",
    "export",
    "files",
    "filesystems",
    "limits",
    "log",
    "native",
    "processes",
    "state",
]
