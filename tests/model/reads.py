"""The model's half that reads: what every command that changes nothing must answer."""

from fnmatch import fnmatchcase

from facts import (LIST, META_ORDER, MORE, READ, ROW_ORDER, Mismatch, need, options_of, show_short,
                   text, time_ms)
from jsontext import Bad, canon, equal, find, leaves, parse, patch, pointer_segments, same, show
from resp import Error, Simple, as_map
import rules



class Reads:
    """Mixed into Model, which has `item`, `place`, `live_keys`, `map`, `error`, `null`, `integer`."""

    # --- reading ---

    def answer(self, reply, item, v, opts, absent_ok=True):
        """GET and its kin: v is the version asked for, or None."""
        if v is None or (v.deleted and "DELETED" not in opts):
            return self.null(reply)
        if "META" not in opts:
            return self.document(reply, v, opts)
        got = self.map(reply, "META", [f for f in META_ORDER if f != "presigned"],
                       MORE)
        self.row(got, v)
        need(text(got["id"]) == self.name, "id %s, not %s", self.name, text(got["id"]))
        return self.document(got["doc"], v, opts)

    def document(self, reply, v, opts):
        if v.deleted and reply is None:
            return  # a tombstone's own document: null, or the payload that it points at
        if "FIELDS" not in opts:
            return v.payload.see(reply)
        need(isinstance(reply, bytes), "a document, not %s", show_short(reply))
        try:
            got = parse(reply)
        except Bad as why:
            raise Mismatch("JSON, not %s: %s" % (why, show_short(reply))) from None
        paths = opts["FIELDS"]
        if any(p.lstrip("/").startswith("_system") for p in paths):
            if v.payload.bytes is None:
                return
            tree = parse(v.payload.bytes)
        else:
            tree = v.payload.tree
        want = rules.project(tree, paths)
        need(same(want, got), "the fields %s of %s: %s, not %s", paths, show_short(show(tree), 900),
             show_short(show(want), 900), show_short(reply, 900))

    def row(self, got, v):
        """The facts of a version, as META and HISTORY tell them."""
        need(got["ov"] == v.ov and got["cv"] == v.cv, "ov %s cv %s, not %s %s", v.ov, v.cv,
             got["ov"], got["cv"])
        need(text(got["at"]) == rules.instant(v.at), "at %s, not %s", rules.instant(v.at),
             text(got["at"]))
        op, verb = text(got["op"]), text(got.get("verb", v.verb))
        need(op in (v.op, v.verb) and verb == v.verb, "op %s and verb %s, not %s %s", v.op, v.verb,
             op, verb)
        for name, want in (("actor", v.actor), ("reason", v.reason), ("functionId", v.function)):
            if name in got:
                need(text(got[name]) == want, "%s %s, not %s", name, want, show_short(got[name]))
        v.payload.see_size(got["size"])
        v.payload.see_sum(got["checksum"])
        if "opId" in got and v.op_id is not None:
            need(text(got["opId"]) == v.op_id, "opId %s, not %s", v.op_id, text(got["opId"]))
        if "deleted" in got:
            self.truth(got["deleted"], v.deleted, "deleted")
        if "deletedAt" in got:
            want = rules.instant(v.at) if v.deleted else None
            need(text(got["deletedAt"]) == want, "deletedAt %s, not %s", want, got["deletedAt"])
        if "state" in got:
            need(got["state"] in (b"new", b"new-not-synched"), "state %s", got["state"])

    def reading(self, key):
        c, self.name, item = self.item(key)
        return c, item

    def do_c_get(self, args, reply):
        _, item = self.reading(args[1])
        self.answer(reply, item, item.head, options_of(args, 2, READ))

    def do_get(self, args, reply):
        _, item = self.reading(args[1])
        self.answer(reply, item, item.head, {})

    def do_c_getversion(self, args, reply):
        _, item = self.reading(args[1])
        self.answer(reply, item, item.ov(int(args[2])), options_of(args, 3, READ))

    def do_c_getasof(self, args, reply):
        _, item = self.reading(args[1])
        at = time_ms(args[2])
        self.answer(reply, item, item.as_of(at), options_of(args, 3, READ))
        item.asked = max(item.asked, at)

    def do_c_mget(self, args, reply):
        count = int(args[1])
        opts = options_of(args, 2 + count, READ)
        need(isinstance(reply, list) and len(reply) == count, "%d documents, not %s", count,
             show_short(reply))
        for key, one in zip(args[2:2 + count], reply):
            _, item = self.reading(key)
            v = item.head
            if "AT" in opts:
                v = item.as_of(time_ms(opts["AT"]))
                item.asked = max(item.asked, time_ms(opts["AT"]))
            self.answer(one, item, v, opts)

    def do_mget(self, args, reply):
        need(isinstance(reply, list) and len(reply) == len(args) - 1, "documents, not %s",
             show_short(reply))
        for key, one in zip(args[1:], reply):
            self.live_doc(one, self.item(key)[2])

    def do_strlen(self, args, reply):
        item = self.item(args[1])[2]
        if item.live:
            need(isinstance(reply, int), "an integer, not %s", show_short(reply))
            item.head.payload.see_size(reply)
        else:
            self.integer(reply, 0)

    def do_exists(self, args, reply):
        self.integer(reply, sum(self.item(key)[2].live for key in args[1:]))

    def do_type(self, args, reply):
        want = "string" if self.item(args[1])[2].live else "none"
        need(isinstance(reply, Simple) and reply == want, "%s, not %s", want, show_short(reply))

    def do_dbsize(self, args, reply):
        self.integer(reply, len(self.live_keys()))

    def do_randomkey(self, args, reply):
        keys = self.live_keys()
        need(text(reply) in keys if keys else reply is None, "a key that is there, not %s", reply)

    def scanned(self, keys, match, kind):
        """All keys of a whole SCAN."""
        want = self.live_keys() if kind in (None, "string") else set()
        if match:
            want = {k for k in want if glob(match, k)}
        got = [text(k) for k in keys]
        need(len(got) == len(set(got)), "no key twice in a scan at rest: %s", show_short(got))
        need(set(got) == want, "the keys: missing %s, too many %s",
             show_short(sorted(want - set(got))), show_short(sorted(set(got) - want)))

    def do_c_history(self, args, reply):
        opts = options_of(args, 2, LIST)
        _, item = self.reading(args[1])
        lo, hi = int(opts.get("FROM", 0)), int(opts.get("TO", 1 << 62))
        since = time_ms(opts["SINCE"]) if "SINCE" in opts else -1
        until = time_ms(opts["UNTIL"]) if "UNTIL" in opts else 1 << 62
        want = [v for v in item.versions if lo <= v.ov <= hi and since <= v.at <= until]
        if "REV" in opts:
            want.reverse()
        want = want[:int(opts.get("COUNT", 1000))]
        need(isinstance(reply, list) and len(reply) == len(want), "%d versions (ov %s), not %s",
             len(want), [v.ov for v in want][:20], show_short(reply))
        for v, one in zip(want, reply):
            got = self.map(one, "HISTORY", ROW_ORDER, MORE)
            self.row(got, v)
            if "DOCS" in opts:
                need("doc" in got, "DOCS adds doc")
                if v.deleted:
                    self.null(got["doc"])
                else:
                    v.payload.see(got["doc"])
            else:
                need("doc" not in got, "no doc without DOCS")

    def do_c_diff(self, args, reply):
        item = self.item(args[1])[2]
        a, b = item.ov(int(args[2])), item.ov(int(args[3]))
        if a is None or b is None:
            return self.error(reply, "NOTFOUND")
        if (a.deleted or b.deleted) and isinstance(reply, Error):
            return self.error(reply, "NOTFOUND", "VALIDATION")
        need(isinstance(reply, bytes), "a patch, not %s", show_short(reply))
        before = rules.without_system(a.payload.tree)
        after = rules.without_system(b.payload.tree)
        try:
            operations = parse(reply)
            made = patch(before, operations)
        except Bad as why:
            raise Mismatch("a patch that applies (%s): %s to %s" %
                           (why, show_short(reply, 1500), show_short(show(before), 1500))) from None
        need(equal(made, after), "a patch to %s, not %s to %s", show_short(show(after), 1500),
             show_short(reply, 1500), show_short(show(made), 1500))
        need(not equal(before, after) or not operations.value, "nothing to do: %s",
             show_short(reply))

    def do_c_blame(self, args, reply):
        item = self.item(args[1])[2]
        if not item.live:
            return self.null(reply)
        old = [v for v in item.versions if not v.deleted]
        want = blame(old, text(args[2]) if len(args) > 2 else "")
        if not want:
            return need(reply in (None, [], {}), "nothing, not %s", show_short(reply))
        got = as_map(reply)
        need(isinstance(got, dict), "a map, not %s", show_short(reply))
        need({text(k) for k in got} == set(want), "the leaves %s, not %s",
             show_short(sorted(want)), show_short(sorted(map(text, got))))
        for key, facts in got.items():
            facts = self.map(facts, "BLAME", ["ov", "at", "actor", "reason"])
            v = item.ov(facts["ov"])
            need(facts["ov"] in want[text(key)], "%s was set by ov %s, not %s", text(key),
                 sorted(want[text(key)]), facts["ov"])
            need(text(facts["at"]) == rules.instant(v.at) and text(facts["actor"]) == v.actor
                 and text(facts["reason"]) == v.reason, "%s: facts of ov %s, not %s", text(key),
                 v.ov, show_short(facts))

    def do_c_opstatus(self, args, reply):
        got = as_map(reply)
        need(isinstance(got, dict) and "status" in got, "a map with status, not %s",
             show_short(reply))
        op, status = text(args[1]), text(got["status"])
        if op in self.ops:
            need(status == "committed", "committed, not %s", status)
            first = as_map(self.ops[op][1])
            if isinstance(first, dict) and first.get("key") is not None and "ov" in first:
                for name in ("key", "ov", "cv"):
                    need(got.get(name) == first[name], "%s %s, not %s", name, first[name],
                         show_short(got))
        elif op in self.op_ids:
            need(status in ("committed", "unknown"), "committed, not %s", status)
        else:
            need(status in ("unknown", "dead"), "unknown, not %s", status)

    def do_c_admin(self, args, reply):
        """VERIFY of a collection."""
        got = as_map(reply)
        c, _ = self.place(args[2])
        count = sum(len(i.versions) for i in c.items.values())
        if not count and isinstance(reply, Error):
            return self.error(reply, "NOTFOUND")
        need(isinstance(got, dict), "a map, not %s", show_short(reply))
        if "versions" in got:
            need(got["versions"] == count, "%d versions, not %s", count, show_short(got))
        for name in ("missing", "corrupt"):
            need(got.get(name, 0) == 0, "nothing %s: %s", name, show_short(got))
        live = sum(i.live for i in c.items.values())
        if isinstance(got.get("live"), int):
            need(got["live"] == live, "%d live, not %s", live, show_short(got))
        return None

    def do_ping(self, args, reply):
        need(reply == "PONG", "PONG, not %s", show_short(reply))


def blame(old, path):
    """JSON Pointer -> the ovs that may be named. Old: live versions, newest last. An empty path
    names the whole document."""
    newest = old[-1].payload.tree
    starts = [((), newest)]
    if path:
        starts = list(places(newest, *rules.path_segments(path)))
    want = {}
    for start, below in starts:
        for key, node in leaves(below, start):
            want[key] = set_by(old, pointer_segments(key), node)
    return want


def places(node, segments, is_pointer, path=()):
    """(segments, node) of everything that a path names; a dotted one goes through arrays."""
    if not segments:
        yield path, node
        return
    first = segments[0]
    found = find(node, [first])
    if found is not None:
        yield from places(found, segments[1:], is_pointer, path + (first,))
    if node.kind == "array" and not is_pointer:
        for i, value in enumerate(node.value):
            if value.kind == "object":
                yield from places(value, segments, is_pointer, path + (str(i),))


def set_by(old, place, node):
    """The ovs that may have set a leaf: equal by meaning, or equal by text, in all later ones."""
    by_meaning = by_text = old[-1].ov
    open_meaning = open_text = True
    for v in reversed(old[:-1]):
        there = find(v.payload.tree, place)
        open_meaning = open_meaning and there is not None and canon(there) == canon(node)
        open_text = open_text and there is not None and same(node, there)
        if open_meaning:
            by_meaning = v.ov
        if open_text:
            by_text = v.ov
    return {by_meaning, by_text}


def glob(pattern, key):
    """Redis's glob for what the generator makes: * ? and [...]."""
    return fnmatchcase(key, pattern)
