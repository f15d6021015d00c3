"""The cases about the store: growth, memory, start-up, disk, and what stands behind a reply."""

import re
import shutil
import socket
import statistics
import subprocess
import time

import sides
from bench import clients, create, get, redis_set
from report import Row

IDLE = 10000  # idle clients
SMALL = 10000  # documents of the small collection that the large one is held against
STRACE_CLIENTS = 50


def document_size(side, key):
    return len(side.client().ok("GET", key))


def fsync(bench):
    """Acknowledged writes between two fsyncs never exceed the requests in flight: strace."""
    if not shutil.which("strace"):
        raise sides.BenchError("strace is not installed")
    for side, args in ((bench.chronos(), create("c:")),
                       (bench.redis(durable=True), redis_set("k:{seq}"))):
        reply = rb"\*14\\r\\n\$3\\r\\nkey" if side.name == "chronos" else rb"\+OK\\r\\n"
        syncs, most, mean, result = trace(bench, side, args, reply)
        bench.add(Row(bench.case, "%s: acknowledged writes between two fsyncs, at most" % side.name,
                      most, STRACE_CLIENTS + 1, STRACE_CLIENTS + 1, unit="writes",
                      detail="%d fsyncs, %d writes, %.1f each; %d in flight at most" % (
                          syncs, result["answered"], mean, STRACE_CLIENTS)))


def trace(bench, side, args, reply):
    """Runs a load under strace and reads off how many replies left between one sync and the next.
    A reply that is sent stands for a request in flight until then, so an honest server cannot
    acknowledge more than there are clients without another sync in between."""
    path = sides.new_folder("strace") + "/trace"
    tracer = subprocess.Popen(["strace", "-f", "-q", "-s", "100000", "-o", path, "-e",
                               "trace=fdatasync,fsync,sync_file_range,write,writev,sendto,sendmsg",
                               "-p", str(side.pid)], stderr=subprocess.DEVNULL)
    time.sleep(0.5)  # strace says nothing when it has attached
    try:
        result = sides.load(side, "--warmup", 0, "--seconds", min(1.0, bench.options.seconds),
                            *clients(STRACE_CLIENTS), *args)
    finally:
        tracer.terminate()
        tracer.wait()
    counts, since = [], 0
    pattern = re.compile(reply)
    with open(path, "rb") as f:
        for line in f:
            # A sync counts from its end: "= 0" stands in the line that ends it.
            if re.search(rb"(fdatasync|fsync)(\(| resumed)", line) and b"= 0" in line:
                counts.append(since)
                since = 0
            else:
                since += len(pattern.findall(line))
    counts.append(since)
    shutil.rmtree(path.rsplit("/", 1)[0])
    if sum(counts) != result["answered"]:
        raise sides.BenchError("strace saw %d replies, the generator %d" %
                               (sum(counts), result["answered"]))
    return len(counts) - 1, max(counts), sum(counts) / max(1, len(counts) - 1), result


def idle_clients(side, count):
    """Connections that have said something once and now say nothing."""
    found = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", side.port), 10)
        s.sendall(b"*1\r\n$4\r\nPING\r\n")
        found.append(s)
    for s in found:
        if s.recv(16) != b"+PONG\r\n":
            raise sides.BenchError("%s did not answer an idle client" % side.name)
    return found


def memory(bench):
    """Resident memory at rest, with 10,000 idle clients, after 1,000,000 versions."""
    figures = {}
    for side in (bench.redis(), bench.chronos()):
        at_rest = side.memory_mib()
        sockets = idle_clients(side, IDLE)
        figures[side.name] = (at_rest, side.memory_mib())
        for s in sockets:
            s.close()
    texts = (("at rest", 64), ("with %d idle clients" % IDLE, 150))
    for i, (text, bound) in enumerate(texts):
        total, anonymous = figures["chronos"][i]
        bench.add(Row(bench.case, "resident memory " + text, total, bound, bound / 2, unit="MiB",
                      detail="%.1f MiB of it anonymous / redis-server %.1f MiB" % (
                          anonymous, figures["redis"][i][0])))
    big = bench.big()
    total, anonymous = big.after_fill_mib
    bench.add(Row(bench.case, "resident memory after %d versions" % bench.options.items, total,
                  200, 100, unit="MiB", detail="%.1f MiB of it anonymous; made at %.0f a second" %
                  (anonymous, big.made["rate"])))


def disk(bench):
    """Bytes on disk per version of a 1 KiB document, after SHUTDOWN."""
    big = bench.big()
    size = document_size(big, "g:%012d" % 0)
    big.stop()
    used = big.disk_bytes()
    per_version = used / bench.options.items
    bench.add(Row(bench.case, "bytes on disk / bytes of the document", per_version / 1024, 2.5,
                  1.5, unit="x", detail="%.0f bytes per version; %d as the client sent it, %d as "
                  "it comes back; %.0f MiB in all" % (per_version, 1024, size, used / 1048576)))


def startup(bench):
    """Time from the start of the process to an answered PING, with 1,000,000 versions."""
    big = bench.big()
    took = {"stop": [], "kill": []}
    for _ in range(bench.options.rounds):
        big.stop()
        took["stop"].append(big.start())
    for _ in range(bench.options.rounds):
        sides.load(big, *clients(50), "--requests", 2000, *create("late:"))
        big.kill()
        took["kill"].append(big.start())
    for how, text, bounds in (("stop", "a clean stop", (1.0, 0.1)),
                              ("kill", "SIGKILL", (None, None))):
        bench.add(Row(bench.case, "start-up after %s, %d versions" % (text, bench.options.items),
                      statistics.median(took[how]), *bounds, unit="s",
                      spread=(min(took[how]), max(took[how]))))


def grow(bench):
    """Reads past the cache, and create and get at 1,000,000 items against 10,000."""
    big, items = bench.big(), bench.options.items
    size = document_size(big, "g:%012d" % 0)
    reads = {}
    small = bench.chronos("small")
    bench.fill(small, "g:{seq}", SMALL)
    some, every = "g:{rand:0:%d}" % SMALL, "g:{rand:0:%d}" % items
    for depth in (1, 16):
        flight = clients(50, depth)
        reads[depth] = bench.rounds({
            "all": (big, flight + get("GET", every, size)),
            "cached": (big, flight + get("GET", some, size)),
            "small": (small, flight + get("GET", some, size))})
        bench.ratio("GET of %d items / of %d in the cache, P = %d" % (items, SMALL, depth),
                    reads[depth], "all", "cached")
        bench.ratio("GET of %d cached items, of %d / of %d, P = %d" % (SMALL, items, SMALL, depth),
                    reads[depth], "cached", "small", (0.7, 0.9))
    uncached(bench, big, every, some, size)
    creates(bench, big, items)


def uncached(bench, big, every, some, size):
    """Reads from the store, the cache as small as it goes: what the size of the store costs."""
    least = ("--cache.bytes", "0")
    big.stop()
    big.start(settings=least)
    small = bench.chronos("small-uncached", settings=least)
    bench.fill(small, "g:{seq}", SMALL)
    found = bench.rounds({"big": (big, clients(50) + get("GET", every, size)),
                          "small": (small, clients(50) + get("GET", some, size))})
    bench.ratio("GET without a cache, %d items / %d" % (bench.options.items, SMALL), found, "big",
                "small", (0.7, 0.9))
    big.stop()
    big.start()


def creates(bench, big, items):
    """Each round begins a small collection anew, or it would not stay small."""
    found = {"big": [], "small": []}
    seconds = min(1.0, bench.options.seconds)
    for number in range(bench.options.rounds):
        small = sides.Chronos("small-%d" % number)
        bench.running.append(small)
        bench.fill(small, "g:{seq}", SMALL)
        for name, side in (("big", big), ("small", small))[::1 if number % 2 else -1]:
            found[name].append(bench.measure(side, *clients(50), *create("g:"), seconds=seconds))
        small.close()
    bench.ratio("CREATE, 50 clients, at %d items / at %d" % (items, SMALL), found, "big", "small",
                (0.7, 0.9))
