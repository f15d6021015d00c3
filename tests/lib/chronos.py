"""Starts, kills and stops chronos-server for the tests, each in a folder of its own.

The binary is --server's (see `add_arguments`), else $CHRONOS_SERVER, else build/chronos-server of
this tree. Everything that the server says is kept in a file of the temporary folder, is searched
for sanitizer reports, and is shown when something goes wrong. Folders are removed at the end.
"""

import argparse
import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from resp import Client, Closed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SANITIZER = re.compile(
    r"AddressSanitizer|ThreadSanitizer|LeakSanitizer|MemorySanitizer|runtime error:"
    r"|assertion|ASSERT|stack smashing|double free|corrupted size|==\d+== ERROR")

_temp = []
_running = []


class StartError(Exception):
    """The server ended, or was not ready in time; the text is what it said."""

    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


class Fault(Exception):
    """The server did something that no server may: a sanitizer report, a wrong exit status."""


def binary(path=None):
    path = path or os.environ.get("CHRONOS_SERVER") or os.path.join(ROOT, "build", "chronos-server")
    path = os.path.abspath(path)
    if not os.access(path, os.X_OK):
        sys.exit("%s is not there: run make, or name it with --server or CHRONOS_SERVER" % path)
    return path


def add_arguments(parser):
    parser.add_argument("--server", help="the server's binary (default $CHRONOS_SERVER, build/...)")


def temp_dir(prefix="chronos-test-"):
    """A temporary folder that is removed when the test ends."""
    path = tempfile.mkdtemp(prefix=prefix)
    _temp.append((os.getpid(), path))
    return path


def remove_dir(path):
    shutil.rmtree(path, ignore_errors=True)
    _temp[:] = [(pid, p) for pid, p in _temp if p != path]


def free_port():
    """A port that nobody listens on. Taken from below the range that the kernel gives to clients,
    so that no outgoing connection of another test sits on it a moment later."""
    for _ in range(200):
        port = 10000 + int.from_bytes(os.urandom(2), "big") % 20000
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def _clean():
    for server in list(_running):
        if server.owner == os.getpid():
            server.kill()
    for pid, path in _temp:
        if pid == os.getpid():
            shutil.rmtree(path, ignore_errors=True)


atexit.register(_clean)


class Server:
    """One server on one data folder; start() may be called again after kill() or stop()."""

    def __init__(self, path=None, folder=None, settings=(), debug=True, config=None):
        self.binary = binary(path)
        self.owner = os.getpid()
        self.work = temp_dir()
        self.folder = folder or os.path.join(self.work, "data")
        self.settings = list(settings)
        if debug:
            self.settings += ["--server.debug", "yes"]
        self.config = config
        self.log = os.path.join(self.work, "log")
        self.port = None
        self.process = None
        self.starts = 0

    # --- life ---

    def start(self, extra=(), timeout=30.0, wait=True, env=None, preexec=None):
        """Starts it and waits until it answers. `extra`: settings for this start only."""
        assert self.process is None
        self.port = self.port or free_port()
        args = [self.binary] + ([self.config] if self.config else [])
        args += ["--port", str(self.port), "--dir", self.folder] + self.settings + list(extra)
        with open(self.log, "ab") as log:
            self.mark = log.tell()
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, preexec_fn=preexec, cwd=self.work)
        _running.append(self)
        self.starts += 1
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=30.0):
        """Until PING is answered. StartError when it ended first."""
        deadline = time.monotonic() + timeout
        pause = 0.001
        while True:
            try:
                client = Client(self.port, timeout=max(0.05, deadline - time.monotonic()))
                try:
                    if client.call("PING") == "PONG":
                        return
                finally:
                    client.close()
            except (OSError, Closed):
                pass
            status = self.process.poll()
            if status is not None:
                self._gone()
                raise StartError(self.said(), status)
            if time.monotonic() > deadline:
                self.kill()
                raise StartError("not ready after %.0f s: %s" % (timeout, self.said()), None)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def _gone(self):
        self.process = None
        if self in _running:
            _running.remove(self)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, timeout=20.0):
        """Waits for its end and returns the status (negative: the signal)."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Fault("the server did not end within %.0f s" % timeout) from None
        self._gone()
        return status

    def kill(self):
        """SIGKILL; no questions asked."""
        if self.process is None:
            return
        try:
            self.process.send_signal(signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._gone()

    def stop(self, timeout=15.0):
        """SIGTERM. Fault unless it ends with status 0 in time and said nothing terrible."""
        self.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        status = self.wait(timeout)
        if status != 0:
            raise Fault("SIGTERM: status %d after %.1f s: %s" %
                        (status, time.monotonic() - started, self.said()))
        self.check_log()

    def restart(self, extra=()):
        self.stop()
        return self.start(extra)

    def close(self):
        """Kills what runs and removes the temporary folder."""
        self.kill()
        remove_dir(self.work)

    # --- talk ---

    def client(self, protocol=2, timeout=10.0):
        return Client(self.port, timeout=timeout, protocol=protocol)

    def said(self, limit=4000):
        """What it wrote since its last start."""
        with open(self.log, "rb") as f:
            f.seek(self.mark)
            return f.read()[-limit:].decode("utf-8", "replace")

    def check_log(self):
        """Fault when the log of any of its runs holds a sanitizer report or a failed assertion."""
        with open(self.log, "rb") as f:
            text = f.read().decode("utf-8", "replace")
        found = SANITIZER.search(text)
        if found:
            raise Fault("the server reported:\n" + text[max(0, found.start() - 200):][:6000])


class Score:
    """Counts checks and prints the last line that every test of this tree ends with."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, good, name, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s%s" % (name, ": " + str(detail) if detail != "" else ""), flush=True)
        return good

    def end(self):
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)
        return 1 if self.failed or not self.passed else 0


def run_tests(doc, tests):
    """The main of a test program: calls each of `tests` (those whose name holds --only) with the
    arguments, whatever happens to the others. doc is the program's, for --help."""
    parser = argparse.ArgumentParser(description=doc.split("\n\n")[0])
    parser.add_argument("--only", default="")
    add_arguments(parser)
    args = parser.parse_args()
    score = Score()
    for test in tests:
        if args.only not in test.__name__:
            continue
        try:
            test(args)
            score.check(True, test.__name__)
        except Exception as why:
            line = why.__traceback__.tb_next.tb_lineno
            score.check(False, test.__name__, "line %d: %s: %s" % (line, type(why).__name__, why))
    return score.end()
