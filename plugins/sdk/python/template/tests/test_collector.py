import unittest

from collector import DISTRIBUTION, LENGTH, NAME, OBSERVATIONS, PATH, Queue

from sandbeat import ConfigError, DeniedError, InternalError, UnavailableError
from sandbeat.log import Level
from sandbeat.testing import Sandbox

FILE = "/run/{{name}}/length"


class QueueTest(unittest.TestCase):
    def test_it_reports_what_the_file_says(self) -> None:
        sandbox = Sandbox(files={FILE: "7\n"}, config={"name": "mail"})
        contribution = sandbox.collect(Queue)
        distribution = DISTRIBUTION.empty()
        distribution.record(7)
        mail = {NAME: "mail"}
        self.assertEqual(
            contribution.points,
            [LENGTH.value(7, mail), OBSERVATIONS.value(1, mail), DISTRIBUTION.value(distribution, mail)],
        )
        self.assertEqual(contribution.metadata, [PATH.value(FILE)])
        self.assertIn((Level.DEBUG, f"read 7 from {FILE}"), sandbox.lines)

    def test_it_counts_on_from_the_call_before(self) -> None:
        sandbox = Sandbox(files={FILE: "0"})
        sandbox.collect(Queue)
        sandbox.files = {FILE: "1001"}
        contribution = sandbox.collect(Queue)
        distribution = DISTRIBUTION.empty()
        distribution.record(0)
        distribution.record(1001)
        default = {NAME: "default"}
        self.assertIn(OBSERVATIONS.value(2, default), contribution.points)
        self.assertIn(DISTRIBUTION.value(distribution, default), contribution.points)

    def test_state_of_another_version_counts_as_none(self) -> None:
        sandbox = Sandbox(files={FILE: "3"}, state={"observations": b"?", "distribution": b"?"})
        self.assertIn(OBSERVATIONS.value(1, {NAME: "default"}), sandbox.collect(Queue).points)

    def test_it_says_once_that_the_queue_is_empty(self) -> None:
        sandbox = Sandbox()
        for length in ("0", "0", "1", "0"):
            sandbox.files = {FILE: length}
            sandbox.collect(Queue)
        said = [text for level, text in sandbox.lines if level is Level.INFO]
        self.assertEqual(said, ["the queue is empty"] * 2)

    def test_an_error_says_who_must_act(self) -> None:
        with self.assertRaisesRegex(DeniedError, f"`{FILE}` is not granted"):
            Sandbox().collect(Queue)
        with self.assertRaisesRegex(UnavailableError, f"`{FILE}` is not there"):
            Sandbox(files={FILE: None}).collect(Queue)
        for content in ("", "many", "-1", "1.5", b"\xff"):
            with self.assertRaisesRegex(InternalError, FILE):
                Sandbox(files={FILE: content}).collect(Queue)
        with self.assertRaisesRegex(ConfigError, "`pth` .* did you mean `path`"):
            Sandbox(config={"pth": FILE}).collect(Queue)
        for path in (5, "length"):
            with self.assertRaisesRegex(ConfigError, "`path`"):
                Sandbox(config={"path": path}).collect(Queue)
        for name in (5, "", "é" * 129):
            with self.assertRaisesRegex(ConfigError, "`name`"):
                Sandbox(files={FILE: "3"}, config={"name": name}).collect(Queue)


if __name__ == "__main__":
    unittest.main()
