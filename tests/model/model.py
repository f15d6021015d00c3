"""The model: what SPEC says that the server must answer, as a plain interpreter of commands.

`Model.run(args, reply, sent, got)` is given a command and the server's reply. It works out from
its own state what the reply must be, raises `Mismatch` when it is something else, and takes over
what only the server can know (instants, cv numbers, minted ids), after checking what can be
checked of that: cv grows, at never decreases and lies between request and reply, and no version
is born at or before an instant that was already asked about.

Where SPEC leaves a choice, every choice that it allows is accepted, but only once: the bytes of a
version are fixed when they are first seen.
"""

import re

from facts import (Collection, Mismatch, Payload, Version, WRITE, need, options_of, show_short,
                   text, time_ms)
from jsontext import Bad, equal, parse
from reads import Reads
from resp import Error, Simple, as_map
import rules

OBJECT_ID = re.compile(r"[0-9a-f]{24}")


class Model(Reads):
    def __init__(self):
        self.collections = {}
        self.ops = {}             # client's OPID -> (request, reply)
        self.op_ids = set()       # every opId that was answered
        self.minted = []          # keys of minted items, in order
        self.orders = {}          # shape of a map -> its order of fields
        self.sent = self.got = 0
        self.commands = 0

    # --- rounds: what was on its way together ---

    def begin_round(self):
        for c in self.collections.values():
            c.born = []

    def end_round(self):
        """cv is unique and above all earlier ones; at does not decrease along cv."""
        for c in self.collections.values():
            at, cv = c.at, c.cv
            for v in sorted(c.born, key=lambda v: v.cv):
                need(v.cv > cv, "cv %d of %s is not above %d, acknowledged before", v.cv, c.name,
                     cv)
                need(v.at >= at, "at %d of cv %d in %s is before %d of an earlier cv", v.at, v.cv,
                     c.name, at)
                cv, at = v.cv, v.at
            c.cv, c.at, c.born = cv, at, []

    def run(self, args, reply, sent, got):
        """Checks one reply. sent, got: milliseconds around the round trip."""
        self.sent, self.got = sent, got
        self.commands += 1
        name = text(args[0]).lower()
        handler = getattr(self, "do_" + name.replace("chronos.", "c_").replace(".", "_"))
        handler(args, reply)

    # --- keys ---

    def place(self, key):
        name, _, item = text(key).partition(":")
        if re.fullmatch("[0-9a-fA-F]{24}", item):
            item = item.lower()
        return self.collections.setdefault(name, Collection(name)), item

    def item(self, key):
        c, name = self.place(key)
        return c, name, c.item(name)

    def live_keys(self):
        return {c.name + ":" + i for c in self.collections.values()
                for i, item in c.items.items() if item.live}

    # --- shapes ---

    def map(self, reply, shape, fields, more=()):
        """A map with these fields in this order (and maybe others that are known)."""
        got = as_map(reply)
        need(isinstance(got, dict), "a map, not %s", show_short(reply))
        names = list(got)
        need([n for n in names if n in fields] == list(fields), "the fields %s, not %s",
             list(fields), names)
        extra = set(names) - set(fields) - set(more)
        need(not extra, "no fields %s in %s", sorted(map(str, extra)), names)
        order = self.orders.setdefault((shape, frozenset(names)), names)
        need(order == names, "always the same order of fields: %s, not %s", order, names)
        return got

    def error(self, reply, *words):
        need(isinstance(reply, Error) and reply.word in words, "the error %s, not %s",
             "|".join(words), show_short(reply))
        need(len(reply.text) > len(reply.word) + 5, "an error says what happened: %s", reply.text)

    def null(self, reply):
        need(reply is None, "null, not %s", show_short(reply))

    def integer(self, reply, value):
        need(isinstance(reply, int) and not isinstance(reply, bool) and reply == value,
             "the integer %s, not %s", value, show_short(reply))

    def truth(self, value, want, what):
        need(value in (0, 1) and bool(value) == want, "%s is %s, not %s", what, want, value)

    # --- writing ---

    def born(self, c, item, cv, at, ops, payload, opts, deleted=False, op_id=None):
        """A new version, with all that must hold of its numbers."""
        before = item.head
        ov = before.ov + 1 if before else 0
        need(at > item.asked, "at %s of %s ov %s is after %s: that instant was asked about before",
             rules.instant(at), c.name, ov, rules.instant(item.asked))
        if before:
            need(cv is None or before.cv is None or cv > before.cv, "cv %s grows along ov (%s)", cv,
                 before.cv)
            need(at >= before.at, "at %s never decreases along ov (%s)", at, before.at)
        v = Version(ov, cv, at, ops, payload, opts, deleted, op_id)
        if cv is not None:
            need(cv not in c.cvs, "cv %s of %s is unique", cv, c.name)
            c.cvs.add(cv)
            c.born.append(v)
        item.versions.append(v)
        return v

    def instant(self, value, what):
        try:
            at = rules.instant_ms(value)
        except (ValueError, TypeError):
            raise Mismatch("%s is an instant, not %s" % (what, show_short(value))) from None
        need(self.sent <= at <= self.got, "%s %s lies between request %s and reply %s", what,
             text(value), rules.instant(self.sent), rules.instant(self.got))
        return at

    def written(self, reply, shape, time_name, c, name, ov, opts, more=(), fresh=True):
        """The answer of a write: fields, key, id, ov, opId, state. Returns cv and at."""
        need(not isinstance(reply, Error), "an answer, not %s", show_short(reply))
        fields = ["key", "id", "ov", "cv", time_name]
        fields += ["opId", "state"] + [m for m in more if m != "functionIds"]
        got = self.map(reply, shape, fields, more)
        need("functionIds" in got or "functionIds" not in more, "functionIds in %s", list(got))
        need(text(got["id"]) == name and text(got["key"]) == c.name + ":" + name,
             "key %s:%s, not %s", c.name, name, show_short((got["key"], got["id"])))
        need(got["ov"] == ov, "ov %s, not %s", ov, got["ov"])
        need(isinstance(got["cv"], int), "cv is an integer, not %s", show_short(got["cv"]))
        op_id = text(got["opId"])
        if "OPID" in opts:
            need(op_id == opts["OPID"], "opId %s, not %s", opts["OPID"], op_id)
        elif fresh:
            need(op_id and op_id not in self.op_ids, "a new opId, not %s", op_id)
        self.op_ids.add(op_id)
        states = (b"new",) if "SYNC" in opts else (b"new", b"new-not-synched")
        need(got["state"] in states, "state new, not %s", got["state"])
        at = self.instant(got[time_name], time_name) if fresh else None
        return got, at

    def replayed(self, args, reply, opts):
        """True when the OPID was used before: the reply is the first one, or a CONFLICT."""
        op = opts.get("OPID")
        if op not in self.ops:
            return False
        request, first = self.ops[op]
        now = self.request(args)
        if now != request:
            self.error(reply, "CONFLICT")
        else:
            need(as_list(reply) == as_list(first), "the first answer %s, not %s", show_short(first),
                 show_short(reply))
        return True

    def request(self, args):
        return [text(args[0]).upper(), [text(a) for a in args[1:]]]

    def noted(self, args, reply, opts):
        if "OPID" in opts:
            self.ops[opts["OPID"]] = (self.request(args), reply)

    def new_payload(self, doc, system):
        return Payload(rules.without_system(parse(doc)), system, rules.strip_system(doc))

    def system(self, at, before=None, opts=None, created=None):
        """What `_system` says of a version; before: the one whose insertedAt, lineage and
        functionIds are kept."""
        opts = opts or {}
        if before is None:
            want = {"insertedAt": at, "functionIds": []}
        else:
            want = dict(before)
            if created:
                kept = want["insertedAt"]
                want["insertedAt"] = (kept if isinstance(kept, set) else {kept}) | created
        want["updatedAt"] = at
        want["functionIds"] = list(want["functionIds"])
        if opts.get("FUNC") and opts["FUNC"] not in want["functionIds"]:
            want["functionIds"].append(opts["FUNC"])
        if "PARENT" in opts:
            want["parentCollection"], _, want["parentId"] = opts["PARENT"].partition(":")
        if "ORIGIN" in opts:
            want["originSystem"], want["originCollection"], want["originId"] = opts["ORIGIN"]
        return want

    def do_c_create(self, args, reply):
        opts = options_of(args, 3, WRITE)
        if self.replayed(args, reply, opts):
            return
        c, name, item = self.item(args[1])
        if not name:
            name = self.minted_id(c, as_map(reply))
            item = c.item(name)
        elif item.versions:
            return self.error(reply, "EXISTS")
        self.created(c, name, item, args[2], reply, opts, "CREATE")
        self.noted(args, reply, opts)

    def created(self, c, name, item, doc, reply, opts, shape):
        got, at = self.written(reply, shape, "createdAt", c, name, 0, opts)
        payload = self.new_payload(doc, self.system(at, None, opts))
        item.created = {at}
        self.born(c, item, got["cv"], at, ("CREATE", "CREATE"), payload, opts,
                  op_id=text(got["opId"]))

    def minted_id(self, c, got):
        need(isinstance(got, dict), "an answer, not %s", show_short(got))
        name = text(got.get("id"))
        need(isinstance(name, str) and OBJECT_ID.fullmatch(name), "a minted ObjectId, not %s", name)
        need(name not in c.items or not c.items[name].versions, "a new id, not %s", name)
        self.minted.append(c.name + ":" + name)
        return name

    def refused(self, item, reply, opts, undelete=False):
        """NOTFOUND and CONFLICT, as every write to what exists has them. True: it was one."""
        lost = "IFOV" in opts and item.versions and int(opts["IFOV"]) != item.head.ov
        if not item.versions:
            self.error(reply, "NOTFOUND")
        elif item.head.deleted and not undelete:
            self.error(reply, *(("NOTFOUND", "CONFLICT") if lost else ("NOTFOUND",)))
        elif lost:
            self.error(reply, "CONFLICT")
            words = "CONFLICT expected ov %s, current ov %d" % (opts["IFOV"], item.head.ov)
            need(reply.text.startswith(words), "%s, not %s", words, reply.text)
        else:
            return False
        return True

    def do_c_update(self, args, reply):
        opts = options_of(args, 3, WRITE)
        if self.replayed(args, reply, opts):
            return
        c, name, item = self.item(args[1])
        fresh = not item.versions
        if not (fresh and "UPSERT" in opts) and \
                self.refused(item, reply, opts, "UNDELETE" in opts):
            return
        ov = 0 if fresh else item.head.ov + 1
        got, at = self.written(reply, "UPDATE", "updatedAt", c, name, ov, opts)
        before = None if fresh else item.head.payload.system
        if fresh:
            item.created = {at}
        payload = self.new_payload(args[2], self.system(at, before, opts, item.created))
        ops = ("CREATE" if fresh else "UPDATE", "UPDATE")
        self.born(c, item, got["cv"], at, ops, payload, opts, op_id=text(got["opId"]))
        self.noted(args, reply, opts)

    def do_c_enrich(self, args, reply):
        opts = options_of(args, 3, WRITE)
        if self.replayed(args, reply, opts):
            return
        c, name, item = self.item(args[1])
        if self.refused(item, reply, opts):
            return
        head = item.head
        got, at = self.written(reply, "ENRICH", "updatedAt", c, name, head.ov + 1, opts,
                               more=["functionIds"])
        system = self.system(at, head.payload.system, opts, item.created)
        ids = [text(f) for f in got["functionIds"]]
        need(ids == system["functionIds"], "functionIds %s, not %s", system["functionIds"], ids)
        patches = parse(args[2])
        touched = {k for p in (patches.value if patches.kind == "array" else [patches])
                   for _, k, _ in p.value if k != "_system"}
        tree = rules.enrich(head.payload.tree, args[2])
        payload = Payload(tree, system, None, head.payload, touched)
        self.born(c, item, got["cv"], at, ("UPDATE", "ENRICH"), payload, opts,
                  op_id=text(got["opId"]))
        self.noted(args, reply, opts)

    def do_c_delete(self, args, reply):
        opts = options_of(args, 2, WRITE)
        if self.replayed(args, reply, opts):
            return
        c, name, item = self.item(args[1])
        if self.refused(item, reply, opts):
            return
        got, at = self.written(reply, "DELETE", "deletedAt", c, name, item.head.ov + 1, opts)
        self.born(c, item, got["cv"], at, ("DELETE", "DELETE"), item.head.payload, opts, True,
                  text(got["opId"]))
        self.noted(args, reply, opts)

    def do_c_bulk(self, args, reply):
        count = int(args[2])
        opts = options_of(args, 3 + count, WRITE)
        if self.replayed(args, reply, opts):
            return
        c, _ = self.place(args[1])
        need(isinstance(reply, list) and len(reply) == count, "%d answers, not %s", count,
             show_short(reply))
        for i, doc in enumerate(args[3:3 + count]):
            if not good_document(doc):
                self.error(reply[i], "VALIDATION")
                continue
            name = self.minted_id(c, as_map(reply[i]))
            one = dict(opts)
            if "OPID" in one:
                one["OPID"] = text(as_map(reply[i])["opId"])
                need(re.fullmatch(re.escape(opts["OPID"]) + r"\.\d+", one["OPID"]),
                     "opId %s.<i>, not %s", opts["OPID"], one["OPID"])
            self.created(c, name, c.item(name), doc, reply[i], one, "CREATE")
        self.noted(args, reply, opts)

    def do_c_restore(self, args, reply):
        opts = options_of(args, 2, WRITE)
        if self.replayed(args, reply, opts):
            return
        c, name, item = self.item(args[1])
        if "AT" in opts:
            target = item.as_of(time_ms(opts["AT"]))
        else:
            target = item.ov(int(opts["OV"]))
        if item.versions and target is None:
            lost = "IFOV" in opts and int(opts["IFOV"]) != item.head.ov
            return self.error(reply, "NOTFOUND", *(["CONFLICT"] if lost else []))
        if self.refused(item, reply, opts, True):
            return
        if target.deleted and "OV" in opts:
            return self.error(reply, "VALIDATION")
        self.restored(c, name, item, target, args, reply, opts)
        self.noted(args, reply, opts)

    def restored(self, c, name, item, target, args, reply, opts):
        got = as_map(reply)
        need(isinstance(got, dict), "an answer, not %s", show_short(reply))
        changed = bool(got.get("changed"))
        must = self.must_change(item, target)
        need(must is None or changed == must, "changed %s, not %s", must, changed)
        head = item.head
        got, at = self.written(reply, "RESTORE", "updatedAt", c, name, head.ov + changed, opts,
                               ["restoredFrom", "changed"], changed)
        self.truth(got["changed"], changed, "changed")
        need(got["restoredFrom"] == target.ov, "restoredFrom %s, not %s", target.ov,
             got["restoredFrom"])
        if changed:
            self.born(c, item, got["cv"], at, ("RESTORE", "RESTORE"),
                      head.payload if target.deleted else target.payload, opts, target.deleted,
                      text(got["opId"]))
        else:
            need(got["cv"] == head.cv or head.cv is None, "cv %s, not %s", head.cv, got["cv"])

    def must_change(self, item, target):
        """Does RESTORE write a version? None: either is right (equal in meaning, not in bytes)."""
        head = item.head
        if head.deleted or target.deleted:
            return head.deleted != target.deleted
        if head.payload is target.payload:
            return False
        a, b = head.payload.tree, target.payload.tree
        if not equal(a, b):
            return True
        return None if head.payload.options != target.payload.options else False

    # --- Redis's own writes ---

    def set_one(self, c, name, item, doc):
        """A version by SET, whose numbers are not answered. A free id gets a fresh `_system`."""
        rebirth = not item.live

        def make(at, before):
            if rebirth:
                item.created = {at}
            kept = None if rebirth else before.payload.system
            return self.new_payload(doc, self.system(at, kept, None, item.created))

        self.unseen(c, item, ("CREATE" if rebirth else "UPDATE", "SET"), make, False)

    def del_one(self, c, item):
        self.unseen(c, item, ("DELETE", "DEL"), lambda at, before: before.payload, True)

    def unseen(self, c, item, ops, make, deleted):
        """A version whose cv and at are not in the answer: the driver asks HISTORY for them next
        (`learn`), before anything else is compared with them."""
        v = Version(item.head.ov + 1 if item.versions else 0, None, None, ops, None, {}, deleted)
        v.make = make
        v.window = (self.sent, self.got)
        item.versions.append(v)

    def learn(self, key, reply):
        """Takes the numbers of new versions from a HISTORY REV that followed their write."""
        c, name, item = self.item(key)
        need(isinstance(reply, list), "versions, not %s", show_short(reply))
        for got in sorted(map(as_map, reply), key=lambda got: got["ov"]):
            v = item.ov(got["ov"])
            need(v is not None, "no version %s of %s:%s", got["ov"], c.name, name)
            if v.at is None:
                self.learn_one(c, name, item, v, got)
        need(all(v.at is not None for v in item.versions[-4:]), "the new versions of %s in %s",
             text(key), show_short(reply))

    def learn_one(self, c, name, item, v, got):
        now = (self.sent, self.got)
        self.sent, self.got = v.window
        at = self.instant(got["at"], "at")
        self.sent, self.got = now
        need(at > item.asked, "at %s of %s:%s ov %s is after %s, which was asked about before",
             rules.instant(at), c.name, name, v.ov, rules.instant(item.asked))
        before = item.ov(v.ov - 1)
        if before:
            need(at >= before.at and got["cv"] > before.cv, "numbers grow along ov: %s after %s %s",
                 show_short(got), before.cv, before.at)
        need(got["cv"] not in c.cvs, "cv %s of %s is unique", got["cv"], c.name)
        v.cv, v.at = got["cv"], at
        v.op_id = text(got.get("opId"))
        c.cvs.add(v.cv)
        c.born.append(v)
        v.payload = v.make(at, before)
        self.row(got, v)

    def live_doc(self, reply, item):
        """The reply is the live document, or null."""
        if item.live:
            item.head.payload.see(reply)
        else:
            self.null(reply)

    def do_set(self, args, reply):
        flags = {text(a).upper() for a in args[3:]}
        c, name, item = self.item(args[1])
        done = not (("NX" in flags and item.live) or ("XX" in flags and not item.live))
        if "GET" in flags:
            self.live_doc(reply, item)
        elif done:
            need(isinstance(reply, Simple) and reply == "OK", "OK, not %s", show_short(reply))
        else:
            self.null(reply)
        if done:
            self.set_one(c, name, item, args[2])

    def do_setnx(self, args, reply):
        c, name, item = self.item(args[1])
        self.integer(reply, 0 if item.live else 1)
        if not item.live:
            self.set_one(c, name, item, args[2])

    def do_getset(self, args, reply):
        c, name, item = self.item(args[1])
        self.live_doc(reply, item)
        self.set_one(c, name, item, args[2])

    def do_getdel(self, args, reply):
        c, _, item = self.item(args[1])
        self.live_doc(reply, item)
        if item.live:
            self.del_one(c, item)

    def do_mset(self, args, reply):
        need(isinstance(reply, Simple) and reply == "OK", "OK, not %s", show_short(reply))
        for key, doc in zip(args[1::2], args[2::2]):
            self.set_one(*self.item(key), doc)

    def do_msetnx(self, args, reply):
        free = not any(self.item(key)[2].live for key in args[1::2])
        self.integer(reply, 1 if free else 0)
        if free:
            for key, doc in zip(args[1::2], args[2::2]):
                self.set_one(*self.item(key), doc)

    def do_del(self, args, reply):
        count = 0
        for key in args[1:]:
            c, _, item = self.item(key)
            if item.live:
                count += 1
                self.del_one(c, item)
        self.integer(reply, count)

    do_unlink = do_del


def as_list(reply):
    """A reply without the difference of RESP2 and RESP3, for comparing first and later answers."""
    if isinstance(reply, dict):
        return [as_list(x) for pair in reply.items() for x in pair]
    if isinstance(reply, list):
        return [as_list(x) for x in reply]
    if isinstance(reply, bool):
        return int(reply)
    return reply.decode("utf-8", "surrogateescape") if isinstance(reply, bytes) else reply


def good_document(doc):
    try:
        return parse(doc).kind == "object"
    except Bad:
        return False
