"""The agent behind the component's imports, and a collector behind its exports.

The only file that knows the bindings (`wit_world`), which componentize-py makes of `wit/` while it builds. It is
imported in a component only.
"""

from __future__ import annotations

from collections.abc import Sequence

from componentize_py_types import Err
from wit_world.imports import certificates, config, filesystems, limits, log, native, processes, state, types
from wit_world.imports import files as wit_files

from . import _collector, _host
from . import files as own_files
from ._contribution import Contribution
from ._errors import ConfigError, DeniedError, Error, UnavailableError, classified
from ._metrics import Counter, Distribution, Gauge, Histogram, Kind, Metadata, Point
from .files import Entry, EntryKind, FileError, Info
from .filesystems import Usage
from .limits import Limits
from .log import Level
from .native import Process, Sample
from .processes import Denied as ProcessesDenied
from .processes import Owner, TooMany, Unreadable
from .state import BadKey, Full, StateError

NANOSECONDS = 1_000_000_000
"""In a second."""
LEVELS = {level: log.Level[level.name] for level in Level}
KINDS = {kind: types.Kind[kind.name] for kind in Kind}
ENTRY_KINDS = {wit_files.EntryKind[kind.name]: kind for kind in EntryKind}


class Agent:
    """The imports of the world, with this SDK's types and exceptions."""

    def log(self, level: Level, message: str) -> None:
        log.write(LEVELS[level], message)

    def config_json(self) -> str:
        return config.json()

    def state_get(self, key: str) -> bytes | None:
        return state.get(key)

    def state_set(self, key: str, value: bytes) -> None:
        try:
            state.set(key, value)
        except Err as error:
            raise _state_error(error.value) from None

    def state_delete(self, key: str) -> None:
        state.delete(key)

    def state_keys(self) -> list[str]:
        return state.keys()

    def limits(self) -> Limits:
        now = limits.current()
        return Limits(
            memory=now.memory,
            timeout=now.timeout / NANOSECONDS,
            cpu=now.cpu / NANOSECONDS,
            output=now.output,
            metrics=now.metrics,
            metadata=now.metadata,
            attributes=now.attributes,
            series=now.series,
            state=now.state,
            file_calls=now.file_calls,
            file_bytes=now.file_bytes,
            http_requests=now.http_requests,
            http_bytes=now.http_bytes,
            http_timeout=now.http_timeout / NANOSECONDS,
        )

    def sample(self) -> Sample:
        sample = native.current()
        return Sample(
            sandbox_id=sample.sandbox_id,
            hostname=sample.hostname,
            uptime_secs=sample.uptime_secs,
            cpu_percent=sample.cpu_percent,
            cpu_limit_cores=sample.cpu_limit_cores,
            memory_bytes=sample.memory_bytes,
            memory_limit_bytes=sample.memory_limit_bytes,
            session_count=sample.session_count,
            processes=tuple(Process(one.name, one.status, one.pid, one.restart_count) for one in sample.processes),
        )

    def read(self, path: str) -> bytes:
        try:
            return wit_files.read(path)
        except Err as error:
            raise _file_error(path, error.value) from None

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        try:
            return wit_files.read_at(path, offset, length)
        except Err as error:
            raise _file_error(path, error.value) from None

    def entries(self, directory: str) -> list[Entry]:
        try:
            return [Entry(one.name, ENTRY_KINDS[one.kind]) for one in wit_files.list(directory)]
        except Err as error:
            raise _file_error(directory, error.value) from None

    def stat(self, path: str) -> Info:
        try:
            info = wit_files.stat(path)
        except Err as error:
            raise _file_error(path, error.value) from None
        return Info(ENTRY_KINDS[info.kind], info.size, info.modified)

    def granted_filesystems(self) -> list[str]:
        return filesystems.granted()

    def stat_filesystem(self, path: str) -> Usage:
        try:
            usage = filesystems.stat(path)
        except Err as error:
            raise _file_error(path, error.value, "filesystems") from None
        return Usage(usage.size, usage.free, usage.available, usage.inodes, usage.inodes_free, usage.read_only)

    def socket_owners(self, inodes: Sequence[int]) -> list[Owner | None]:
        try:
            owners = processes.socket_owners(list(inodes))
        except Err as error:
            raise _process_error(error.value) from None
        return [None if owner is None else Owner(owner.pid, owner.name) for owner in owners]

    def certificate(self, origin: str) -> bytes | None:
        return certificates.shown(origin)


AGENT = Agent()


def exported(collector: type[_collector.Collector]) -> type[object]:
    """The class that componentize-py looks for under the name of the exported interface."""

    class Guest:
        # Made at the first call: while the component is built there is no agent that `__init__` could ask.
        instance: _collector.Collector | None = None

        def describe(self) -> types.Description:
            _host.use(AGENT)
            try:
                return _description(collector)
            except Exception as error:
                raise Err(_error(classified(error) or _collector.unforeseen(error))) from error

        def collect(self) -> types.Contribution:
            _host.use(AGENT)
            try:
                return _contribution(_collector.call(measure))
            except Error as error:
                raise Err(_error(error)) from error

    def measure() -> Contribution:
        if Guest.instance is None:
            Guest.instance = collector()
        return Guest.instance.collect()

    return Guest


def _description(collector: type[_collector.Collector]) -> types.Description:
    metrics = [
        types.MetricInfo(
            handle.name,
            handle.unit,
            KINDS[handle.kind],
            handle.description,
            [types.AttributeInfo(key.key, key.description) for key in handle.keys],
        )
        for handle in collector.reports
        if isinstance(handle, (Gauge, Counter, Histogram))
    ]
    metadata = [
        types.MetadataInfo(handle.key, handle.description)
        for handle in collector.reports
        if isinstance(handle, Metadata)
    ]
    return types.Description(collector.version, collector.summary, metrics, metadata, collector.others)


def _contribution(contribution: Contribution) -> types.Contribution:
    metadata = [types.MetadataEntry(entry.key, entry.value) for entry in contribution.metadata]
    return types.Contribution([_metric(point) for point in contribution.points], metadata)


def _metric(point: Point) -> types.Metric:
    attributes = [types.Attribute(key, value) for key, value in point.attributes.items()]
    return types.Metric(point.name, point.unit, _value(point), attributes)


def _value(point: Point) -> types.Value:
    if isinstance(point.value, Distribution):
        kept = point.value
        return types.Value_Histogram(types.Histogram(list(kept.bounds), list(kept.counts), kept.sum))
    if point.kind is Kind.COUNTER:
        return types.Value_Counter(point.value)
    return types.Value_Gauge(point.value)


def _error(error: Error) -> types.Error:
    text = str(error)
    if isinstance(error, ConfigError):
        return types.Error_Config(text)
    if isinstance(error, DeniedError):
        return types.Error_Denied(text)
    if isinstance(error, UnavailableError):
        return types.Error_Unavailable(text)
    return types.Error_Internal(text)


def _file_error(path: str, error: wit_files.FileError, grant: str = "read") -> FileError:
    match error:
        case wit_files.FileError_Denied():
            return own_files.Denied(path, grant)
        case wit_files.FileError_NotFound():
            return own_files.NotFound(path)
        case wit_files.FileError_WrongType():
            return own_files.WrongType(path)
        case wit_files.FileError_TooLarge(limit):
            return own_files.TooLarge(path, limit)
        case wit_files.FileError_Io(words):
            return own_files.Unreadable(path, words)


def _process_error(error: processes.ProcessError) -> Error:
    match error:
        case processes.ProcessError_Denied():
            return ProcessesDenied()
        case processes.ProcessError_TooMany(limit):
            return TooMany(limit)
        case processes.ProcessError_Io(words):
            return Unreadable(words)


def _state_error(error: state.StateError) -> StateError:
    match error:
        case state.StateError_BadKey():
            return BadKey()
        case state.StateError_Full(limit):
            return Full(limit)
