import math
import unittest
from datetime import timedelta

from sandbeat import Contribution, Counter, Gauge, Histogram, Key, Kind, Metadata, Point

INTERFACE = Key("network.interface.name", "The interface.")
IO = Counter("test.io", "By", "Bytes.", keys=[INTERFACE])
LATENCY = Histogram("test.latency", "s", "A latency.", bounds=[0.1, 1])


class MetricsTest(unittest.TestCase):
    def test_a_point_carries_what_its_handle_says(self) -> None:
        point = IO.value(7, {INTERFACE: "eth0"})
        self.assertEqual(point, Point("test.io", "By", Kind.COUNTER, 7.0, {"network.interface.name": "eth0"}))

    def test_a_key_that_the_handle_does_not_name_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "`test.io` has no key `other`"):
            IO.value(7, {Key("other", "Another."): "x"})

    def test_a_duration_becomes_seconds(self) -> None:
        self.assertEqual(Gauge("test.age", "s", "An age.").value(timedelta(milliseconds=350)).value, 0.35)

    def test_a_bound_belongs_to_the_bucket_below_it(self) -> None:
        latency = LATENCY.empty()
        for measurement in (0.05, 0.1, 0.5, 1, 2, math.nan, math.inf, timedelta(milliseconds=350)):
            latency.record(measurement)
        self.assertEqual(latency.counts, [2, 3, 1])
        self.assertAlmostEqual(latency.sum, 4.0)

    def test_a_distribution_survives_being_kept(self) -> None:
        latency = LATENCY.empty()
        latency.record(0.5)
        self.assertEqual(LATENCY.restore(latency.to_bytes()), latency)

    def test_what_was_kept_of_other_bounds_is_not_used(self) -> None:
        latency = LATENCY.empty()
        latency.record(0.5)
        other = Histogram("test.latency", "s", "A latency.", bounds=[0.2, 1])
        self.assertEqual(other.restore(latency.to_bytes()), other.empty())
        for kept in (None, b"", b"x", bytes(8), bytes(48)):
            self.assertEqual(LATENCY.restore(kept), LATENCY.empty())

    def test_what_could_not_be_measured_is_absent(self) -> None:
        branch = Metadata("test.branch", "The branch.")
        contribution = Contribution(IO.value(1), None, branch.value("main"))
        contribution.add(None)
        self.assertEqual(contribution.points, [IO.value(1)])
        self.assertEqual(contribution.metadata, [branch.value("main")])
        with self.assertRaisesRegex(TypeError, "not of 'text'"):
            Contribution("text")  # type: ignore[arg-type]
