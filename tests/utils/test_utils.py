#!/usr/bin/env python3
"""Proves that the runner of tests counts right and lets no failure pass, and that each check of
form finds what it is there for: faults are planted, and every one must be named."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run_tool(name, *args, **options):
    return subprocess.run([os.path.join(ROOT, "utils", name), *args], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


class Runner(unittest.TestCase):
    CMOCKA = "[==========] Running 3 test(s).\n"
    CASES = [  # what it shows, what the program prints, how it ends, (passed, failed)
        ("cmocka, all well", CMOCKA + "[  PASSED  ] 3 test(s).\n", "exit 0", (3, 0)),
        ("cmocka, one fails",
         CMOCKA + "[  PASSED  ] 2 test(s).\n[  FAILED  ] 1 test(s), listed below:\n", "exit 1",
         (2, 1)),
        ("cmocka, crash in the middle", CMOCKA + "[ RUN      ] test_a\n", "kill -SEGV $$", (0, 3)),
        ("cmocka, two groups", (CMOCKA + "[  PASSED  ] 3 test(s).\n") * 2, "exit 0", (6, 0)),
        ("cmocka, a skipped test",
         CMOCKA + "[  PASSED  ] 2 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n", "exit 0",
         (2, 1)),
        ("cmocka, a bad end", CMOCKA + "[  PASSED  ] 3 test(s).\n", "exit 99", (3, 1)),
        ("cmocka, a silent end", CMOCKA, "exit 0", (0, 3)),
        ("closing line", "words\n7 passed, 0 failed\n", "exit 0", (7, 0)),
        ("closing line, failures", "7 passed, 2 failed\n", "exit 1", (7, 2)),
        ("closing line, a bad end", "7 passed, 0 failed\n", "exit 1", (7, 1)),
        ("unittest", "Ran 4 tests in 0.1s\n\nOK\n", "exit 0", (4, 0)),
        ("unittest, failures", "Ran 4 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n", "exit 1",
         (2, 2)),
        ("unittest, skipped", "Ran 4 tests in 0.1s\n\nOK (skipped=1)\n", "exit 0", (3, 1)),
        ("TAP", "1..2\nok 1\nok 2 - x\n", "exit 0", (2, 0)),
        ("TAP, one missing", "1..3\nok 1\nnot ok 2\n", "exit 0", (1, 2)),
        ("nothing counted", "hello\n", "exit 0", (1, 0)),
        ("nothing counted, a bad end", "hello\n", "exit 1", (0, 1)),
        ("a crash", "hello\n", "kill -ABRT $$", (0, 1)),
    ]

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="chronos-utils-")
        self.addCleanup(self.folder.cleanup)

    def script(self, text, end, name="program"):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\ncat <<'TEXT'\n{text}TEXT\n{end}\n")
        os.chmod(path, 0o755)
        return path

    def verdict(self, *args):
        done = run_tool("run-tests", *args)
        words = done.stdout.splitlines()[-1].split()
        return (int(words[0]), int(words[2])), done

    def test_counts(self):
        for name, text, end, expected in self.CASES:
            with self.subTest(name):
                counted, done = self.verdict(self.script(text, end))
                self.assertEqual(counted, expected, done.stdout)
                self.assertEqual(done.returncode, 1 if expected[1] else 0)

    def test_total_of_many(self):
        good = self.script("2 passed, 0 failed\n", "exit 0", "good")
        bad = self.script("1 passed, 1 failed\n", "exit 1", "bad")
        counted, done = self.verdict("--jobs", "2", good, bad, good, "--alone", bad)
        self.assertEqual(counted, (6, 2), done.stdout)

    def test_output_of_a_failure_is_shown(self):
        _, done = self.verdict(self.script("the reason\n", "exit 1"))
        self.assertIn("| the reason", done.stdout)

    def test_missing_program(self):
        self.assertEqual(self.verdict(os.path.join(self.folder.name, "none"))[0], (0, 1))

    def parent(self):
        """A program with a child that would live on, and the file that its number is written to."""
        note = os.path.join(self.folder.name, "child")
        return self.script("", f"sleep 600 & echo $! > {note}.new; mv {note}.new {note}; wait"), note

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def gone(self, note):
        with open(note) as file:
            child = int(file.read())
        self.wait_for(lambda: not os.path.exists(f"/proc/{child}"))

    def test_time_limit_ends_the_children_too(self):
        path, note = self.parent()
        counted, done = self.verdict("--timeout", "2", path)
        self.assertEqual(counted, (0, 1), done.stdout)
        self.gone(note)

    def test_the_end_of_the_runner_is_that_of_its_programs(self):
        path, note = self.parent()
        runner = subprocess.Popen([os.path.join(ROOT, "utils", "run-tests"), path])
        self.wait_for(lambda: os.path.exists(note))
        runner.terminate()
        self.assertEqual(runner.wait(60), 128 + signal.SIGTERM)
        self.gone(note)

    def test_sanitizer_report_of_a_child_fails(self):
        for san, options in (("address", "ASAN_OPTIONS"), ("thread", "TSAN_OPTIONS")):
            with self.subTest(san):
                report = ("path=$(echo $" + options + " | tr : '\\n' | sed -n 's/^log_path=//p')\n"
                          "echo 'a report' > $path.1234")
                counted, done = self.verdict("--san", san, self.script("3 passed, 0 failed\n",
                                                                       report))
                self.assertEqual(counted, (3, 1), done.stdout)
                self.assertIn("a report", done.stdout)

    def test_totals_file(self):
        path = os.path.join(self.folder.name, "totals")
        inner = "echo 1 passed, 1 failed >>${TEST_TOTALS:-/dev/null}"
        run_tool("run-tests", self.script("5 passed, 0 failed\n", inner),
                 env=dict(os.environ, TEST_TOTALS=path))
        with open(path) as file:  # this run's total, and none of what a program ran
            self.assertEqual(file.read(), "5 passed, 0 failed\n")


class Checks(unittest.TestCase):
    """Each: the file to plant, its text, and the words that the check must say of it."""

    HEAD = "/* A file. */\n"
    LAYERS = [
        ("base/a.c", '#include "store/meta.h"\n', "base may not include store/meta.h"),
        ("config/a.c", '#include "engine/key.h"\n', "config may not include engine/key.h"),
        ("store/a.c", '#include "engine/key.h"\n', "store may not include engine/key.h"),
        ("net/a.c", '#include "commands/call.h"\n', "net may not include commands/call.h"),
        ("net/a.c", '#include "engine/engine.h"\n', "net may not include engine/engine.h"),
        ("engine/a.c", '#include "net/reply.h"\n', "engine may not include net/reply.h"),
        ("engine/a.c", '#include "store/meta_sqlite.h"\n', "through its interfaces only"),
        ("commands/a.c", '#include "store/meta.h"\n', "commands may not include store/meta.h"),
        ("commands/a.c", '#include "net/reactor.h"\n', "commands may not include net/reactor.h"),
        ("commands/a.c", '#include "call.h"\n', "by its layer"),
        ("engine/a.c", "#include <sqlite3.h>\n", "<sqlite3.h> does not belong here"),
        ("store/blob_fs.c", "#include <openssl/evp.h>\n", "<openssl/evp.h> does not belong"),
        ("commands/a.c", "#include <event2/event.h>\n", "<event2/event.h> does not belong"),
        ("main.c", "#include <event2/event.h>\n", "<event2/event.h> does not belong"),
        ("engine/a.c", "#include <sys/socket.h>\n", "<sys/socket.h> does not belong"),
        ("extra/a.c", '#include "base/buf.h"\n', "extra is no layer"),
        ("engine/a.c", '#include "store/meta.h"\n', None),
        ("commands/a.c", '#include "net/session.h"\n#include "engine/key.h"\n', None),
        ("store/meta_sqlite_read.c", "#include <sqlite3.h>\n", None),
        ("net/a.c", "#include <event2/event.h>\n#include <sys/socket.h>\n", None),
        ("main.c", '#include "net/reactor.h"\n#include "engine/engine.h"\n', None),
    ]
    DEEP = "static int f(int a) {\n" + "if (a) {\n" * 5 + "a++;\n" + "}\n" * 5 + "return a;\n}\n"
    FLAT = "static int f(int a) {\n" + "if (a) a++;\nelse if (a > 1) a--;\n" * 9 + "return a;\n}\n"
    LOOPS = "static int f(int a) {\nfor (;;)\nwhile (a)\nif (a)\nfor (;;)\nif (a) a++;\n}\n"
    SIZES = [
        ("base/a.c", HEAD + "\n" * 800, "801 lines (at most 800)"),
        ("base/a.h", HEAD + "\n" * 200, "201 lines (at most 200)"),
        ("base/a.c", "int f(void) {\n" + "\n" * 69 + "}\n", "f() is 71 lines (at most 70)"),
        ("base/a.c", "int f(int a, int b, int c, int d, int e, int g, int h) {\n}\n",
         "f() has 7 parameters (at most 6)"),
        ("base/a.c", DEEP, "f() is nested 5 deep (at most 4)"),
        ("base/a.c", LOOPS, "f() is nested 5 deep (at most 4)"),
        ("base/a.c", "int f(void) {\n" + "\n" * 68 + "}\n", None),
        ("base/a.c", "int f(int a, int b, int c, int d, int e, int (*g)(int, int, int),\n"
         "      struct err *err) {\n}\n", None),
        ("base/a.c", FLAT, None),
    ]
    STYLE = [
        ("base/a.c", HEAD + "void f(char *a) { strcpy(a, a); }\n", "strcpy() is banned"),
        ("base/a.c", HEAD + "int f(char *a) { return (int)strtol (a, 0, 10); }\n", "is banned"),
        ("base/a.c", HEAD + "int f(void) { return 1; } \n", "blanks at the end"),
        ("base/a.c", HEAD + "\tint x;\n", "a tab"),
        ("base/a.c", HEAD + "/* TO" + "DO: more */\n", "unfinished"),
        ("base/a.c", HEAD + "typedef struct { int a; } thing;\n", "no typedef for a struct"),
        ("base/a.c", HEAD + "typedef struct thing thing;\n", "no typedef for a struct"),
        ("base/a.c", HEAD + "#ifdef DEBUG\n#endif\n", "features are settings"),
        ("base/a.c", HEAD + "/* " + "x" * 100 + " */\n", "106 columns"),
        ("base/a.c", "int a;\n", "opens with a comment"),
        ("base/a.c", HEAD + "int a;", "no newline at the end"),
        ("base/a.h", HEAD + "#ifndef A_H\n#define A_H\n#endif\n", "guard is BASE_A_H"),
        ("base/a.c", HEAD + 'const char *f = "/ro' + 'ot/x";\n', "a path of one machine"),
        ("base/a.c", HEAD + '/* strcpy() */ const char *a = "system()";\n', None),
        ("base/a.c", HEAD + "typedef enum status f_fn(int a);\n", None),
        ("base/a.h", HEAD + "#ifndef BASE_A_H\n#define BASE_A_H\n#endif\n", None),
    ]

    TOUR = "| `base/a.c` | `thing_do` |\n`thing_do()`, see [a](base/a.c), `a.c`, `base/*.c`\n"
    PAGES = [
        ("README.md", TOUR, None),
        ("README.md", "[b](base/b.c)\n", "base/b.c is not there"),
        ("README.md", "`base/b.c`\n", "base/b.c is not there"),
        ("README.md", "`base/b*.c`\n", "base/b*.c is not there"),
        ("README.md", "`thing_undo`\n", "thing_undo is not in src"),
        ("README.md", "| `base/other.c` | `thing_do` |\n", "thing_do is not in src/base/other.c"),
    ]

    def check(self, tool, cases):
        for name, text, words in cases:
            with self.subTest(tool=tool, text=text[:60]), tempfile.TemporaryDirectory() as root:
                path = os.path.join(root, "src", name)
                os.makedirs(os.path.dirname(path))
                if tool == "check-pages":
                    self.plant(root)
                with open(path, "w") as file:
                    file.write(text)
                done = run_tool(tool, root)
                if words is None:
                    self.assertEqual((done.stdout, done.returncode), ("", 0))
                else:
                    self.assertIn(words, done.stdout)
                    self.assertIn(f"src/{name}", done.stdout)
                    self.assertEqual(done.returncode, 1)

    @staticmethod
    def plant(root):
        """A source with one function, and another without."""
        folder = os.path.join(root, "src", "base")
        os.makedirs(folder)
        for name, text in (("a.c", "void thing_do(void) {\n}\n"), ("other.c", "\n")):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)

    def test_layers(self):
        self.check("check-layers", self.LAYERS)

    def test_sizes(self):
        self.check("check-size", self.SIZES)

    def test_pages(self):
        self.check("check-pages", self.PAGES)

    def test_style(self):
        self.check("check-style", self.STYLE)


if __name__ == "__main__":
    sys.exit(unittest.main())
