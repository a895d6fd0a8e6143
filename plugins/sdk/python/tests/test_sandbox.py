import pathlib
import unittest
from typing import Any

from sandbeat import (
    ConfigError,
    DeniedError,
    InternalError,
    UnavailableError,
    certificates,
    config,
    files,
    filesystems,
    limits,
    log,
    native,
    processes,
    state,
)
from sandbeat.files import Entry, EntryKind, Info
from sandbeat.filesystems import Usage
from sandbeat.log import Level
from sandbeat.native import Sample
from sandbeat.processes import Owner
from sandbeat.testing import Sandbox


class SandboxTest(unittest.TestCase):
    def test_what_was_not_put_in_is_not_there(self) -> None:
        granted = {"/proc/net/dev": "x", "/proc/pressure/cpu": None, "/proc/text": b"\xff"}
        with Sandbox(files=granted, modified={"/proc/net/dev": 5}):
            self.assertEqual(files.read_text("/proc/net/dev"), "x")
            self.assertEqual(files.read(pathlib.PurePosixPath("/proc/net/dev")), b"x")
            self.assertEqual(files.read_at("/proc/net/dev", 1, 10), b"")
            self.assertEqual(files.stat("/proc/net/dev"), Info(EntryKind.FILE, 1, 5))
            self.assertEqual(files.stat("/proc/net").kind, EntryKind.DIRECTORY)
            self.assertEqual(files.list("/proc"), [Entry("net", EntryKind.DIRECTORY), Entry("text", EntryKind.FILE)])
            for path, error, who in (
                ("/proc/pressure/cpu", files.NotFound, UnavailableError),
                ("/etc/shadow", files.Denied, DeniedError),
                ("/proc/net", files.WrongType, UnavailableError),
                ("/proc/text", files.NotText, InternalError),
            ):
                with self.assertRaisesRegex(error, f"^`{path}` ") as raised:
                    files.read_text(path)
                self.assertIsInstance(raised.exception, who)
        with self.assertRaises(files.Denied):
            files.read("/proc/net/dev")

    def test_the_rest_of_the_sandbox_is_what_was_put_in(self) -> None:
        usage = Usage(10, 5, 4, None, None, False)
        owner = Owner(7, "sshd")
        with Sandbox(
            filesystems={"/data": usage, "/gone": None},
            processes={1: owner},
            certificates={"https://a": b"der"},
            native=Sample(hostname="h"),
        ):
            self.assertEqual((filesystems.granted(), filesystems.stat("/data")), (["/data", "/gone"], usage))
            self.assertEqual(processes.socket_owners([1, 2]), [owner, None])
            self.assertEqual((certificates.shown("https://a"), certificates.shown("https://b")), (b"der", None))
            self.assertEqual(native.current().hostname, "h")
            with self.assertRaisesRegex(files.Denied, "add it to `filesystems`"):
                filesystems.stat("/other")
            with self.assertRaises(files.NotFound):
                filesystems.stat("/gone")
            with self.assertRaises(processes.TooMany):
                processes.socket_owners(range(4097))
        with Sandbox(), self.assertRaises(processes.Denied):
            processes.socket_owners([1])

    def test_state_and_log_stay_after_the_run(self) -> None:
        sandbox = Sandbox()
        with sandbox:
            state.set("last", b"1")
            state.set_int("count", 3)
            state.set_json("seen", {"a": [1]})
            log.info("once")
            with self.assertRaises(state.BadKey):
                state.set("", b"")
            with self.assertRaisesRegex(state.Full, "65536 bytes"):
                state.set("big", bytes(limits.current().state))
        with sandbox:
            self.assertEqual(state.keys(), ["count", "last", "seen"])
            self.assertEqual((state.get("last"), state.get_int("count"), state.get_json("seen")), (b"1", 3, {"a": [1]}))
            state.set("count", b"x")
            state.set("seen", b"\xff")
            self.assertEqual((state.get_int("count", 9), state.get_json("seen"), state.get_int("none")), (9, None, 0))
            state.delete("last")
            self.assertIsNone(state.get("last"))
        self.assertEqual(sandbox.lines, [(Level.INFO, "once")])

    def test_what_would_end_a_component_is_refused_at_once(self) -> None:
        with Sandbox():
            with self.assertRaisesRegex(TypeError, "a value has to be of type `bytes`, and is 'b'"):
                state.set("a", "b")  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "a key has to be of type `str`, and is 1"):
                state.get(1)  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "a path has to be of type `str`"):
                files.read(b"/x")  # type: ignore[arg-type]
            with self.assertRaises(ValueError):
                files.read_at("/x", -1, 1)

    def test_a_wrong_value_of_the_config_names_its_key(self) -> None:
        table = {"n": 3, "f": 1.5, "b": True, "s": "eth*", "many": ["a", "b"], "http": {"timeout": 2}}
        with Sandbox(config=table):
            self.assertEqual(config.table(), table)
            self.assertEqual((config.integer("n"), config.number("n"), config.number("f")), (3, 3.0, 1.5))
            self.assertEqual(
                (config.boolean("b"), config.string("s"), config.integer("http.timeout")), (True, "eth*", 2)
            )
            self.assertEqual((config.strings("s"), config.strings("many")), (["eth*"], ["a", "b"]))
            self.assertEqual((config.get("s.x"), config.string("none"), config.string("none", "d")), (None, None, "d"))
            with self.assertRaisesRegex(ConfigError, '^`s` is "eth\\*"; it has to be a whole number$'):
                config.integer("s")
            with self.assertRaisesRegex(ConfigError, "^`b` is true; it has to be a whole number$"):
                config.integer("b")
            with self.assertRaisesRegex(ConfigError, "^`n` is 3; it has to be a string or an array of strings$"):
                config.strings("n")

    def test_an_unknown_key_of_the_config_is_named_with_the_one_that_was_meant(self) -> None:
        keys = ("interfaces", "http.timeout", "http.host", "prices")
        known = "known here: interfaces, http.timeout, http.host, prices"
        with Sandbox(config={"interfaces": "eth*", "http": {"timeout": 5}, "prices": {"a.b": 1}}):
            config.only(*keys)
        with Sandbox():
            config.only()
        cases: list[tuple[dict[str, Any], str]] = [
            ({"intefaces": 1}, f"`intefaces` is an unknown key; did you mean `interfaces`? {known}"),
            ({"itnerfaces": 1}, f"`itnerfaces` is an unknown key; did you mean `interfaces`? {known}"),
            ({"colour": 1}, f"`colour` is an unknown key; {known}"),
            ({"http": {"hots": 1}}, f"`http.hots` is an unknown key; did you mean `http.host`? {known}"),
            ({"http": {"host.name": 1}}, f'`http."host.name"` is an unknown key; {known}'),
            ({"": 1}, f'`""` is an unknown key; {known}'),
            ({"http": "h"}, '`http` is "h"; it has to be a table'),
            ({"interfaces" * 10: 1}, f"`{'interfaces' * 10}` is an unknown key; {known}"),
        ]
        for table, message in cases:
            with Sandbox(config=table), self.assertRaises(ConfigError) as caught:
                config.only(*keys)
            self.assertEqual(str(caught.exception), message)
        with Sandbox(config={"a": 1}), self.assertRaisesRegex(ConfigError, "this collector has none"):
            config.only()
