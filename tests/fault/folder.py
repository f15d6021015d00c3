"""A data folder that is killed and started again and again, with the ledger of what its clients
know: one cycle of load, an end of some kind, a restart, and the check of everything."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import chronos  # noqa: E402
from ledger import ACKED, GONE, PENDING, UNKNOWN, Ledger, Violation, digest, ensure, text  # noqa: E402
from load import Load, now_ms  # noqa: E402
from resp import Closed, Error, as_map  # noqa: E402

# The points, and how many passings the load of one cycle makes, roughly.
POINTS = {"group-taken": 120, "group-planned": 120, "blob-temp": 60, "blob-write": 60,
          "blob-fsync": 60, "blob-rename": 60, "blob-dirsync": 60, "blobs-put": 60, "swapped": 120,
          "committed": 120, "published": 120, "sqlite-step": 5000, "sqlite-read": 1500,
          "file-write": 900, "file-fsync": 120, "malloc": 12000, "checkpoint": 2, "reply": 1500}
AT_START = {"sqlite-step": 60, "file-write": 30, "file-fsync": 6, "malloc": 2000,
            "sqlite-read": 20, "checkpoint": 2}
# Where a thread is held for a while, so that all others come to see what is half done.
HOLDS = {"group-planned": 20, "swapped": 20, "file-write": 200, "file-fsync": 20, "committed": 20,
         "published": 20, "blobs-put": 10, "sqlite-step": 500, "sqlite-read": 300}
LOAD_S = 0.3
RESTS = (Closed, ConnectionError, TimeoutError)


class Folder:
    """One data folder and its ledger, over many crashes."""

    def __init__(self, path, rng):
        self.rng = rng
        self.server = chronos.Server(path, settings=[
            "--payload.inlineMax", "2kb", "--localStorage.walBytes", "1mb"])
        self.ledger = Ledger()
        self.cycle = 0
        self.kills = {}

    def close(self):
        self.server.close()

    def killed(self, name):
        self.kills[name] = self.kills.get(name, 0) + 1

    # --- one cycle ---

    def settings(self):
        r = self.rng
        return ["--cache.bytes", r.choice(["0", "64kb", "1mb", "32mb"]),
                "--server.workers", r.choice(["1", "2", "4"])]

    def start(self):
        """Starts the server; now and then it is killed while it starts."""
        while True:
            extra = self.settings()
            point = None
            if self.rng.random() < 0.12:
                point = self.rng.choice(list(AT_START))
                extra += ["--server.faults", "%s=kill@%d" % (point, self.nth(AT_START[point]))]
            try:
                self.server.start(extra)
            except chronos.StartError as why:
                if point and why.status == -signal.SIGKILL:
                    self.killed(point + " at start")
                    continue
                raise Violation("the server does not start after a kill: status %s, %s" %
                                (why.status, why)) from None
            try:
                self.control = self.server.client(3)
                if point:
                    self.control.ok("DEBUG", "FAULT", point, "off")
                return
            except RESTS:
                if not point or self.server.wait() != -signal.SIGKILL:
                    raise
                self.killed(point + " at start")

    def nth(self, most):
        """Small numbers as likely as large ones."""
        return max(1, round(most ** self.rng.random()))

    def run(self, mode):
        """One cycle: load until the server is dead (mode: a fault point, "hold" and a point,
        "moment", or "stop"), then everything is checked on the restarted server."""
        self.cycle += 1
        load = Load(self.server.port, self.ledger, self.rng, self.cycle)
        seconds = LOAD_S if mode != "checkpoint" else 1.6
        try:
            if mode in POINTS:
                self.control.ok("DEBUG", "FAULT", mode, "kill", str(self.nth(POINTS[mode])))
                if load.run(seconds):
                    self.ended(mode)
            elif mode.startswith("hold "):
                self.hold(load, mode[5:])
            elif mode == "stop":
                load.run(self.rng.random() * LOAD_S)
                self.server.process.send_signal(signal.SIGTERM)
                load.run(2.0)
                status = self.server.wait()
                ensure(status == 0, "SIGTERM under load: status %d", status)
            else:
                load.run(self.rng.random() ** 2 * LOAD_S * 1.5)
            if self.server.process is not None:
                self.server.kill()
                self.killed("moment")
            load.last_words()
        finally:
            load.close()
            self.control.close()
        self.recover()

    def hold(self, load, point):
        """A thread is held at a point while the load goes on; then the kill, or first it goes on."""
        self.control.ok("DEBUG", "FAULT", point, "hold", str(self.nth(HOLDS[point])))
        load.run(self.rng.choice([0.05, 0.1]))
        if self.rng.random() < 0.5:
            self.control.ok("DEBUG", "FAULT", point, "off")
            load.run(self.rng.random() * 0.06)
        self.server.kill()
        self.killed("while held at " + point)

    def ended(self, mode):
        status = self.server.wait()
        if status != -signal.SIGKILL:
            raise Violation("the server ended by itself, status %d: %s" %
                            (status, self.server.said()))
        self.killed(mode)

    # --- after the crash ---

    def recover(self):
        self.start()
        ledger = self.ledger
        unsettled = [w for w in ledger.marks.values() if w.state in (PENDING, UNKNOWN) and w.op]
        status = dict(zip(map(id, unsettled), self.control.pipeline(
            [["CHRONOS.OPSTATUS", w.op] for w in unsettled])))
        self.check_all()
        for write in unsettled:
            self.check_status(write, as_map(status[id(write)]))
        retried = self.retry_answered()
        ledger.forget_settled()
        self.retry_unsettled(unsettled)
        self.ask_again(30)
        if self.cycle % 6 == 0:
            self.check_counts()
        return retried

    def check_all(self):
        """Every item that may have changed, and that there are no others."""
        live = set(self.scan())
        ledger = self.ledger
        for key in live - set(ledger.items):
            ledger.item(key).dirty = True
        keys = [k for k, i in ledger.items.items() if i.dirty]
        for part in range(0, len(keys), 64):
            group = keys[part:part + 64]
            replies = self.control.pipeline([self.history(k) for k in group], timeout=30)
            for key, reply in zip(group, replies):
                ensure(isinstance(reply, list), "HISTORY %s: %r", key, reply)
                ledger.check_item(key, reply)
        ledger.settle()
        ensure(live == ledger.live(), "SCAN: missing %s, too many %s", ledger.live() - live,
               live - ledger.live())

    def history(self, key):
        return ["CHRONOS.HISTORY", key, "FROM", str(len(self.ledger.item(key).rows)), "COUNT",
                "10000", "DOCS"]

    def scan(self):
        cursor, keys = b"0", []
        while True:
            cursor, some = self.control.ok("SCAN", cursor, "COUNT", "1000")
            keys += map(text, some)
            if cursor == b"0":
                return keys

    def check_status(self, write, got):
        """OPSTATUS of a write that was not answered, against what was found."""
        found = (write.mark, write.key) in self.ledger.made
        said = text(got["status"])
        if write.state in (PENDING, UNKNOWN):
            write.state = ACKED if found else GONE
        if found:
            ensure(said == "committed" and got["ov"] == write.ov and text(got["key"]) == write.key,
                   "%r: OPSTATUS says %s", write, got)
        elif write.kind != "restore":  # one that changed nothing is remembered too
            ensure(said in ("unknown", "dead"), "%r is nowhere: OPSTATUS says %s", write, got)

    def retry_answered(self):
        """An OPID that was answered gets the same answer again."""
        ops = self.ledger.ops
        some = self.rng.sample(ops, min(len(ops), 6))
        for write, reply in zip(some, self.control.pipeline([w.args for w in some])):
            ensure(plain(reply) == plain(write.reply), "a retry of %r got %r, first %r", write,
                   reply, write.reply)
        return len(some)

    def retry_unsettled(self, writes):
        """An OPID that was not answered: applied once, before the crash or now."""
        for write in writes[:12]:
            applied = (write.mark, write.key) in self.ledger.made
            before = write.ov
            if not applied:
                write.state = PENDING
                if write.args[0] == "CHRONOS.CREATE":
                    write.key = None
                self.ledger.send(write, now_ms())
            reply = self.control.call(*write.args)
            if applied:
                got = as_map(reply)
                ensure(isinstance(got, dict) and got["ov"] == before and
                       text(got["key"]) == write.key, "%r was applied; its retry got %r", write,
                       reply)
                write.reply, write.state = reply, ACKED
                self.ledger.ops.append(write)
            else:
                self.ledger.answer(write, reply, now_ms())

    def ask_again(self, count):
        """As-of answers from before the crash."""
        asked = [(k, a) for k, i in self.ledger.items.items() for a in i.old[-3:]]
        asked = self.rng.sample(asked, min(len(asked), count))
        self.ask(asked)

    def ask(self, asked):
        replies = self.control.pipeline(
            [["CHRONOS.GETASOF", k, str(a[0]), "META"] for k, a in asked], timeout=30)
        for (key, (at, ov, sha)), reply in zip(asked, replies):
            got = as_map(reply)
            now = got["ov"] if isinstance(got, dict) else got
            ensure(now == ov, "%s as of %d: before the crash ov %s, now %s", key, at, ov, now)
            if ov is not None:
                ensure(text(got["checksum"]) == sha.hex(), "%s as of %d: other bytes", key, at)

    def check_counts(self):
        # The retries just sent are not in the ledger's rows yet.
        self.check_all()
        size = self.control.ok("DBSIZE")
        ensure(size == len(self.ledger.live()), "DBSIZE %d, there are %d", size,
               len(self.ledger.live()))
        for name in {k.partition(":")[0] for k, i in self.ledger.items.items() if i.rows}:
            self.verify(name)

    def verify(self, name):
        got = as_map(self.control.ok("CHRONOS.ADMIN", "VERIFY", name + ":", timeout=60))
        items = [i for k, i in self.ledger.items.items() if k.startswith(name + ":")]
        ensure(got["missing"] == 0 and got["corrupt"] == 0, "VERIFY %s: %s", name, got)
        ensure(got["totalsAgree"] in (1, True) and got.get("ok", 1) in (1, True), "VERIFY %s: %s",
               name, got)
        count = sum(len(i.rows) for i in items)
        ensure(got["versions"] == count, "VERIFY %s: %s versions, there are %d", name,
               got["versions"], count)
        live = sum(not i.rows[-1].deleted for i in items if i.rows)
        ensure(got["live"] == live, "VERIFY %s: %s live, there are %d", name, got["live"], live)

    def finish(self):
        """Everything from the first version on, once more, and a clean end."""
        self.check_counts()
        for key, item in self.ledger.items.items():
            start = 0
            while start < len(item.rows):
                rows = self.control.ok("CHRONOS.HISTORY", key, "FROM", str(start), "COUNT", "2000",
                                       "DOCS", timeout=60)
                ensure(rows, "%s: no versions from %d on", key, start)
                for reply in rows:
                    self.same_row(key, item, as_map(reply))
                start += len(rows)
        self.ask([(k, a) for k, i in self.ledger.items.items() for a in i.old])
        self.control.close()
        self.server.stop()
        self.server.check_log()

    def same_row(self, key, item, got):
        row = item.rows[got["ov"]]
        ensure((row.cv, row.op_id, row.sha.hex()) ==
               (got["cv"], text(got["opId"]), text(got["checksum"])), "%s ov %s has changed: %s",
               key, got["ov"], got)
        if not row.deleted:
            ensure(digest(got["doc"]) == row.sha, "%s ov %s: other bytes", key, got["ov"])


def plain(reply):
    """RESP2 and RESP3 alike."""
    got = as_map(reply)
    if isinstance(got, dict):
        return [(k, int(v) if isinstance(v, bool) else v) for k, v in got.items()]
    return got.text if isinstance(got, Error) else got
