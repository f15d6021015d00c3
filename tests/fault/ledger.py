"""What a client knows of a folder that is killed again and again, and the check of I1-I6 against it.

Every write carries a mark of its own (`Write.mark`): in REASON, or in the document for Redis's own
verbs, so that each version found after a crash can be traced to the one write that made it. The
ledger holds what was acknowledged, what was seen by reads, and, per item, the versions that were
verified before. After a restart `Ledger.check_item` reads what is new and compares.
"""

import bisect
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))

from resp import Error, as_map  # noqa: E402
from rules import instant_ms  # noqa: E402

PENDING, ACKED, REFUSED, UNKNOWN, GONE = "pending", "acked", "refused", "unknown", "not applied"


class Violation(Exception):
    """An invariant is broken. `lost`: it was an acknowledged write."""

    def __init__(self, text, lost=False):
        super().__init__(text)
        self.lost = lost


def ensure(good, what, *facts):
    if not good:
        raise Violation(what % facts if facts else what)


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def digest(data):
    return hashlib.sha256(data).digest()


class Write:
    """One version that was asked for. keys: more than one for MSET."""

    __slots__ = ("kind", "key", "args", "mark", "op", "doc", "after_cv", "sent", "state", "reply",
                 "ov", "source", "group")

    def __init__(self, kind, key, args, mark, doc=None, op=None, source=None):
        self.kind = kind      # create update set enrich delete restore
        self.key = key        # None: minted, not yet known
        self.args = args
        self.mark = mark
        self.doc = doc
        self.op = op          # the client's OPID
        self.source = source  # RESTORE: the ov
        self.group = None     # the writes that must be applied with this one (MSET)
        self.state = PENDING
        self.reply = None
        self.ov = None

    def __repr__(self):
        return "%s %s %s op %s (%s%s)" % (self.kind, self.key, self.mark, self.op, self.state,
                                          "" if self.ov is None else " ov %d" % self.ov)


class Row:
    """A verified version."""

    __slots__ = ("cv", "at", "op_id", "deleted", "sha", "client")

    def __init__(self, cv, at, op_id, deleted, sha, client):
        self.cv, self.at, self.op_id = cv, at, op_id
        self.deleted, self.sha, self.client = deleted, sha, client


class Item:
    __slots__ = ("rows", "acked", "seen", "asked", "old", "max_ov", "dirty")

    def __init__(self):
        self.rows = []       # verified versions, by ov
        self.acked = {}      # ov -> (cv, at, op_id, Write), not yet verified
        self.seen = {}       # ov -> sha that a read gave, not yet verified
        self.asked = []      # (instant, ov or None, sha) of as-of reads, not yet verified
        self.old = []        # verified ones, to be asked again
        self.max_ov = -1     # the greatest ov acknowledged or seen
        self.dirty = False


class Ledger:
    def __init__(self):
        self.items = {}
        self.marks = {}      # mark -> Write, of this and earlier cycles until they are settled
        self.cvs = {}        # collection -> {cv: (at, key, ov)}
        self.cv_acked = {}   # collection -> greatest acknowledged cv
        self.ops = []        # acknowledged writes with an OPID
        self.acknowledged = 0
        self.views = []      # what an MGET saw: [(key, ov or -1)]
        self.made = {}       # mark -> (key, ov): which version a mark made

    def item(self, key):
        found = self.items.get(key)
        if found is None:
            found = self.items[key] = Item()
        return found

    # --- while it runs ---

    def send(self, write, now):
        self.marks[write.mark] = write
        write.sent = now
        coll = (write.key or text(write.args[1])).partition(":")[0]
        write.after_cv = self.cv_acked.get(coll, -1)
        if write.key:
            self.item(write.key).dirty = True

    def answer(self, write, reply, now):
        """The reply of a CHRONOS write."""
        if isinstance(reply, Error):
            return self.refuse(write, reply)
        got = as_map(reply)
        ensure(isinstance(got, dict), "%r answered %r", write, reply)
        key = text(got["key"])
        ensure(write.key in (None, key), "%r answered for %s", write, key)
        write.key, write.state, write.reply, write.ov = key, ACKED, reply, got["ov"]
        self.acknowledged += 1
        if write.op:
            self.ops.append(write)
        if write.kind == "restore" and not got["changed"]:
            self.marks.pop(write.mark, None)
            return None
        at = instant_ms(got.get("createdAt") or got.get("updatedAt") or got.get("deletedAt"))
        ensure(write.sent <= at <= now, "%r: at %d is not between %d and %d", write, at, write.sent,
               now)
        coll = key.partition(":")[0]
        ensure(got["cv"] > write.after_cv, "%r: cv %d, but %d was acknowledged before it was sent",
               write, got["cv"], write.after_cv)
        self.cv_acked[coll] = max(self.cv_acked.get(coll, -1), got["cv"])
        item = self.item(key)
        item.dirty = True
        ensure(got["ov"] not in item.acked, "%r: ov %d of %s was acknowledged twice, before to %r",
               write, got["ov"], key, item.acked.get(got["ov"], [None] * 4)[3])
        ensure(got["ov"] >= len(item.rows), "%r: ov %d was there before", write, got["ov"])
        item.acked[got["ov"]] = (got["cv"], at, text(got["opId"]), write)
        item.max_ov = max(item.max_ov, got["ov"])
        return None

    def refuse(self, write, reply):
        write.reply = reply
        if reply.word == "TIMEDOUT":
            write.state = UNKNOWN
            return
        ensure(reply.word in ("NOTFOUND", "EXISTS", "CONFLICT", "TRYAGAIN"), "%r answered %s", write,
               reply.text)
        write.state = REFUSED

    def answer_plain(self, writes, done):
        """The reply of SET, MSET, DEL: done or not; ov is not told."""
        for write in writes:
            write.state = ACKED if done else REFUSED
            self.acknowledged += done

    def saw(self, key, ov, sha, at_least):
        ensure(ov >= at_least, "a read of %s saw ov %d, but ov %d was acknowledged before it was "
               "sent", key, ov, at_least)
        item = self.item(key)
        item.dirty = True
        item.max_ov = max(item.max_ov, ov)
        if ov < len(item.rows):
            ensure(item.rows[ov].sha == sha, "%s ov %d has other bytes than before", key, ov)
        else:
            old = item.seen.setdefault(ov, sha)
            ensure(old == sha, "%s ov %d was read with other bytes a moment ago", key, ov)

    # --- after a restart ---

    def check_item(self, key, history):
        """history: HISTORY FROM len(rows) DOCS. Everything that the item should and may have."""
        item = self.item(key)
        for reply in history:
            self.check_version(key, item, as_map(reply))
        lost = sorted(ov for ov in item.acked if ov >= len(item.rows))
        if lost:
            raise Violation("LOST: %s ov %s was acknowledged to %r and is gone (%d versions)" % (
                key, lost[0], item.acked[lost[0]][3], len(item.rows)), True)
        unseen = [ov for ov in item.seen if ov >= len(item.rows)]
        ensure(not unseen, "%s ov %s was read before the crash and is gone", key, unseen)
        self.check_asked(key, item)
        item.acked.clear()
        item.seen.clear()
        item.dirty = False

    def check_version(self, key, item, got):
        ov = len(item.rows)
        ensure(got["ov"] == ov, "%s: ov %s follows ov %d", key, got["ov"], ov - 1)
        cv, at, op_id = got["cv"], instant_ms(got["at"]), text(got.get("opId"))
        doc, deleted = got["doc"], got["op"] in (b"DELETE", b"DEL")
        if item.rows:
            last = item.rows[-1]
            ensure(cv > last.cv and at >= last.at, "%s ov %d: cv %d at %d after cv %d at %d", key,
                   ov, cv, at, last.cv, last.at)
        cvs = self.cvs.setdefault(key.partition(":")[0], {})
        ensure(cv not in cvs, "cv %d is that of %s ov %d and of %s", cv, key, ov, cvs.get(cv))
        cvs[cv] = (at, key, ov)
        acked = item.acked.get(ov)
        if acked:
            ensure(acked[:3] == (cv, at, op_id), "%s ov %d: acknowledged as %s, found as %s", key,
                   ov, acked[:3], (cv, at, op_id))
        if deleted:
            ensure(doc is None and item.rows, "%s ov %d: a tombstone with a document", key, ov)
            sha, client = item.rows[-1].sha, item.rows[-1].client
        else:
            ensure(isinstance(doc, bytes), "%s ov %d is a version without payload", key, ov)
            sha, client = digest(doc), client_part(doc)
            ensure(got["size"] == len(doc), "%s ov %d: size %s, %d bytes", key, ov, got["size"],
                   len(doc))
        ensure(text(got["checksum"]) == sha.hex(), "%s ov %d: checksum of other bytes", key, ov)
        if ov in item.seen:
            ensure(item.seen[ov] == sha, "%s ov %d has other bytes than a read gave", key, ov)
        write = self.trace(key, item, ov, got, acked)
        if write is not None:
            self.check_content(item, ov, write, client, sha)
        item.rows.append(Row(cv, at, op_id, deleted, sha, client))

    def trace(self, key, item, ov, got, acked):
        """Which write made it? None: a plain DEL, which leaves no mark."""
        if got["op"] == b"DEL" or (got["op"] == b"DELETE" and not got["reason"]):
            return self.trace_del(key, item, ov)
        mark = text(got["reason"]) or mark_of(got["doc"])
        write = self.marks.get(mark)
        ensure(write is not None, "%s ov %d was made by a write that is unknown or settled: %s, "
               "earlier as %s", key, ov, mark, self.made.get(mark))
        if write.group is not None:
            write = next((w for w in write.group if w.key == key), None)
            ensure(write is not None, "%s ov %d: not a key of its MSET", key, ov)
        ensure(acked is None or acked[3] is write, "%s ov %d was acknowledged to %r, is of %r", key,
               ov, acked and acked[3], write)
        ensure(write.state != REFUSED, "%s ov %d is of a write that was refused: %r %s", key, ov,
               write, write.reply)
        ensure(write.key in (None, key), "%s ov %d is of a write to %s", key, ov, write.key)
        ensure((mark, key) not in self.made, "%r took effect twice: %s and %s ov %d", write,
               self.made.get((mark, key)), key, ov)
        ensure(write.ov in (None, ov), "%r was acknowledged, and made ov %d", write, ov)
        self.made[mark, key] = ov
        write.key, write.ov = key, ov
        return write

    def trace_del(self, key, item, ov):
        ensure(any(w.kind == "del" and w.key == key for w in self.marks.values()),
               "%s ov %d was deleted by nobody", key, ov)
        ensure(not item.rows[-1].deleted, "%s ov %d deletes what was deleted", key, ov)
        return None

    def check_content(self, item, ov, write, client, sha):
        before = item.rows[ov - 1].client if ov else None
        if write.kind in ("create", "update", "set"):
            good = client == write.doc
        elif write.kind == "enrich":
            want = json.loads(before)
            want.update(json.loads(write.doc))
            got = json.loads(client)
            good = got == want and list(got) == list(want)
        elif write.kind == "restore":
            good = sha == item.rows[write.source].sha
        else:
            good = client == before
        ensure(good, "%r made other bytes: %.300r", write, client)

    def check_asked(self, key, item):
        """Answers about the past agree with the timeline; some are kept to be asked again."""
        ats = [row.at for row in item.rows]
        for at, ov, sha in item.asked:
            self.check_as_of(key, item, ats, at, ov, sha)
        item.old += item.asked[-8:]
        item.asked = []

    def check_as_of(self, key, item, ats, at, ov, sha):
        want = bisect.bisect_right(ats, at) - 1
        if want < 0 or item.rows[want].deleted:
            want = None
        ensure(want == ov, "%s as of %d was answered with ov %s, the timeline says %s (%s)", key, at,
               ov, want, [r.at - at for r in item.rows[-6:]])
        ensure(ov is None or item.rows[ov].sha == sha, "%s as of %d: other bytes", key, at)

    def settle(self):
        """After all items were checked: what was pending was applied or was not; MSET is whole;
        at is monotone along cv."""
        for write in list(self.marks.values()):
            if write.group is not None:
                found = [(write.mark, w.key) in self.made for w in write.group]
                ensure(all(found) or not any(found), "half an MSET: %r", write.group)
                ensure(write.state != ACKED or all(found), "LOST: an MSET: %r", write.group)
            elif write.state == ACKED and write.kind not in ("del", "restore"):
                if (write.mark, write.key) not in self.made:
                    raise Violation("LOST: %r" % write, True)
        for view in self.views:
            self.check_view(view)
        self.views = []
        for name, cvs in self.cvs.items():
            at = -1
            for cv in sorted(cvs):
                ensure(cvs[cv][0] >= at, "%s: at goes back at cv %d", name, cv)
                at = cvs[cv][0]
            self.cv_acked[name] = max(self.cv_acked.get(name, -1), max(cvs, default=-1))

    def check_view(self, view):
        """An MGET is a snapshot: there is a cv at which all that it saw was the newest."""
        newest, next_cv = {}, {}
        for key, ov in view:
            coll, rows = key.partition(":")[0], self.item(key).rows
            if ov >= 0:
                newest[coll] = max(newest.get(coll, -1), rows[ov].cv)
            if ov + 1 < len(rows):
                next_cv[coll] = min(next_cv.get(coll, 1 << 62), rows[ov + 1].cv)
        for coll, cv in newest.items():
            ensure(cv < next_cv.get(coll, 1 << 62), "an MGET saw %s: cv %d together with what cv "
                   "%d had replaced already", view, cv, next_cv.get(coll, 0))

    def forget_settled(self):
        """Marks of this cycle are done with; a version of one of them later is a second effect."""
        for mark in [m for m, w in self.marks.items() if w.state != UNKNOWN]:
            del self.marks[mark]
        del self.ops[:-300]

    def live(self):
        return {k for k, i in self.items.items() if i.rows and not i.rows[-1].deleted}


def client_part(doc):
    """The client's document of a stored one: the tests' documents have no _system of their own."""
    at = doc.rfind(b',"_system":{')
    ensure(at > 0 and doc.endswith(b"}}"), "a stored document without _system: %.200r", doc)
    return doc[:at] + b"}"


def mark_of(client):
    if client.startswith(b'{"w":"'):
        return text(client[6:client.index(b'"', 6)])
    return None
