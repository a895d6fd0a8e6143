"""What a collector can report: constants that carry name, unit and meaning, and the points they make.

A handle is written once and used in `Collector.reports` (what it means) and in `collect` (what it is now), so that the
two cannot disagree. Where names come from elsewhere, such as from a file, a `Point` is made without a handle, and the
collector says so (`Collector.others`). Names and units are OpenTelemetry's and UCUM's; the agent checks them, and this
module does not.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import TypeAlias

Number: TypeAlias = int | float | timedelta
"""What can be measured; a duration becomes seconds. Integers are exact up to 2⁵³."""


class Kind(Enum):
    """Which form a metric's values have."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Key:
    """A dimension of metrics: its key, and one sentence on what it means."""

    key: str
    description: str


Attributes: TypeAlias = Mapping[Key, object]
"""A point's dimensions; each value is made text by `str`, 256 bytes at most."""


@dataclass(frozen=True, slots=True)
class Point:
    """One data point. What is known beforehand is better made by a handle."""

    name: str
    """The metric's name."""
    unit: str
    """Its unit in UCUM's notation."""
    kind: Kind
    """What the value is."""
    value: float | Distribution
    """A `Distribution` for a histogram; for the others a finite number, not negative for a counter."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Its dimensions."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One metadata entry."""

    key: str
    value: str
    """Free text without control characters and what shows nothing where it stands or changes how text is read, 1024 bytes at most."""


@dataclass(slots=True)
class Distribution:
    """Measurements by bucket, as a `Histogram` makes them.

    Its counts run since the collector started to count, so keep it in `state` from one collect to the next.
    """

    bounds: tuple[float, ...]
    """Inclusive upper bounds, strictly increasing; a last bucket without one follows them."""
    counts: list[int]
    """Measurements per bucket, not cumulative: one more than `bounds`."""
    sum: float = 0.0
    """The sum of all measurements, in the metric's unit."""

    def record(self, measurement: Number) -> None:
        """Counts one measurement; what is not finite is left out."""
        value = number(measurement)
        if math.isfinite(value):
            self.counts[bisect_left(self.bounds, value)] += 1
            self.sum += value

    def to_bytes(self) -> bytes:
        """The form in which it can be kept in `state`; `Histogram.restore` reads it."""
        return _packed(self.bounds).pack(*self.bounds, *self.counts, self.sum)


class _Numeric:
    """What the handles of numeric metrics have in common."""

    __slots__ = ("description", "keys", "name", "unit")

    kind: Kind

    def __init__(self, name: str, unit: str, description: str, *, keys: Iterable[Key] = ()) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self.keys = tuple(keys)

    def _point(self, value: float | Distribution, attributes: Attributes | None) -> Point:
        given = attributes or {}
        for key in given:
            if key not in self.keys:
                raise ValueError(f"`{self.name}` has no key `{key.key}`; name it in the metric's `keys`")
        return Point(self.name, self.unit, self.kind, value, {key.key: str(text) for key, text in given.items()})


class Gauge(_Numeric):
    """What something is right now; it may go up and down."""

    __slots__ = ()
    kind = Kind.GAUGE

    def value(self, value: Number, attributes: Attributes | None = None) -> Point:
        """What it is now."""
        return self._point(number(value), attributes)


class Counter(_Numeric):
    """A total that only grows until its source starts again, such as bytes received since boot."""

    __slots__ = ()
    kind = Kind.COUNTER

    def value(self, total: Number, attributes: Attributes | None = None) -> Point:
        """The total since its source started; not negative."""
        return self._point(number(total), attributes)


class Histogram(_Numeric):
    """How measurements are distributed over buckets with fixed bounds: inclusive, finite, strictly increasing."""

    __slots__ = ("bounds",)
    kind = Kind.HISTOGRAM

    def __init__(
        self, name: str, unit: str, description: str, *, bounds: Iterable[float], keys: Iterable[Key] = ()
    ) -> None:
        super().__init__(name, unit, description, keys=keys)
        self.bounds = tuple(float(bound) for bound in bounds)

    def empty(self) -> Distribution:
        """A distribution without a measurement."""
        return Distribution(self.bounds, [0] * (len(self.bounds) + 1))

    def restore(self, kept: bytes | None) -> Distribution:
        """What `Distribution.to_bytes` made; an empty one where there is nothing, or something of other bounds."""
        packed = _packed(self.bounds)
        if kept is None or len(kept) != packed.size:
            return self.empty()
        values = packed.unpack(kept)
        bounds, counts = values[: len(self.bounds)], values[len(self.bounds) : -1]
        if bounds != self.bounds:
            return self.empty()
        return Distribution(self.bounds, list(counts), values[-1])

    def value(self, distribution: Distribution, attributes: Attributes | None = None) -> Point:
        """The distribution so far."""
        return self._point(distribution, attributes)


@dataclass(frozen=True, slots=True)
class Metadata:
    """One fact that is not a number, such as `git.branch` = `main`: its key, and one sentence on what it means."""

    key: str
    description: str

    def value(self, value: str) -> Entry:
        """What it is now."""
        return Entry(self.key, str(value))


Handle: TypeAlias = Gauge | Counter | Histogram | Metadata
"""What a collector can name as something that it reports."""


def number(value: Number) -> float:
    """The number as it is reported."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _packed(bounds: tuple[float, ...]) -> struct.Struct:
    return struct.Struct(f"<{len(bounds)}d{len(bounds) + 1}Qd")
