#!/usr/bin/env python3
"""Proves that the transcript runner passes a true page and fails a false one.

The page is tests/readme/sample.md, against a redis-server of our own: the runner needs nothing of
Chronos. Every line of its output is then falsified in turn, and each time the runner must fail.
"""
import importlib.machinery
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "run-transcript")
SAMPLE = os.path.join(HERE, "sample.md")
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

loader = importlib.machinery.SourceFileLoader("run_transcript", RUNNER)
spec = importlib.util.spec_from_loader("run_transcript", loader)
transcript = importlib.util.module_from_spec(spec)
loader.exec_module(transcript)

AT_1, AT_2 = "2026-01-01T00:00:00.001Z", "2027-07-07T07:07:07.777Z"
ID_1, ID_2 = "65f1c0ffee0123456789abcd", "0123456789abcdef01234567"


class Matching(unittest.TestCase):
    CASES = [  # what it shows, page, server, do they match
        ("the same text", ["OK"], ["OK"], True),
        ("other text", ["OK"], ["NO"], False),
        ("a line too few", ["a", "b"], ["a"], False),
        ("a line too many", ["a"], ["a", "b"], False),
        ("nothing", [], [], True),
        ("an instant for an instant", [f"at {AT_1}"], [f"at {AT_2}"], True),
        ("an instant for a word", [f"at {AT_1}"], ["at noon"], False),
        ("an id for an id", [ID_1], [ID_2], True),
        ("an id for a longer one", [ID_1], [ID_2 + "00"], False),
        ("one example, two values", [f"{ID_1} {ID_1}"], [f"{ID_1} {ID_2}"], False),
        ("one example, two values in two lines", [AT_1, AT_1], [AT_1, AT_2], False),
        ("one example, one value", [AT_1, AT_1], [AT_2, AT_2], True),
        ("a short number is itself", ["(integer) 12"], ["(integer) 13"], False),
        ("a long number is itself", ["12345678901234567"], ["12345678901234568"], False),
        ("dots inside a line", ["a ... c"], ["a bb c"], True),
        ("dots are not nothing", ["a...c"], ["ac"], False),
        ("dots do not leave the line", ["a ... c"], ["a", "c"], False),
        ("a line of dots", ["a", "...", "z"], ["a", "b", "c", "z"], True),
        ("a line of dots for nothing", ["a", "...", "z"], ["a", "z"], True),
        ("a line of dots, wrong end", ["a", "...", "z"], ["a", "b"], False),
        ("a line of dots at the end", ["a", "..."], ["a", "b", "c"], True),
        ("brackets are text", ["(nil) [a]*"], ["(nil) [a]*"], True),
    ]

    def test_cases(self):
        for name, page, server, expected in self.CASES:
            with self.subTest(name):
                self.assertEqual(transcript.Values().match(page, server), expected)

    def test_examples_are_replaced_in_later_commands(self):
        values = transcript.Values()
        self.assertTrue(values.match([f"x {AT_1}"], [f"x {AT_2}"]))
        self.assertEqual(values.substitute(f"GET {AT_1} {ID_1}"), f"GET {AT_2} {ID_1}")

    def test_nothing_is_learnt_from_a_mismatch(self):
        values = transcript.Values()
        self.assertFalse(values.match([AT_1, "b"], [AT_2, "c"]))
        self.assertEqual(values.real, {})


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="chronos-readme-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cls.port = probe.getsockname()[1]
        cls.redis = subprocess.Popen(
            ["redis-server", "--port", str(cls.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", cls.folder.name], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while cls.cli("PING") != "PONG":
            if time.monotonic() > deadline:
                raise RuntimeError("redis-server does not answer")

    @classmethod
    def tearDownClass(cls):
        cls.redis.terminate()
        cls.redis.wait(20)
        cls.folder.cleanup()

    @classmethod
    def cli(cls, *words):
        done = subprocess.run(["redis-cli", "-p", str(cls.port), *words], text=True,
                              capture_output=True, check=False)
        return done.stdout.strip()

    def run_page(self, text):
        self.cli("FLUSHALL")
        self.cli("SET", "users:was", f"{AT_2} {ID_2}")
        path = os.path.join(self.folder.name, "page.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.run([sys.executable, RUNNER, path, "--port", str(self.port)], text=True,
                              capture_output=True, check=False)

    def test_the_sample_passes(self):
        with open(SAMPLE, encoding="utf-8") as file:
            done = self.run_page(file.read())
        self.assertEqual(done.stdout, "13 passed, 0 failed\n")
        self.assertEqual(done.returncode, 0)

    def test_a_false_line_fails(self):
        with open(SAMPLE, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for old, new in [("OK", "KO"), ("(integer) 24", "(integer) 25"), ("(nil)", ""),
                         ("process_id:...", "no_such_field:..."), ('"reader"', '"writer"')]:
            with self.subTest(old):
                at = lines.index(old)
                done = self.run_page("\n".join(lines[:at] + [new] + lines[at + 1:]) + "\n")
                self.assertIn("12 passed, 1 failed", done.stdout)
                self.assertEqual(done.returncode, 1)

    def test_a_page_without_a_transcript_fails(self):
        done = self.run_page("# nothing\n\n```console\n$ make\n```\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no transcript", done.stdout)


if __name__ == "__main__":
    unittest.main()
