"""Free-running writers and readers on one server: no barrier, no turns; every connection sends its
next pipeline as soon as the last one is answered, until the server is gone or time is over."""

import selectors
import socket
import time

from ledger import PENDING, Write, digest, ensure, instant_ms, text
from resp import Error, Reader, as_map, encode


def now_ms():
    return time.time_ns() // 1000000


class Conn:
    def __init__(self, port, role):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.reader = Reader()
        self.role = role
        self.waiting = []    # (handler, what) in order of the replies
        self.next = 0
        self.out = b""


class Load:
    """Roles: hot and cold write; heads and many read heads, versions read old versions, past asks
    as-of. Readers of one kind each: who waits for a commit must not keep the others from seeing."""

    def __init__(self, port, ledger, rng, cycle, connections=12):
        self.ledger, self.rng, self.cycle = ledger, rng, cycle
        self.count = 0
        self.reads_may_fail = False  # while the store fails at reading: TRYAGAIN or BACKEND
        self.selector = selectors.DefaultSelector()
        self.conns = []
        roles = ["hot", "hot", "cold", "hot", "cold", "heads", "cold", "cold", "past", "hot", "many",
                 "versions"]
        for i in range(connections):
            conn = Conn(port, roles[i % len(roles)])
            self.conns.append(conn)
            self.selector.register(conn.sock, selectors.EVENT_READ, conn)

    def run(self, seconds, limit=10.0):
        """True when the server went away by itself."""
        begin = time.monotonic()
        end = begin + seconds
        for conn in self.conns:
            if conn.next == len(conn.waiting) and not conn.out:
                self.fill(conn)
        while time.monotonic() < end:
            for key, events in self.selector.select(max(0.0, end - time.monotonic())):
                if not self.serve(key.data, events):
                    return True
        return False

    def drain(self, seconds=10.0):
        """Reads what is still to be answered, sending nothing new. True when all came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(c.next < len(c.waiting) for c in self.conns):
            for key, events in self.selector.select(0.05):
                if not self.serve(key.data, events, False):
                    return False
        return not any(c.next < len(c.waiting) for c in self.conns)

    def last_words(self):
        """After a kill: answers that lie in the sockets were given; they count."""
        for conn in self.conns:
            try:
                while self.serve(conn, selectors.EVENT_READ, False, True):
                    pass
            except OSError:
                pass

    def close(self):
        for conn in self.conns:
            conn.sock.close()
        self.selector.close()

    def serve(self, conn, events, refill=True, once=False):
        try:
            if events & selectors.EVENT_WRITE and conn.out:
                self.flush(conn)
            if events & selectors.EVENT_READ:
                data = conn.sock.recv(1 << 18)
                if not data:
                    return False
                conn.reader.feed(data)
        except BlockingIOError:
            return not once
        except (ConnectionError, OSError):
            return False
        self.take(conn)
        if refill and conn.next == len(conn.waiting) and not conn.out:
            self.fill(conn)
        return True

    def take(self, conn):
        while True:
            done, reply = conn.reader.next()
            if not done:
                return
            ensure(conn.next < len(conn.waiting), "a reply to nothing: %r", reply)
            handler, what = conn.waiting[conn.next]
            conn.next += 1
            handler(what, reply)

    def flush(self, conn):
        sent = conn.sock.send(conn.out)
        conn.out = conn.out[sent:]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if conn.out else 0)
        self.selector.modify(conn.sock, wanted, conn)

    def fill(self, conn):
        """The next pipeline of a connection."""
        conn.waiting, conn.next = [], 0
        size = self.rng.choice([1, 1, 1, 2, 3, 8, 20])
        parts = []
        for _ in range(size):
            make = self.write if conn.role in ("hot", "cold") else self.read
            args, handler, what = make(conn.role)
            parts.append(encode(args))
            conn.waiting.append((handler, what))
        conn.out = b"".join(parts)
        try:
            self.flush(conn)
        except (BlockingIOError, ConnectionError):
            pass

    # --- requests ---

    def mark(self):
        self.count += 1
        return "%s.%d" % (self.cycle, self.count)

    def doc(self, mark):
        r = self.rng.random()
        size = 0 if r < 0.6 else 300 if r < 0.85 else 2500 if r < 0.97 else 20000
        return b'{"w":"%s","n":%d%s}' % (mark.encode(), self.count,
                                         b',"pad":"' + b"p" * size + b'"' if size else b"")

    def key(self, role):
        if role == "hot" and self.rng.random() < 0.8:
            return "hot:%d" % self.rng.randrange(2)
        return "cold:%d" % self.rng.randrange(40)

    def write(self, role):
        r = self.rng.random()
        if r < 0.08:
            return self.create()
        key = self.key(role)
        if r < 0.16:
            return self.plain_set(key)
        if r < 0.19:
            return self.mset()
        if r < 0.21:
            return self.delete_plain(key)
        kind = "update" if r < 0.7 else "enrich" if r < 0.84 else "delete" if r < 0.89 else "restore"
        return self.one(kind, key)

    def one(self, kind, key):
        mark, item = self.mark(), self.ledger.item(key)
        doc, source, args = None, None, ["CHRONOS." + kind.upper(), key]
        if kind == "update":
            doc = self.doc(mark)
            args += [doc, "UPSERT", "UNDELETE"] if self.rng.random() < 0.6 else [doc]
        elif kind == "enrich":
            doc = b'{"e%d":"%s"}' % (self.rng.randrange(6), mark.encode())
            args.append(doc)
        elif kind == "restore":
            known = len(item.rows)
            source = self.rng.randrange(max(1, known))
            args += ["OV", str(source)]
            if known == 0 or item.rows[source].deleted:
                return self.one("update", key)
        if self.rng.random() < 0.1 and item.max_ov >= 0 and "UPSERT" not in args:
            args += ["IFOV", str(item.max_ov)]
        return self.finish(Write(kind, key, args, mark, doc, None, source))

    def finish(self, write):
        if self.rng.random() < 0.3:
            write.op = "op-" + write.mark
            write.args += ["OPID", write.op]
        if self.rng.random() < 0.05:
            write.args.append("SYNC")
        write.args += ["REASON", write.mark]
        self.ledger.send(write, now_ms())
        return write.args, self.written, write

    def written(self, write, reply):
        self.ledger.answer(write, reply, now_ms())

    def create(self):
        mark = self.mark()
        doc = self.doc(mark)
        return self.finish(Write("create", None, ["CHRONOS.CREATE", "born:", doc], mark, doc))

    def plain_set(self, key):
        mark = self.mark()
        doc = self.doc(mark)
        write = Write("set", key, ["SET", key, doc], mark, doc)
        self.ledger.send(write, now_ms())
        return write.args, self.plain, [write]

    def plain(self, writes, reply):
        if isinstance(reply, Error):
            for write in writes:
                self.ledger.refuse(write, reply)
        else:
            self.ledger.answer_plain(writes, reply == "OK" or reply == 1)

    def mset(self):
        mark, args, writes = self.mark(), ["MSET"], []
        for key in self.rng.sample(["cold:%d" % i for i in range(40)], 3):
            doc = self.doc(mark)
            args += [key, doc]
            writes.append(Write("set", key, args, mark, doc))
        for write in writes:
            write.group = writes
            self.ledger.send(write, now_ms())
        return args, self.plain, writes

    def delete_plain(self, key):
        write = Write("del", key, ["DEL", key], self.mark())
        self.ledger.send(write, now_ms())
        return write.args, self.plain, [write]

    def read(self, role):
        key = self.key("hot" if self.rng.random() < 0.5 else "cold")
        item = self.ledger.item(key)
        if role == "heads":
            return ["CHRONOS.GET", key, "META", "DELETED"], self.got, [(key, self.floor(item))]
        if role == "many":
            keys = [key] + ["cold:%d" % self.rng.randrange(40) for _ in range(3)]
            what = [(k, self.floor(self.ledger.item(k))) for k in keys]
            return ["CHRONOS.MGET", "4"] + keys + ["META", "DELETED"], self.got_many, what
        if role == "versions" and self.rng.random() < 0.3:
            return ["CHRONOS.HISTORY", key, "REV", "COUNT", "3", "DOCS"], self.got_rows, key
        if role == "versions":
            ov, floor = self.rng.randrange(max(1, item.max_ov + 1)), self.floor(item)
            return ["CHRONOS.GETVERSION", key, str(ov), "META", "DELETED"], self.got, \
                [(key, ov if ov <= floor else -1)]
        at = now_ms() - self.rng.choice([0, 0, 0, 1, 1, 2, 5, 30])
        return ["CHRONOS.GETASOF", key, str(at), "META"], self.got_as_of, (key, at)

    def floor(self, item):
        """The ov that a read sent now must at least see: what was acknowledged."""
        return max(item.acked, default=len(item.rows) - 1)

    def read_failed(self, reply):
        """True for an error that a failing store may give to a read: never data that is wrong."""
        if not isinstance(reply, Error):
            return False
        ensure(self.reads_may_fail and reply.word in ("TRYAGAIN", "BACKEND"), "a read: %s",
               reply.text)
        return True

    def got(self, what, reply):
        key, floor = what[0]
        if self.read_failed(reply):
            return None
        if reply is None:
            return ensure(floor < 0, "%s ov %s was acknowledged, and a read saw nothing", key, floor)
        got = as_map(reply)
        if got["doc"] is not None:
            sha = digest(got["doc"])
            ensure(text(got["checksum"]) == sha.hex(), "%s: checksum of other bytes", key)
            self.ledger.saw(key, got["ov"], sha, floor)
        return None

    def got_many(self, what, reply):
        if self.read_failed(reply):
            return
        ensure(isinstance(reply, list) and len(reply) == len(what), "MGET: %r", reply)
        if any(isinstance(answer, Error) for answer in reply):
            ensure(all(map(self.read_failed, [a for a in reply if isinstance(a, Error)])), "MGET")
            return
        for one, answer in zip(what, reply):
            self.got([one], answer)
        self.ledger.views.append([(key, -1 if answer is None else as_map(answer)["ov"])
                                  for (key, _), answer in zip(what, reply)])

    def got_rows(self, key, reply):
        if self.read_failed(reply):
            return
        for row in reply:
            got = as_map(row)
            ensure(isinstance(got, dict), "HISTORY %s: %.600r", key, reply)
            if got["doc"] is not None:
                self.ledger.saw(key, got["ov"], digest(got["doc"]), 0)

    def got_as_of(self, what, reply):
        key, at = what
        if isinstance(reply, Error) and (reply.word == "TRYAGAIN" or self.read_failed(reply)):
            return None
        item = self.ledger.item(key)
        item.dirty = True
        if reply is None:
            item.asked.append((at, None, None))
            return None
        got = as_map(reply)
        ensure(instant_ms(got["at"]) <= at, "%s as of %d: a version of %s", key, at, got["at"])
        sha = digest(got["doc"])
        self.ledger.saw(key, got["ov"], sha, 0)
        item.asked.append((at, got["ov"], sha))
        return None


def pending(ledger):
    return [w for w in ledger.marks.values() if w.state == PENDING]
