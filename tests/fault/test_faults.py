#!/usr/bin/env python3
"""Proves that a store that fails is never believed: while fsync is held back nothing is
acknowledged; writes that meet a failing fsync, write, rename or allocation, or a full disk, are
refused with TRYAGAIN (certainly not applied, then or later) or TIMEDOUT (OPSTATUS tells); reads go
on; service comes back by itself; and what was acknowledged survives a kill right after.

    tests/fault/test_faults.py [--seed N] [--all] [--only TEXT] [--server PATH]
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import chronos  # noqa: E402
from folder import LOAD_S, RESTS, Folder  # noqa: E402
from ledger import REFUSED, Violation, Write, digest, ensure, instant_ms  # noqa: E402
from load import Load, now_ms  # noqa: E402
from resp import Error, as_map  # noqa: E402

PATIENT = 0.6  # seconds that a held server is watched
WRITERS = [
    ["CHRONOS.CREATE", "held:", '{"w":"%s"}'],
    ["CHRONOS.UPDATE", "held:a", '{"w":"%s"}', "OPID", "held-op-1"],
    ["CHRONOS.UPDATE", "held:a", '{"w":"%s"}', "SYNC"],
    ["CHRONOS.ENRICH", "held:a", '{"e":"%s"}'],
    ["CHRONOS.DELETE", "held:b"],
    ["CHRONOS.BULK", "held:", "2", '{"w":"%s"}', '{"w":2}'],
    ["CHRONOS.RESTORE", "held:c", "OV", "0"],
    ["SET", "held:d", '{"w":"%s"}'],
    ["GETSET", "held:d", '{"w":"%s"}'],
    ["MSET", "held:x", '{"w":"%s"}', "held:y", '{"w":1}'],
    ["SETNX", "held:z", '{"w":"%s"}'],
    ["GETDEL", "held:e"],
    ["DEL", "held:f"],
    ["CHRONOS.UPDATE", "held:big", '{"w":"%s","pad":"' + "p" * 9000 + '"}', "UPSERT"],
]


# --- fsync held back ---

def held(args, point):
    """Nothing is acknowledged while the point is held; reads go on; then all are answered."""
    server = chronos.Server(args.server, settings=["--payload.inlineMax", "2kb"]).start()
    control, reader = server.client(3), server.client()
    first = {}
    for i, name in enumerate("abcdefg"):
        reply = control.ok("CHRONOS.CREATE", "held:" + name, '{"n":%d}' % i)
        control.ok("CHRONOS.UPDATE", "held:" + name, '{"n":%d,"second":true}' % i)
        first[name] = (as_map(reply), control.ok("GET", "held:" + name))
    writers = WRITERS if point != "blob-fsync" else WRITERS[-1:]
    control.ok("DEBUG", "FAULT", point, "hold", "1", "FOREVER")
    clients = [server.client() for _ in writers]
    for i, (client, request) in enumerate(zip(clients, writers)):
        client.send(*[a.replace("%s", "h%d" % i) for a in request])
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENT:
        ensure(reader.call("PING") == "PONG", "PING")
        for name, (_, doc) in first.items():
            ensure(reader.call("GET", "held:" + name) == doc, "a read sees what is not durable")
        got = reader.call("CHRONOS.GETVERSION", "held:g", "0")
        ensure(got.startswith(b'{"n":6,'), "an old version: %r", got)
        got = reader.call("CHRONOS.GETASOF", "held:a", str(first_ms(first["a"][0])))
        ensure(got is not None and not isinstance(got, Error), "as of the past: %r", got)
        ensure(reader.call("EXISTS", "held:x", "held:z") == 0, "a read sees what is not durable")
        for client, request in zip(clients, writers):
            ensure(client.quiet(0.001), "acknowledged while %s is held: %s", point, request[:2])
    if point == "file-fsync":
        status = as_map(reader.call("CHRONOS.OPSTATUS", "held-op-1"))
        ensure(status["status"] == b"pending", "OPSTATUS of a held write: %s", status)
    if args.kill_held:
        server.kill()
        check_whole(server)
        return server.close()
    control.ok("DEBUG", "FAULT", point, "off")
    for client, request in zip(clients, writers):
        reply = client.read()
        ensure(not isinstance(reply, Error), "%s after the hold: %r", request[:2], reply)
        ensure(client.quiet(0.001), "two answers to %s", request[:2])
    server.stop()
    server.start()
    ensure(server.client().call("GET", "held:big").startswith(b'{"w":"h'), "what was answered")
    server.close()
    return None


def first_ms(reply):
    return instant_ms(reply["createdAt"])


def check_whole(server):
    """After a kill while writes were held: each is there whole, or not at all."""
    server.start()
    client = server.client(3)
    x, y = client.ok("GET", "held:x"), client.ok("GET", "held:y")
    ensure((x is None) == (y is None), "half an MSET")
    rows = client.ok("CHRONOS.HISTORY", "held:a", "DOCS")
    ensure([r["ov"] for r in rows] == list(range(len(rows))), "ov %s", rows)
    ensure(all(isinstance(r["doc"], bytes) for r in rows), "versions without payload: %s", rows)
    verify = client.ok("CHRONOS.ADMIN", "VERIFY", "held:")
    ensure(verify["missing"] == verify["corrupt"] == 0, "VERIFY: %s", verify)


def held_too_long(args):
    """Who waits for a commit that does not begin is told TRYAGAIN, and it is never applied."""
    server = chronos.Server(args.server, settings=["--server.limits.commitWait", "300ms"]).start()
    control, one, two = server.client(3), server.client(3), server.client(3)
    control.ok("SET", "held:a", '{"n":0}')
    control.ok("DEBUG", "FAULT", "file-fsync", "hold", "1", "FOREVER")
    one.send("CHRONOS.UPDATE", "held:a", '{"n":1}', "OPID", "first")
    while as_map(control.call("CHRONOS.OPSTATUS", "first"))["status"] != b"pending":
        time.sleep(0.001)
    time.sleep(0.05)  # it has left the queue: nobody else is in it
    two.send("CHRONOS.UPDATE", "held:a", '{"n":2}', "OPID", "second")
    reply = two.read(5)
    ensure(isinstance(reply, Error) and reply.word == "TRYAGAIN", "the second: %r", reply)
    ensure(one.quiet(0.01), "the first is answered while its fsync is held")
    control.ok("DEBUG", "FAULT", "file-fsync", "off")
    reply = one.read()
    ensure(not isinstance(reply, Error) and reply["ov"] == 1, "the first: %r", reply)
    ensure(control.ok("CHRONOS.OPSTATUS", "second")["status"] in (b"unknown", b"dead"), "OPSTATUS")
    ensure(len(control.ok("CHRONOS.HISTORY", "held:a")) == 2, "a refused write was applied")
    reply = two.ok("CHRONOS.UPDATE", "held:a", '{"n":2}', "OPID", "second")
    ensure(reply["ov"] == 2, "the second, again: %r", reply)
    server.stop()
    server.close()


# --- failing calls, under load ---

class Failing(Folder):
    """A folder whose store fails for a while under load."""

    def start(self):
        self.server.start(self.settings())
        self.control = self.server.client(3)

    def fail(self, point, action, end):
        """Load; the point fails for a while; load goes on; an end of some kind; the check."""
        self.cycle += 1
        load = Load(self.server.port, self.ledger, self.rng, self.cycle)
        load.reads_may_fail = point in ("sqlite-read", "malloc")
        try:
            load.run(0.02)
            self.control.ok("DEBUG", "FAULT", point, action, str(self.nth(8)), "FOREVER")
            load.run(LOAD_S)
            ensure(self.server.client().call("PING") == "PONG", "PING while %s fails", point)
            if end == "kill while it fails":
                self.server.kill()
            else:
                self.control.ok("DEBUG", "FAULT", point, "off")
                self.comes_back()
                load.run(0.03)
                self.server.process.send_signal(
                    signal.SIGKILL if end == "kill" else signal.SIGTERM)
                load.run(3.0)
                status = self.server.wait()
                ensure(status == (0 if end == "stop" else -9), "%s: status %d: %s", end, status,
                       self.server.said())
            load.last_words()
        finally:
            load.close()
            self.control.close()
        self.recover()
        self.check_counts()

    def comes_back(self):
        """Writes succeed again, within a time."""
        client = self.server.client()
        end = time.monotonic() + 5
        while True:
            self.cycle += 1
            write = Write("set", "cold:0", ["SET", "cold:0", b'{"w":"b%d"}' % self.cycle],
                          "b%d" % self.cycle, b'{"w":"b%d"}' % self.cycle)
            self.ledger.send(write, now_ms())
            reply = client.call(*write.args)
            if not isinstance(reply, Error):
                self.ledger.answer_plain([write], True)
                return
            self.ledger.refuse(write, reply)
            ensure(time.monotonic() < end, "no write succeeds 5 s after the fault: %s", reply.text)


def failing(args, rng, point, action):
    folder = Failing(args.server, rng)
    try:
        folder.start()
        for end in ("kill", "stop", "kill while it fails"):
            folder.fail(point, action, end)
        folder.finish()
    finally:
        folder.close()


# --- the n-th failure of everything ---

def scenario(mark, key):
    """One of each kind of write, on items of its own, as Writes in order."""
    big = b'{"w":"%s","pad":"' % mark.encode() + b"p" * 5000 + b'"}'

    def doc(n):
        return b'{"w":"%s.%d"}' % (mark.encode(), n)

    def one(n, kind, args, payload=None, **more):
        write = Write(kind, key, args, "%s.%d" % (mark, n), payload, **more)
        write.args += ["REASON", write.mark]
        return write

    big = big.replace(mark.encode(), b"%s.3" % mark.encode(), 1)
    return [
        one(0, "create", ["CHRONOS.CREATE", key, doc(0)], doc(0)),
        one(1, "update", ["CHRONOS.UPDATE", key, doc(1), "OPID", "op-%s.1" % mark], doc(1),
            op="op-%s.1" % mark),
        one(2, "enrich", ["CHRONOS.ENRICH", key, b'{"e":1}'], b'{"e":1}'),
        one(3, "update", ["CHRONOS.UPDATE", key, big, "OPID", "op-%s.3" % mark], big,
            op="op-%s.3" % mark),
        one(4, "delete", ["CHRONOS.DELETE", key]),
        one(5, "update", ["CHRONOS.UPDATE", key, doc(5), "UNDELETE"], doc(5)),
    ]


class Sweep(Failing):
    def one(self, point, action, n):
        """The scenario with one failure at the n-th passing; true when an error was seen."""
        self.cycle += 1
        mark = "s%d" % self.cycle
        key = "sweep:%s" % mark
        self.control.ok("DEBUG", "FAULT", point, action, str(n))
        failed = False
        for write in scenario(mark, key):
            self.ledger.send(write, now_ms())
            reply = self.control.call(*write.args)
            ensure(not isinstance(reply, Error) or reply.word in
                   ("TRYAGAIN", "TIMEDOUT", "NOTFOUND", "EXISTS"), "%r: %r", write, reply)
            self.ledger.answer(write, reply, now_ms())
            failed = failed or isinstance(reply, Error)
            if write.op and isinstance(reply, Error) and reply.word != "NOTFOUND":
                failed = self.again(write) or failed
            self.read(key)
        self.control.ok("DEBUG", "FAULT", point, "off")
        return failed

    def again(self, write):
        """A retry under the same OPID, at once."""
        if write.state == REFUSED:
            self.ledger.marks[write.mark] = write
        write.state = "pending"
        reply = self.control.call(*write.args)
        self.ledger.answer(write, reply, now_ms())
        return isinstance(reply, Error)

    def read(self, key):
        reply = self.control.call("CHRONOS.GET", key, "META", "DELETED")
        if isinstance(reply, Error):
            ensure(reply.word in ("TRYAGAIN", "BACKEND"), "a read: %s", reply.text)
        elif reply is not None and reply["doc"] is not None:
            self.ledger.saw(key, reply["ov"], digest(reply["doc"]), -1)

    def after(self, kill):
        """Checks what is there, after a kill or on the running server."""
        if kill:
            self.server.kill()
            self.control.close()
            self.recover()
        else:
            self.check_all()
            self.ledger.forget_settled()

    def passes(self, point):
        """How often the scenario passes the point: the greatest n at which a kill kills."""
        def kills(n):
            self.cycle += 1
            try:
                self.control.ok("DEBUG", "FAULT", point, "kill", str(n))
                for write in scenario("p%d" % self.cycle, "probe:%d" % self.cycle):
                    self.control.call(*write.args)
                    self.control.call("CHRONOS.GET", write.key, "META", "DELETED")
                self.control.ok("DEBUG", "FAULT", point, "off")
                return False
            except RESTS:
                ensure(self.server.wait() == -signal.SIGKILL, "the server ended by itself")
                self.control.close()
                self.start()
                return True
        if not kills(1):
            return 0
        low, high = 1, 2
        while kills(high):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if kills(middle) else (low, middle)
        return low


def sweep(args, rng, point, action):
    probe = Sweep(args.server, rng)
    folder = Sweep(args.server, rng)
    try:
        probe.start()
        count = probe.passes(point)
        folder.start()
        ns = list(range(1, count + 3))
        if not args.all and len(ns) > 60:
            ns = ns[:30] + sorted(rng.sample(ns[30:], 30))
        errors = 0
        for n in ns:
            errors += folder.one(point, action, n)
            folder.after(rng.random() < 0.2)
        folder.check_counts()
        folder.finish()
        return "%d passings, %d tried, %d with an error" % (count, len(ns), errors)
    finally:
        probe.close()
        folder.close()


# --- a failure, and a kill before anything could cover it ---

class Refused(Failing):
    """One failure, one write that meets it, and a kill at once: nothing comes after it that could
    cover what the failure left behind."""

    def once(self, point, action, n):
        self.cycle += 1
        mark = "r%d" % self.cycle
        size = 5000 if point.startswith("blob") else self.rng.choice([10, 1000, 5000])
        doc = b'{"w":"%s","pad":"%s"}' % (mark.encode(), b"p" * size)
        write = Write("update", "refused:1", ["CHRONOS.UPDATE", "refused:1", doc, "UPSERT", "REASON",
                                              mark, "OPID", "op-" + mark], mark, doc, "op-" + mark)
        self.control.ok("DEBUG", "FAULT", point, action, str(n))
        self.ledger.send(write, now_ms())
        reply = self.control.call(*write.args)
        self.ledger.answer(write, reply, now_ms())
        self.server.kill()
        self.control.close()
        self.recover()
        return isinstance(reply, Error)


def refused(args, rng, point, action):
    folder = Refused(args.server, rng)
    try:
        folder.start()
        errors = sum(folder.once(point, action, n) for n in (1, 1, 1, 2, 2, 3))
        folder.check_counts()
        folder.finish()
        return "%d of 6 with an error" % errors
    finally:
        folder.close()


# --- a disk that is really full ---

class Full(Failing):
    """A data folder on a small disk."""

    def fill(self):
        """Writes until one is refused; then until all are."""
        n = refused = 0
        while refused < 50:
            n += 1
            ensure(n < 20000, "the disk does not become full")
            mark = "f%d.%d" % (self.cycle, n)
            size = self.rng.choice([100, 1900, 1900, 1900, 9000])
            doc = b'{"w":"%s","pad":"%s"}' % (mark.encode(), b"p" * size)
            write = Write("update", "full:%d" % (n % 50), [
                "CHRONOS.UPDATE", "full:%d" % (n % 50), doc, "UPSERT", "REASON", mark], mark, doc)
            self.ledger.send(write, now_ms())
            reply = self.control.call(*write.args)
            self.ledger.answer(write, reply, now_ms())
            if isinstance(reply, Error):
                ensure(reply.word in ("TRYAGAIN", "TIMEDOUT"), "a full disk: %s", reply.text)
                refused += 1
        key = next(k for k, i in self.ledger.items.items() if i.acked)
        ensure(isinstance(self.control.ok("GET", key), bytes), "reads go on")
        ensure(self.control.ok("CHRONOS.HISTORY", key, "DOCS"), "reads go on")
        ensure(self.control.call("PING") == "PONG", "PING")

    def made_room(self):
        self.comes_back()
        self.check_all()
        self.ledger.forget_settled()


def full_tmpfs(args, rng):
    """A tmpfs of 6 MiB, then one of 64."""
    folder = Full(args.server, rng)
    place = folder.server.folder
    os.makedirs(place)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place],
                             stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        if not mounted:
            return full_limit(args, rng)
        folder.start()
        folder.cycle += 1
        folder.fill()
        remount(place, 64)
        folder.made_room()
        remount(place, 8)
        folder.cycle += 1
        folder.fill()
        folder.server.kill()
        folder.control.close()
        remount(place, 64)
        folder.recover()
        folder.check_counts()
        folder.finish()
        return "tmpfs"
    finally:
        folder.server.kill()
        if mounted:
            subprocess.run(["umount", "-l", place], check=False)
        folder.close()


def remount(place, megabytes):
    subprocess.run(["mount", "-o", "remount,size=%dm" % megabytes, place], check=True)


def full_limit(args, rng):
    """Files that may not grow (RLIMIT_FSIZE), then a restart without the limit."""
    folder = Full(args.server, rng)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
    try:
        folder.server.start(preexec=limit)
        folder.control = folder.server.client(3)
        folder.cycle += 1
        folder.fill()
        folder.server.kill()
        folder.control.close()
        folder.recover()
        folder.comes_back()
        folder.check_counts()
        folder.finish()
        return "RLIMIT_FSIZE"
    finally:
        folder.close()


# --- all of them ---

FAILURES = (Violation, chronos.Fault, chronos.StartError, RuntimeError, KeyError) + RESTS
FAILS = [("file-fsync", "fail"), ("file-write", "fail"), ("file-write", "full"),
         ("sqlite-step", "fail"), ("sqlite-read", "fail"), ("malloc", "fail"),
         ("blob-temp", "fail"), ("blob-write", "fail"), ("blob-write", "full"),
         ("blob-fsync", "fail"), ("blob-rename", "fail"), ("blob-dirsync", "fail"),
         ("blobs-put", "fail"), ("group-taken", "fail"), ("group-planned", "fail"),
         ("swapped", "fail"), ("checkpoint", "fail")]


def tests(args, rng):
    def killed(point):
        args.kill_held = True
        try:
            held(args, point)
        finally:
            args.kill_held = False
    args.kill_held = False
    yield "fsync held back: nothing is acknowledged", lambda: held(args, "file-fsync")
    yield "fsync of a payload held back", lambda: held(args, "blob-fsync")
    yield "killed while fsync is held back", lambda: killed("file-fsync")
    yield "a commit that does not begin", lambda: held_too_long(args)
    for point, action in FAILS:
        yield "%s: %s under load" % (point, action), \
            lambda p=point, a=action: failing(args, rng, p, a)
    for point, action in FAILS:
        yield "%s: %s, and a kill at once" % (point, action), \
            lambda p=point, a=action: refused(args, rng, p, a)
    for point, action in FAILS:
        if point != "checkpoint":
            yield "%s: %s, n-th passing" % (point, action), \
                lambda p=point, a=action: sweep(args, rng, p, a)
    yield "a full disk", lambda: full_tmpfs(args, rng)
    yield "files that may not grow", lambda: full_limit(args, rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--all", action="store_true", help="every n of every sweep")
    parser.add_argument("--only", default="", help="tests whose name contains this")
    chronos.add_arguments(parser)
    args = parser.parse_args()
    print("seed %d" % args.seed, flush=True)
    score = chronos.Score()
    for name, run in tests(args, random.Random(args.seed)):
        if args.only not in name:
            continue
        begun = time.monotonic()
        try:
            note = run()
            score.check(True, name)
            print("ok   %s%s (%.1f s)" % (name, " (%s)" % note if note else "",
                                          time.monotonic() - begun), flush=True)
        except FAILURES as why:
            score.check(False, name, "%s: %s" % (type(why).__name__, why))
    return score.end()


if __name__ == "__main__":
    sys.exit(main())
