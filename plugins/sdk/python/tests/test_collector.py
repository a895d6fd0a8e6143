import unittest
from collections.abc import Callable

from sandbeat import Collector, ConfigError, Contribution, DeniedError, Gauge, InternalError, UnavailableError, export
from sandbeat.log import Level
from sandbeat.testing import Sandbox

JOBS = Gauge("test.jobs", "{job}", "Jobs.")


def collector(measure: Callable[[], object]) -> type[Collector]:
    class Test(Collector):
        version = "0.1.0"
        summary = "A test."
        reports = [JOBS]

        def collect(self) -> Contribution:
            return measure()  # type: ignore[return-value]

    return Test


def raising(error: BaseException) -> type[Collector]:
    def measure() -> None:
        raise error

    return collector(measure)


class CollectorTest(unittest.TestCase):
    def test_an_exception_says_who_must_act(self) -> None:
        for error, who in (
            (ConfigError("x"), ConfigError),
            (PermissionError("x"), DeniedError),
            (FileNotFoundError("x"), UnavailableError),
            (OSError("x"), UnavailableError),
        ):
            sandbox = Sandbox()
            with self.assertRaisesRegex(who, "^x$"):
                sandbox.collect(raising(error))
            self.assertEqual(sandbox.lines, [])

    def test_one_that_nobody_foresaw_is_named_with_its_place(self) -> None:
        def measure() -> int:
            return int("many")

        sandbox = Sandbox()
        with self.assertRaisesRegex(
            InternalError, r"^ValueError: .* 'many' \(test_collector.py, line \d+, in measure\)$"
        ):
            sandbox.collect(collector(measure))
        levels = {level for level, _ in sandbox.lines}
        self.assertEqual(levels, {Level.ERROR})
        self.assertRegex(sandbox.lines[-1][1], r'in measure:  return int\("many"\)$')
        self.assertEqual(len(sandbox.lines), 3)

    def test_its_cause_is_named_and_repetitions_are_counted(self) -> None:
        def deep(n: int) -> None:
            if n == 0:
                raise RuntimeError("first\nsecond") from KeyError("cause")
            deep(n - 1)

        sandbox = Sandbox()
        with self.assertRaisesRegex(InternalError, "^RuntimeError: first second "):
            sandbox.collect(collector(lambda: deep(50)))
        said = [text for _, text in sandbox.lines]
        self.assertLess(len(said), 10)
        self.assertTrue(any("(50 times)" in text for text in said), said)
        self.assertEqual(said[-1], "caused by KeyError: 'cause'")

    def test_an_end_of_the_program_is_no_end_of_the_component(self) -> None:
        with self.assertRaisesRegex(InternalError, "^SystemExit: 3 "):
            Sandbox().collect(raising(SystemExit(3)))

    def test_what_is_not_a_contribution_is_refused(self) -> None:
        with self.assertRaisesRegex(InternalError, "has to return a `Contribution`, and returned None"):
            Sandbox().collect(collector(lambda: None))

    def test_what_is_not_described_fails_a_test(self) -> None:
        other = Gauge("test.other", "1", "Another.")
        with self.assertRaisesRegex(AssertionError, "`test.other` is not among the `reports`"):
            Sandbox().collect(collector(lambda: Contribution(other.value(1))))

    def test_a_collector_without_a_description_is_not_exported(self) -> None:
        class Empty(Collector):
            pass

        with self.assertRaisesRegex(TypeError, "`Empty` has no `version`"):
            export(Empty)


if __name__ == "__main__":
    unittest.main()
