"""Makes commands for the model test: valid ones that know the model's state, retries, and bad ones.

A command is a `Cmd`: its arguments, of which some are symbols that get their value when the
command is sent (an instant of a version, the key of a minted item), so that a run can be replayed
and shortened although instants and minted ids are different each time.
"""

import time

from jsontext import parse, show
from facts import text
import rules

COLLECTIONS = ["users", "c.2", "A_b-c", "logs"]
IDS = ["1", "hot", "65f0c0ffee65f0c0ffee65f0", "65F0C0FFEE65F0C0FFEE65AB",
       "\u043f\u0440\u0438\u0432\u0435\u0442", "a:b", "with blank", "e\u0301\U0001f600", "-", "z" * 200, "q?*[x]", "{tag}", "9", "100", "x.y",
       "k1", "k2", "k3"]
ACTORS = ["ann", "bob", "job 7", "\u00fcnal", ""]


class Skip(Exception):
    """A symbol has no value in this (shortened) run."""


class Minted:
    """The key of the n-th minted item."""

    def __init__(self, n):
        self.n = n

    def __str__(self):
        return "<minted %d>" % self.n

    def resolve(self, model):
        if self.n >= len(model.minted):
            raise Skip
        return model.minted[self.n].encode()


class Instant:
    """The instant of a version, moved by some milliseconds, never in the future. key None: now."""

    def __init__(self, key, ov, delta, iso):
        self.key, self.ov, self.delta, self.iso = key, ov, delta, iso

    def resolve(self, model):
        at = now_ms()
        if self.key is not None:
            key = self.key.resolve(model) if isinstance(self.key, Minted) else self.key
            v = model.item(key)[2].ov(self.ov)
            if v is None or v.at is None:
                raise Skip
            at = min(v.at + self.delta, at)
        return (rules.instant(at) if self.iso else str(at)).encode()


class Cmd:
    """bad: the error words that are right for a command that must be refused, None: a good one."""

    def __init__(self, args, bad=None, offset=False):
        self.args = args
        self.bad = bad
        self.offset = offset  # the error must name a byte offset

    def resolve(self, model):
        out = []
        for a in self.args:
            if isinstance(a, (Minted, Instant)):
                a = a.resolve(model)
            out.append(a if isinstance(a, bytes) else str(a).encode("utf-8", "surrogateescape"))
        return out


def now_ms():
    return time.time_ns() // 1000000


class Documents:
    """JSON texts: odd blanks, odd numbers, odd keys."""

    KEYS = ["a", "b", "c", "name", "list", "tags", "o", "x.y", "$k", "", "\u043a\u043b\u044e\u0447", "/s",
            "t~", "\\u0061bc", "deep", "n1"]
    NUMBERS = ["0", "1", "1.0", "1e0", "-1", "-0.0", "9007199254740993", "18446744073709551615",
               "0.1e-7", "1E400", "12345678901234567890.123456789", "2", "3", "7"]
    STRINGS = ["", "x", "y", "z\u00fc", "\\ud83d\\ude00", "\\ud800", "\\u0000", "a\\\"b\\\\c\\/d",
               "\U0001f600", "\\n\\t", "long " * 9]

    def __init__(self, rng):
        self.rng = rng

    def blank(self):
        return self.rng.choice(["", "", "", "", " ", "\n  ", "\t", " \r\n"]) if self.loose else ""

    def scalar(self):
        r = self.rng.random()
        if r < 0.4:
            return self.rng.choice(self.NUMBERS)
        if r < 0.8:
            return '"' + self.rng.choice(self.STRINGS) + '"'
        return self.rng.choice(["true", "false", "null"])

    def array(self, depth):
        items = []
        for _ in range(self.rng.randrange(5)):
            if self.rng.random() < 0.3:
                name = self.rng.choice(["id", "id", "_id"])
                items.append('{"%s":%s%s,"v":%s}' % (
                    name, self.blank(), self.rng.choice(["1", "1.0", '"k"', "2"]), self.scalar()))
            else:
                items.append(self.value(depth + 1))
        b = self.blank()
        return "[" + b + ("," + b).join(items) + b + "]"

    def object(self, depth, count=None):
        count = self.rng.randrange(5) if count is None else count
        keys = self.rng.sample(self.KEYS, count)
        return "{" + ",".join(self.blank() + '"' + k + '"' + self.blank() + ":" + self.blank()
                              + self.value(depth + 1) + self.blank() for k in keys) + "}"

    def value(self, depth):
        r = self.rng.random()
        if r < 0.6 or depth > 4:
            return self.scalar()
        return self.array(depth) if r < 0.8 else self.object(depth)

    def document(self, head=None):
        """A whole document; often the head's with a few changes."""
        self.loose = self.rng.random() < 0.5
        if head is not None and self.rng.random() < 0.5:
            doc = self.changed(head)
        else:
            doc = self.object(1, self.rng.randrange(9)).encode()
        r = self.rng.random()
        if r < 0.1:
            doc = self.with_system(doc)
        elif r < 0.14:
            doc = self.padded(doc, self.rng.choice([1500, 2100, 5000, 70000]))
        return doc

    def changed(self, tree):
        members = [(raw, node.raw if node.text else show(node)) for raw, _, node in tree.value]
        for _ in range(self.rng.randrange(3)):
            if members and self.rng.random() < 0.5:
                i = self.rng.randrange(len(members))
                if self.rng.random() < 0.3:
                    del members[i]
                else:
                    members[i] = (members[i][0], self.value(2).encode())
            else:
                key = ('"n%d"' % self.rng.randrange(20)).encode()
                if key not in [raw for raw, _ in members]:
                    members.append((key, self.value(2).encode()))
        return b"{" + b",".join(raw + b":" + value for raw, value in members) + b"}"

    def with_system(self, doc):
        """A client's own _system, somewhere."""
        tree = parse(doc)
        members = [raw + b":" + node.raw for raw, _, node in tree.value]
        system = self.rng.choice([b'"_system":{"insertedAt":"x","functionIds":["evil"]}',
                                  b'"_system" : 5', b'"\\u005fsystem":[1,{"_system":2}]'])
        members.insert(self.rng.randrange(len(members) + 1), system)
        comma = self.rng.choice([b",", b" , ", b",\n "])
        return b"{" + comma.join(members) + b"}"

    def padded(self, doc, size):
        tree = parse(doc)
        if tree.get("pad") is not None:
            return doc
        pad = b'"pad":"' + b"p" * size + b'"'
        return b"{" + pad + (b"," if tree.value else b"") + doc[1:]

    def patches(self):
        self.loose = self.rng.random() < 0.3
        if self.rng.random() < 0.1:
            return b"{}"
        one = [self.object(1, 1 + self.rng.randrange(3)) for _ in range(1 + self.rng.randrange(3))]
        if self.rng.random() < 0.1:
            one[0] = '{"_system":{"state":"evil"},"p":1}'
        return one[0].encode() if self.rng.random() < 0.6 else ("[" + ",".join(one) + "]").encode()


class Generator:
    def __init__(self, rng, model):
        self.rng = rng
        self.model = model
        self.docs = Documents(rng)
        self.ops = []       # commands with an OPID that were made, for retries
        self.count = 0

    # --- parts ---

    def key(self, share, of, hot=True):
        """A key of this connection's share of the items."""
        r = self.rng.random()
        mine = [n for n in range(len(self.model.minted)) if n % of == share]
        if r < 0.25 and mine:
            return Minted(self.rng.choice(mine[-20:]))
        if r < 0.5 and hot:
            return "users:" + IDS[share % len(IDS)]
        ids = [i for n, i in enumerate(IDS) if n % of == share]
        return self.rng.choice(COLLECTIONS) + ":" + self.rng.choice(ids)

    def at_key(self, key):
        return self.model.item(key.resolve(self.model) if isinstance(key, Minted) else key)[2]

    def head_tree(self, key):
        item = self.at_key(key)
        return item.head.payload.tree if item.versions and item.head.payload else None

    def instant(self, key):
        item = self.at_key(key)
        iso = self.rng.random() < 0.5
        known = [v for v in item.versions if v.at is not None]
        if not known or self.rng.random() < 0.25:
            return Instant(None, 0, 0, iso)
        v = self.rng.choice(known[-4:] if self.rng.random() < 0.5 else known)
        return Instant(key, v.ov, self.rng.choice([0, 0, 0, -1, 1, 5, -10000]), iso)

    def shuffled(self, options):
        self.rng.shuffle(options)
        return [a for option in options for a in option]

    def write_options(self, extra=(), op=True, ifov=None):
        out = [list(e) for e in extra]
        r = self.rng
        if r.random() < 0.3:
            out.append([r.choice(["ACTOR", "actor"]), r.choice(ACTORS[:4])])
        if r.random() < 0.2:
            out.append(["REASON", r.choice(["why not", "\u00df" * 20, "r" * 1024])])
        if op and r.random() < 0.25:
            self.count += 1
            out.append(["OPID", "op-%d" % self.count])
        if r.random() < 0.05:
            out.append(["SYNC"])
        if ifov is not None and r.random() < 0.25:
            out.append(["IFOV", str(max(0, ifov + r.choice([0, 0, 0, 1, -1])))])
        return self.shuffled(out)

    def read_options(self):
        out, r = [], self.rng
        if r.random() < 0.3:
            out.append(["META"])
        if r.random() < 0.2:
            paths = r.sample(["a", "b", "list", "o.a", "list.v", "/a", "/o/b", "list.0", "nothing",
                              "a.b.c", "_system.insertedAt", "tags", "/x.y"], 1 + r.randrange(3))
            out.append(["FIELDS", str(len(paths))] + paths)
        if r.random() < 0.2:
            out.append(["DELETED"])
        return self.shuffled(out)

    # --- commands ---

    WEIGHTS = [("create", 8), ("update", 14), ("enrich", 8), ("delete", 4), ("restore", 7),
               ("bulk", 2), ("retry", 5), ("set", 6), ("setnx", 2), ("getset", 2), ("getdel", 2),
               ("mset", 2), ("msetnx", 2), ("del_", 2), ("get", 8), ("plain_get", 3),
               ("getversion", 6), ("getasof", 8), ("mget", 4), ("plain_mget", 2), ("history", 6),
               ("diff", 4), ("blame", 4), ("opstatus", 2), ("small", 3), ("bad", 5)]

    def command(self, share=0, of=1):
        names, weights = zip(*self.WEIGHTS)
        name = self.rng.choices(names, weights)[0]
        if name == "bad":
            return bad_command(self.rng, self, share, of)
        cmd = Cmd(getattr(self, name)(share, of))
        if "OPID" in cmd.args:
            self.ops.append(cmd)
        return cmd

    def with_op(self):
        """A write with an OPID, to be sent by several connections at once."""
        while True:
            cmd = Cmd(getattr(self, self.rng.choice(["create", "update", "enrich", "delete",
                                                     "restore", "bulk"]))(0, 1))
            if "OPID" in cmd.args:
                self.ops.append(cmd)
                return cmd

    def create(self, share, of):
        r = self.rng
        key = r.choice(COLLECTIONS) + r.choice([":", ""]) if r.random() < 0.4 else \
            self.key(share, of, False)
        extra = []
        if r.random() < 0.15:
            extra.append(["PARENT", "users:p%d" % r.randrange(3)])
        if r.random() < 0.15:
            extra.append(["ORIGIN", "sys", "things", "o-9"])
        if r.random() < 0.2:
            extra.append(["FUNC", r.choice(["f1", "f2"])])
        return ["CHRONOS.CREATE", key, self.docs.document()] + self.write_options(extra)

    def update(self, share, of):
        key = self.key(share, of)
        item = self.at_key(key)
        extra = []
        if self.rng.random() < 0.3:
            extra.append(["UNDELETE"])
        ifov = item.head.ov if item.versions else None
        if self.rng.random() < 0.5 and ifov is None:
            extra.append(["UPSERT"])
        return ["chronos.update", key, self.docs.document(self.head_tree(key))] + \
            self.write_options(extra, ifov=ifov)

    def enrich(self, share, of):
        key = self.key(share, of)
        item = self.at_key(key)
        extra = [["FUNC", self.rng.choice(["f1", "f2", "f3"])]] if self.rng.random() < 0.4 else []
        return ["CHRONOS.ENRICH", key, self.docs.patches()] + \
            self.write_options(extra, ifov=item.head.ov if item.versions else 1)

    def delete(self, share, of):
        key = self.key(share, of)
        item = self.at_key(key)
        return ["CHRONOS.DELETE", key] + \
            self.write_options(ifov=item.head.ov if item.versions else 1)

    def restore(self, share, of):
        key = self.key(share, of)
        item = self.at_key(key)
        if self.rng.random() < 0.5:
            what = ["OV", str(self.rng.randrange(len(item.versions) + 1))]
        else:
            what = ["AT", self.instant(key)]
        return ["CHRONOS.RESTORE", key] + \
            self.write_options([what], ifov=item.head.ov if item.versions else None)

    def bulk(self, share, of):
        docs = [self.docs.document() for _ in range(1 + self.rng.randrange(5))]
        if self.rng.random() < 0.2:
            docs[self.rng.randrange(len(docs))] = b'{"broken":'
        return ["CHRONOS.BULK", self.rng.choice(COLLECTIONS) + ":", str(len(docs))] + docs + \
            self.write_options()

    def retry(self, share, of):
        """The same request again, or another one under the same OPID."""
        if not self.ops:
            return ["PING"]
        old = self.rng.choice(self.ops[-30:])
        op = old.args[old.args.index("OPID") + 1]
        if self.rng.random() < 0.7 or op not in self.model.ops:
            return list(old.args) if op in self.model.ops else ["PING"]
        args = list(old.args)
        if args[0] == "CHRONOS.BULK":
            return args
        if args[0].upper() in ("CHRONOS.CREATE", "CHRONOS.UPDATE", "CHRONOS.ENRICH"):
            args[2] = b'{"another":"document"}'
        else:
            args = ["CHRONOS.UPDATE", "users:1", b'{"another":"command"}', "OPID", op]
        return args

    def set(self, share, of):
        key = self.key(share, of)
        flags = self.rng.choice([[], [], ["NX"], ["xx"], ["GET"], ["GET", "NX"], ["XX", "GET"]])
        return ["SET", key, self.docs.document(self.head_tree(key))] + list(flags)

    def setnx(self, share, of):
        return ["SETNX", self.key(share, of), self.docs.document()]

    def getset(self, share, of):
        return ["GETSET", self.key(share, of), self.docs.document()]

    def getdel(self, share, of):
        return ["GETDEL", self.key(share, of)]

    def pairs(self, share, of):
        out = []
        for _ in range(1 + self.rng.randrange(3)):
            out += [self.key(share, of), self.docs.document()]
        return out

    def mset(self, share, of):
        return ["MSET"] + self.pairs(share, of)

    def msetnx(self, share, of):
        keys, out = set(), []
        for key, doc in zip(*[iter(self.pairs(share, of))] * 2):
            name = self.model.item(key.resolve(self.model) if isinstance(key, Minted) else key)[:2]
            if name not in keys:
                keys.add(name)
                out += [key, doc]
        return ["MSETNX"] + out

    def del_(self, share, of):
        return [self.rng.choice(["DEL", "unlink"])] + \
            [self.key(share, of) for _ in range(1 + self.rng.randrange(2))]

    def get(self, share, of):
        return ["CHRONOS.GET", self.key(share, of)] + self.read_options()

    def plain_get(self, share, of):
        return ["GET", self.key(share, of)]

    def getversion(self, share, of):
        key = self.key(share, of)
        count = len(self.at_key(key).versions)
        return ["CHRONOS.GETVERSION", key, str(self.rng.randrange(count + 2))] + self.read_options()

    def getasof(self, share, of):
        key = self.key(share, of)
        return ["CHRONOS.GETASOF", key, self.instant(key)] + self.read_options()

    def mget(self, share, of):
        keys = [self.key(share, of) for _ in range(1 + self.rng.randrange(5))]
        options = self.read_options()
        if self.rng.random() < 0.4:
            options += ["AT", self.instant(keys[0])]
        return ["CHRONOS.MGET", str(len(keys))] + keys + options

    def plain_mget(self, share, of):
        return ["MGET"] + [self.key(share, of) for _ in range(1 + self.rng.randrange(5))]

    def history(self, share, of):
        key, r, out = self.key(share, of), self.rng, []
        top = len(self.at_key(key).versions) + 1
        for word in ("FROM", "TO"):
            if r.random() < 0.3:
                out.append([word, str(r.randrange(top))])
        for word in ("SINCE", "UNTIL"):
            if r.random() < 0.2:
                out.append([word, self.instant(key)])
        if r.random() < 0.4:
            out.append(["REV"])
        if r.random() < 0.4:
            out.append(["COUNT", str(1 + r.randrange(8))])
        if r.random() < 0.4:
            out.append(["DOCS"])
        return ["CHRONOS.HISTORY", key] + self.shuffled(out)

    def diff(self, share, of):
        key = self.key(share, of)
        top = len(self.at_key(key).versions) + 1
        return ["CHRONOS.DIFF", key, str(self.rng.randrange(top)), str(self.rng.randrange(top))]

    def blame(self, share, of):
        path = self.rng.choice([[], [], ["/a"], ["list"], ["o.a"], ["/list/0"], ["/nothing"]])
        return ["CHRONOS.BLAME", self.key(share, of)] + path

    def opstatus(self, share, of):
        known = sorted(op for op, (request, _) in self.model.ops.items()
                       if request[0] != "CHRONOS.BULK")  # whose elements have the names
        known.append("never-%d" % self.rng.randrange(99))
        return ["CHRONOS.OPSTATUS", self.rng.choice(known)]

    def small(self, share, of):
        key = self.key(share, of)
        name = self.rng.choice(["EXISTS", "STRLEN", "TYPE", "PING"])
        if name == "EXISTS":
            return [name, key, key, self.key(share, of)]
        return [name] if name == "PING" else [name, key]

    def single(self):
        """Commands that look at everything: only while nothing else is on its way."""
        return Cmd(self.rng.choice([["DBSIZE"], ["RANDOMKEY"]] + [
            ["CHRONOS.ADMIN", "VERIFY", c + ":"] for c in COLLECTIONS
            if self.model.place(c)[0].items]))


GOOD = b'{"a":1}'
BAD_JSON = [b"", b"{", b'{"a":1', b"nul", b'{"a":1}}', b'{"a":1,}', b'{"a" 1}', b'{"a":01}',
            b'{"a":1.}', b'{"a":+1}', b'{"a":.5}', b"{'a':1}", b'{"a":"\n"}', b'{"a":"\\x"}',
            b'{"a":"\\u12g4"}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"\xc0\xaf":1}',
            b'{"a":tru}', b'{"a":NaN}', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}',
            b'{"x":{"k":1,"k":1}}', b'{"a":[1,2}', b'{"a":1}x', b'{"a":"' + b"\x00" + b'"}',
            b'{"d":' + b"[" * 128 + b"]" * 128 + b"}", b'\xef\xbb\xbf{"a":1}']
NOT_OBJECTS = [b"[]", b"1", b'"text"', b"null", b"true", b'[{"a":1}]', b"hello"]
BAD_KEYS = [":x", ".a:1", "$a:1", "__a:1", "a b:1", "users:.x", "users:a/b", "users:a\\b",
            "users:a\x01b", "users:" + "x" * 201, "c" * 121 + ":1", b"users:\xff\xfe", "",
            "\u00e9:1"]


def bad_command(rng, gen, share, of):
    """A command that must be refused and change nothing, and the error words that are right."""
    key = gen.key(share, of)
    kind = rng.randrange(9)
    if kind == 0:
        doc = rng.choice(BAD_JSON)
        args = rng.choice([["CHRONOS.CREATE", "users:"], ["CHRONOS.UPDATE", key, "UPSERT"],
                           ["SET", key], ["GETSET", key], ["SETNX", key], ["CHRONOS.ENRICH", key],
                           ["MSET", key, GOOD, key]])
        if args[-1] == "UPSERT":
            return Cmd(args[:2] + [doc] + args[2:], {"VALIDATION"}, True)
        return Cmd(args + [doc], {"VALIDATION"}, True)
    if kind == 1:
        doc = rng.choice(NOT_OBJECTS)
        return Cmd(rng.choice([["CHRONOS.CREATE", "users:", doc], ["SET", key, doc],
                               ["CHRONOS.UPDATE", key, doc], ["MSET", key, GOOD, key, doc]]),
                   {"VALIDATION"})
    if kind == 2:
        name = rng.choice(BAD_KEYS)
        return Cmd(rng.choice([["CHRONOS.CREATE", name, GOOD], ["CHRONOS.UPDATE", name, GOOD],
                               ["SET", name, GOOD], ["CHRONOS.GET", name], ["GET", name],
                               ["CHRONOS.HISTORY", name], ["CHRONOS.DELETE", name],
                               ["CHRONOS.GETVERSION", name, "0"]]), {"VALIDATION"})
    if kind == 3:
        return Cmd(rng.choice([["CHRONOS.GET", "nosuchroute/users:1"],
                               ["CHRONOS.CREATE", "nosuchroute/users:", GOOD],
                               ["GET", "no.such.route/users:1"]]), {"NOROUTE"})
    if kind == 4:
        return Cmd(rng.choice([["CHRONOS.HISTORY", "users:"], ["CHRONOS.GET", "users"],
                               ["GET", "users:"], ["SET", "users:", GOOD], ["DEL", "users"],
                               ["CHRONOS.UPDATE", "users:", GOOD], ["CHRONOS.BLAME", "users"],
                               ["CHRONOS.BULK", "users:1", "1", GOOD],
                               ["CHRONOS.UPDATE", key, GOOD, "ACTOR", "a" * 1025],
                               ["CHRONOS.UPDATE", key, GOOD, "REASON", "a" * 1025]]),
                   {"VALIDATION"})
    if kind == 5:
        patch = rng.choice([b"[]", b"5", b"[1]", b'[{},"x"]', b'"x"', b"null", b"[[{}]]"])
        return Cmd(["CHRONOS.ENRICH", key, patch], {"VALIDATION", "NOTFOUND"})
    if kind == 6:
        args = rng.choice(bad_times(key))
        return Cmd(args, {"ERR", "NOTFOUND"} if args[-1].isdigit() else {"ERR"})
    return Cmd(rng.choice(bad_words(key)), {"ERR"})


def bad_times(key):
    soon = str(now_ms() + 3600000)
    return [["CHRONOS.GETASOF", key, t] for t in
            ("yesterday", "", "2026-09-01", "2026-09-01T00:00:00", "2026-13-01T00:00:00Z",
             "2026-02-30T00:00:00Z", "1e12", "12:00", soon, "9223372036854775808",
             "2026-09-01T25:00:00Z", " 5", "5 ", "0x10")] + [
        ["CHRONOS.MGET", "1", key, "AT", soon], ["CHRONOS.RESTORE", key, "AT", soon],
        ["CHRONOS.HISTORY", key, "SINCE", "never"], ["CHRONOS.RESTORE", key, "AT", "noon"]]


def bad_words(key):
    """Faults of the command line alone."""
    return [
        ["CHRONOS.CREATE"], ["CHRONOS.CREATE", key], ["CHRONOS.GET"], ["CHRONOS.GETVERSION", key],
        ["CHRONOS.CREATE", "users:", GOOD, "BOGUS"], ["CHRONOS.CREATE", "users:", GOOD, "ACTOR"],
        ["CHRONOS.CREATE", "users:", GOOD, "ACTOR", "a", "ACTOR", "b"],
        ["CHRONOS.CREATE", "users:", GOOD, "IFOV", "0"],
        ["CHRONOS.UPDATE", key, GOOD, "IFOV", "x"], ["CHRONOS.UPDATE", key, GOOD, "IFOV", "-1"],
        ["CHRONOS.UPDATE", key, GOOD, "IFOV", "1.5"],
        ["CHRONOS.UPDATE", key, GOOD, "IFOV", "9223372036854775808"],
        ["CHRONOS.UPDATE", key, GOOD, "PARENT", "a:b"], ["CHRONOS.DELETE", key, "UNDELETE"],
        ["CHRONOS.RESTORE", key], ["CHRONOS.RESTORE", key, "OV", "0", "AT", "0"],
        ["CHRONOS.RESTORE", key, "OV", "x"], ["CHRONOS.RESTORE", key, "OV", "-1"],
        ["CHRONOS.GETVERSION", key, "x"], ["CHRONOS.GETVERSION", key, "-1"],
        ["CHRONOS.GETVERSION", key, "1.0"], ["CHRONOS.GETVERSION", key, ""],
        ["CHRONOS.GET", key, "FIELDS"], ["CHRONOS.GET", key, "FIELDS", "0"],
        ["CHRONOS.GET", key, "FIELDS", "3", "a"], ["CHRONOS.GET", key, "FIELDS", "-1", "a"],
        ["CHRONOS.GET", key, "META", "META"], ["CHRONOS.GET", key, "NOPE"],
        ["CHRONOS.MGET", "0"], ["CHRONOS.MGET", "2", key], ["CHRONOS.MGET", "x", key],
        ["CHRONOS.MGET", "1", key, "AT", "0", "AT", "0"],
        ["CHRONOS.HISTORY", key, "COUNT", "0"], ["CHRONOS.HISTORY", key, "COUNT", "10001"],
        ["CHRONOS.HISTORY", key, "COUNT", "x"], ["CHRONOS.HISTORY", key, "FROM", "a"],
        ["CHRONOS.HISTORY", key, "REV", "REV"], ["CHRONOS.DIFF", key, "0"],
        ["CHRONOS.DIFF", key, "0", "x"], ["CHRONOS.DIFF", key, "0", "1", "2"],
        ["CHRONOS.BULK", "users:", "2", GOOD], ["CHRONOS.BULK", "users:", "0"],
        ["CHRONOS.BULK", "users:", "x", GOOD], ["CHRONOS.OPSTATUS"],
        ["SET", key], ["SET", key, GOOD, "NX", "XX"], ["SET", key, GOOD, "NOPE"],
        ["SETNX", key], ["GETSET", key], ["MSET", key], ["MSET", key, GOOD, key],
        ["MSETNX", key], ["STRLEN"], ["TYPE"], ["EXISTS"], ["DEL"], ["GET"], ["GET", key, key],
        ["SCAN"], ["SCAN", "x"], ["SCAN", "0", "COUNT", "0"], ["SCAN", "0", "COUNT"],
        ["SCAN", "0", "NOPE", "1"], ["DBSIZE", "1"], ["NOSUCHCOMMAND", "a"], ["CHRONOS.NOSUCH"],
        ["CHRONOS.ADMIN", "NOSUCH"], ["CHRONOS.ADMIN"],
    ]


def printable(args, model=None):
    """A command as a person would type it into redis-cli."""
    out = []
    for a in args:
        if isinstance(a, Instant):
            a = "<at of %s ov %s %+d>" % (a.key, a.ov, a.delta) if a.key is not None else "<now>"
        a = text(a) if isinstance(a, bytes) else str(a)
        if len(a) > 400:
            a = a[:200] + "...(%d)" % len(a)
        plain = a and all(c.isalnum() or c in "-_.:/<>+" for c in a)
        out.append(a if plain else "'" + a.encode("unicode_escape").decode() + "'")
    return " ".join(out)
