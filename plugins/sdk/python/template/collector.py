"""The length of a job queue, as a file says it: one whole number."""

from sandbeat import (
    Collector,
    Contribution,
    Counter,
    Gauge,
    Histogram,
    InternalError,
    Key,
    Metadata,
    config,
    export,
    files,
    log,
    state,
)

NAME = Key("{{ident}}.name", "The queue's name, as configured.")
LENGTH = Gauge("{{ident}}.length", "{job}", "Jobs that wait in the queue.", keys=[NAME])
OBSERVATIONS = Counter("{{ident}}.observations", "{observation}", "How often the queue was looked at.", keys=[NAME])
DISTRIBUTION = Histogram(
    "{{ident}}.length.distribution",
    "{job}",
    "How long the queue was when it was looked at.",
    bounds=[0, 10, 100, 1000],
    keys=[NAME],
)
PATH = Metadata("{{ident}}.path", "The file that says it.")


class Queue(Collector):
    version = "0.1.0"
    summary = "The length of a job queue, as a file says it."
    reports = [LENGTH, OBSERVATIONS, DISTRIBUTION, PATH]

    def collect(self) -> Contribution:
        config.only("path", "name")
        path = configured_path()
        attributes = {NAME: configured_name()}
        length = read_length(path)
        log.debug(f"read {length} from {path}")
        say_once_that_it_is_empty(length)
        observations = state.get_int("observations") + 1
        state.set_int("observations", observations)
        distribution = DISTRIBUTION.restore(state.get("distribution"))
        distribution.record(length)
        state.set("distribution", distribution.to_bytes())
        return Contribution(
            LENGTH.value(length, attributes),
            OBSERVATIONS.value(observations, attributes),
            DISTRIBUTION.value(distribution, attributes),
            PATH.value(path),
        )


def configured_path() -> str:
    path = config.string("path", "/run/{{name}}/length")
    if not path.startswith("/"):
        raise config.wrong("path", "an absolute path")
    return path


def configured_name() -> str:
    name = config.string("name", "default")
    if not 0 < len(name.encode()) <= 256:
        raise config.wrong("name", "a name of 1 to 256 bytes")
    return name


def read_length(path: str) -> int:
    text = files.read_text(path).strip()
    if not (text.isascii() and text.isdigit()):
        raise InternalError(f"`{path}` has to contain one whole number, and contains {text[:40]!r}")
    return int(text)


def say_once_that_it_is_empty(length: int) -> None:
    if length > 0:
        state.delete("empty")
    elif state.get("empty") is None:
        state.set("empty", b"1")
        log.info("the queue is empty")


Guest = export(Queue)
