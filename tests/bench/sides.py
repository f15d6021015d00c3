"""The two sides of the bench: redis-server and chronos-server, each on a folder of its own on the
disk that holds the build folder, and the load generator that drives them."""

import atexit
import json
import os
import resource
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

import chronos  # noqa: E402
from resp import Client, Closed, ProtocolError  # noqa: E402

LOAD = os.path.join(ROOT, "build", "bench", "load")
DATA = os.path.join(ROOT, "build", "bench", "data")
REDIS = shutil.which("redis-server") or "/usr/bin/redis-server"
TICK = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A case cannot go on; the text says why."""


# What a server that misbehaves makes a case end with.
FAILURES = (BenchError, chronos.StartError, chronos.Fault, Closed, ProtocolError, RuntimeError,
            OSError, subprocess.TimeoutExpired)


def raise_file_limit():
    """Ten thousand idle clients need as many descriptors, here and in the servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def new_folder(name):
    path = os.path.join(DATA, name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def clean():
    shutil.rmtree(DATA, ignore_errors=True)


class Side:
    """A running server: port, pid, folder, and the number that the next new key gets."""

    name = "?"

    def __init__(self, folder):
        self.folder = folder
        self.pid = self.port = None
        self.seq = 0

    def client(self):
        return Client(self.port, timeout=60)

    def memory_mib(self):
        """Resident memory now, and the part of it that no file backs."""
        found = {}
        with open("/proc/%d/status" % self.pid) as f:
            for line in f:
                if line.startswith(("VmRSS:", "RssAnon:")):
                    found[line.split(":")[0]] = int(line.split()[1]) / 1024
        return found["VmRSS"], found["RssAnon"]

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def disk_bytes(self):
        """What the folder takes on the disk."""
        total = 0
        for where, _, names in os.walk(self.folder):
            for name in names:
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
        return total

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis(Side):
    """Debian's redis-server. `durable`: every write is in the log, and synced, before its reply;
    rewriting of the log in the background is off, so that it does not slow the measured time."""

    name = "redis"

    def __init__(self, durable=False, folder="redis"):
        super().__init__(new_folder(folder))
        self.port = chronos.free_port()
        args = [REDIS, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder,
                "--save", "", "--maxclients", "10100",
                "--logfile", os.path.join(self.folder, "log")]
        if durable:
            args += ["--appendonly", "yes", "--appendfsync", "always",
                     "--auto-aof-rewrite-percentage", "0"]
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL)
        atexit.register(self.kill)
        self.pid = self.process.pid
        wait_for_ping(self)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Chronos(Side):
    """build/chronos-server. Its settings are the defaults, but for those that a case names."""

    name = "chronos"

    def __init__(self, folder="chronos", settings=()):
        super().__init__(new_folder(folder))
        self.server = chronos.Server(folder=self.folder, settings=settings, debug=False)
        self.start()

    def start(self, settings=()):
        """Starts it and returns the seconds from the start of the process to an answered PING."""
        began = time.monotonic()
        self.server.start(extra=settings, wait=False)
        self.port, self.pid = self.server.port, self.server.process.pid
        wait_for_ping(self, self.server)
        return time.monotonic() - began

    def stop(self):
        self.server.stop(timeout=60)

    def kill(self):
        self.server.kill()

    def close(self):
        super().close()
        self.server.close()


def wait_for_ping(side, server=None, limit_s=120.0):
    """Polls every millisecond, since the time it takes is one of the figures."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            client = Client(side.port, timeout=5)
            if client.call("PING") == "PONG":
                client.close()
                return
            client.close()
        except OSError:
            pass
        if server and server.process.poll() is not None:
            raise BenchError("chronos-server ended at once: " + server.said(500))
        time.sleep(0.001)
    raise BenchError("%s is not ready after %.0f s" % (side.name, limit_s))


def busy_seconds():
    """CPU seconds of the whole machine that were neither idle nor stolen."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq = map(int, f.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load(side, *args, perf=None):
    """One run of the generator against a side: its JSON, with `other`: how much of one core was
    busy with neither the server nor the generator. `perf`: a file for a profile of the server."""
    command = [LOAD, "--port", str(side.port), "--pid", str(side.pid),
               "--seq-from", str(side.seq)] + [str(a) for a in args]
    profiler = perf_start(side, perf) if perf else None
    began, server, busy, client = (time.monotonic(), side.cpu_seconds(), busy_seconds(),
                                   children_seconds())
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if profiler:
        perf_end(profiler, perf)
    if done.returncode != 0:
        raise BenchError("%s: %s" % (side.name, done.stderr.strip()[:1500]))
    result = json.loads(done.stdout)
    used = side.cpu_seconds() - server + children_seconds() - client
    result["other"] = max(0.0, (busy_seconds() - busy - used) / (time.monotonic() - began))
    side.seq = result["seq_next"]
    return result


def perf_start(side, path):
    return subprocess.Popen(["perf", "record", "-q", "-F", "1999", "-g", "-o", path + ".data",
                             "-p", str(side.pid)], stdin=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def perf_end(profiler, path):
    """Leaves the profile as text: by thread and function, heaviest first."""
    profiler.terminate()
    profiler.wait()
    with open(path, "w") as out:
        for sort in ("comm", "comm,dso,symbol"):
            subprocess.run(["perf", "report", "-i", path + ".data", "--stdio", "--no-children",
                            "-g", "none", "--percent-limit", "0.5", "--sort", sort],
                           stdout=out, stderr=subprocess.DEVNULL, check=False)
    os.remove(path + ".data")
