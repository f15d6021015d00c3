"""What the model keeps: collections, items, versions, payloads; and how it says that a reply is not
what it must be."""

import datetime

from jsontext import Bad, parse, same, show
import rules

META_ORDER = ["doc", "id", "ov", "cv", "at", "op", "actor", "reason", "size", "checksum", "deleted",
              "presigned"]
ROW_ORDER = ["ov", "cv", "at", "op", "actor", "reason", "functionId", "size", "checksum"]
MORE = {"verb", "state", "opId", "deletedAt", "functionId", "deleted", "doc", "key", "expiredAt",
        "presigned", "createdAt", "restoredFrom"}


class Mismatch(Exception):
    """The reply is not what it must be."""


def need(good, what, *facts):
    if not good:
        raise Mismatch(what % facts if facts else what)


def text(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def show_short(value, limit=300):
    out = repr(value)
    return out if len(out) <= limit else out[:limit] + "... (%d)" % len(out)


class Payload:
    """A document as it was stored: what it must be, and its bytes once they were seen."""

    def __init__(self, tree, system, options=None, base=None, touched=()):
        self.tree = tree          # of the client's part, without _system
        self.options = options    # every right text of the client's part, None: the tree decides
        self.system = system      # what _system must say
        self.base = base          # ENRICH: the payload before
        self.touched = touched    # ENRICH: the top-level keys of the patches
        self.bytes = None
        self.size = self.sum = None

    def see(self, data):
        """Somebody read it: it is right, and the same as ever."""
        need(isinstance(data, bytes), "a document, not %s", show_short(data))
        if self.bytes is not None:
            need(data == self.bytes, "the same bytes as before:\n  was %s\n  now %s",
                 show_short(self.bytes, 1500), show_short(data, 1500))
            return
        try:
            client, system = rules.split_system(data)
        except (ValueError, Bad) as why:
            raise Mismatch("a stored document: %s: %s" % (why, show_short(data, 1500))) from None
        wrong = rules.check_system(system, self.system)
        need(wrong is None, "%s in %s", wrong, show_short(data, 1500))
        if self.options is not None:
            need(client in self.options, "the client's bytes %s, not %s",
                 show_short(sorted(self.options)[0], 1500), show_short(client, 1500))
        else:
            self._see_merged(client)
        self.see_size(len(data))
        self.see_sum(rules.checksum(data))
        self.bytes = data
        self.tree = rules.without_system(parse(client))
        self.options = {client}

    def _see_merged(self, client):
        got = parse(client)
        need(same(self.tree, got), "the merged document %s, not %s",
             show_short(show(self.tree), 1500), show_short(client, 1500))
        if self.base is None or self.base.bytes is None:
            return
        before = rules.without_system(parse(self.base.bytes))
        for _, key, node in before.value:
            if key not in self.touched:
                need(got.get(key).raw == node.raw, "untouched member %r keeps its bytes", key)
        if not self.touched:
            need(client == rules.split_system(self.base.bytes)[0], "nothing was patched: %s",
                 show_short(client))

    def see_size(self, size):
        need(self.size in (None, size), "size %s, not %s", self.size, size)
        self.size = size

    def see_sum(self, digest):
        need(self.sum in (None, text(digest)), "checksum %s, not %s", self.sum, text(digest))
        self.sum = text(digest)


class Version:
    def __init__(self, ov, cv, at, ops, payload, opts, deleted=False, op_id=None):
        self.ov, self.cv, self.at = ov, cv, at
        self.op, self.verb = ops  # what chronos-db's readers know, and what the client asked for
        self.payload = payload
        self.deleted = deleted
        self.actor = opts.get("ACTOR")
        self.reason = opts.get("REASON")
        self.function = opts.get("FUNC")
        self.op_id = op_id


class Item:
    def __init__(self):
        self.versions = []
        self.asked = -1           # the latest instant that an as-of read was answered for
        self.created = set()

    @property
    def head(self):
        return self.versions[-1] if self.versions else None

    @property
    def live(self):
        return bool(self.versions) and not self.versions[-1].deleted

    def as_of(self, at):
        found = None
        for v in self.versions:
            if v.at <= at:
                found = v
        return found

    def ov(self, ov):
        return self.versions[ov] if 0 <= ov < len(self.versions) else None


class Collection:
    def __init__(self, name):
        self.name = name
        self.items = {}
        self.cv = self.at = -1    # the greatest of the rounds before
        self.born = []            # versions of this round
        self.cvs = set()

    def item(self, name):
        return self.items.setdefault(name, Item())


def options_of(args, start, spec):
    """Options after the positional arguments: {word: value}; spec: word -> number of values, -1 for
    a counted list."""
    out, i = {}, start
    while i < len(args):
        word = text(args[i]).upper()
        count = spec[word]
        i += 1
        if count == -1:
            count = int(args[i])
            out[word] = [text(a) for a in args[i + 1:i + 1 + count]]
            i += 1 + count
        elif count == 0:
            out[word] = True
        else:
            values = [text(a) for a in args[i:i + count]]
            out[word] = values[0] if count == 1 else values
            i += count
    return out


WRITE = {"ACTOR": 1, "REASON": 1, "OPID": 1, "SYNC": 0, "IFOV": 1, "FUNC": 1, "PARENT": 1,
         "ORIGIN": 3, "UPSERT": 0, "UNDELETE": 0, "OV": 1, "AT": 1}
READ = {"META": 0, "FIELDS": -1, "DELETED": 0, "HIDDEN": 0, "AT": 1}
LIST = {"FROM": 1, "TO": 1, "SINCE": 1, "UNTIL": 1, "REV": 0, "COUNT": 1, "DOCS": 0}


def time_ms(value):
    """Milliseconds of a time as the generator writes it."""
    value = text(value)
    if value.lstrip("-").isdigit():
        return int(value)
    day = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return int((day - epoch) // datetime.timedelta(milliseconds=1))
