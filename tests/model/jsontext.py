"""JSON that keeps its text, for the model: every value knows the bytes it was written with.

Written from RFC 8259, RFC 6901 and RFC 6902 and SPEC §3.9, §4, §9, not from the server. Works on
bytes. A `Node` is a scalar, an array or an object; `start` and `end` are its place in the text.
"""

import re
from decimal import Decimal

NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
BLANK = b" \t\r\n"
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


class Bad(Exception):
    """Not JSON, or a rule of SPEC §3.9 is broken. args: why, offset."""


class Node:
    """kind: null true false number string array object. value: None, the number's text, the
    string's text, a list of nodes, a list of (raw key, key, node)."""

    __slots__ = ("kind", "value", "text", "start", "end", "also")

    def __init__(self, kind, value, text=None, start=0, end=0):
        self.kind = kind
        self.value = value
        self.text = text
        self.start = start
        self.end = end
        self.also = ()  # other texts of the same number that are as right

    @property
    def raw(self):
        return self.text[self.start:self.end]

    def get(self, key):
        for _, name, node in self.value:
            if name == key:
                return node
        return None


class _Parser:
    def __init__(self, text, depth):
        self.text = text
        self.depth_max = depth

    def blank(self, i):
        text, n = self.text, len(self.text)
        while i < n and text[i] in BLANK:
            i += 1
        return i

    def value(self, i, depth):
        text = self.text
        c = text[i:i + 1]
        if c == b"{" or c == b"[":
            if depth > self.depth_max:
                raise Bad("too deep", i)
            return self.object(i, depth) if c == b"{" else self.array(i, depth)
        if c == b'"':
            return self.string(i)
        for word in (b"null", b"true", b"false"):
            if text.startswith(word, i):
                return Node(word.decode(), None, text, i, i + len(word))
        m = NUMBER.match(text, i)
        if not m:
            raise Bad("no value", i)
        return Node("number", m.group(), text, i, m.end())

    def array(self, start, depth):
        text = self.text
        items = []
        i = self.blank(start + 1)
        if text[i:i + 1] == b"]":
            return Node("array", items, text, start, i + 1)
        while True:
            node = self.value(i, depth + 1)
            items.append(node)
            i = self.blank(node.end)
            c = text[i:i + 1]
            if c == b"]":
                return Node("array", items, text, start, i + 1)
            if c != b",":
                raise Bad("no comma or end of array", i)
            i = self.blank(i + 1)

    def object(self, start, depth):
        text = self.text
        members, seen = [], set()
        i = self.blank(start + 1)
        if text[i:i + 1] == b"}":
            return Node("object", members, text, start, i + 1)
        while True:
            if text[i:i + 1] != b'"':
                raise Bad("no key", i)
            key = self.string(i)
            if key.value in seen:
                raise Bad("duplicate key", i)
            seen.add(key.value)
            i = self.blank(key.end)
            if text[i:i + 1] != b":":
                raise Bad("no colon", i)
            node = self.value(self.blank(i + 1), depth + 1)
            members.append((key.raw, key.value, node))
            i = self.blank(node.end)
            c = text[i:i + 1]
            if c == b"}":
                return Node("object", members, text, start, i + 1)
            if c != b",":
                raise Bad("no comma or end of object", i)
            i = self.blank(i + 1)

    def string(self, start):
        text = self.text
        i = start + 1
        while True:
            if i >= len(text):
                raise Bad("open string", start)
            c = text[i]
            if c == 0x22:
                break
            if c < 0x20:
                raise Bad("control character in a string", i)
            i += 2 if c == 0x5C else 1
        return Node("string", unescape(text[start + 1:i], start + 1), text, start, i + 1)


def unescape(raw, offset=0):
    """The text of a string without its quotes. Lone surrogates stay what they are."""
    if b"\\" not in raw:
        return raw.decode("utf-8")
    text = raw.decode("utf-8")
    out, i = [], 0
    while i < len(text):
        if text[i] != "\\":
            out.append(text[i])
            i += 1
            continue
        c = text[i + 1:i + 2]
        if c == "u":
            if not re.fullmatch("[0-9a-fA-F]{4}", text[i + 2:i + 6]):
                raise Bad("bad \\u escape", offset + i)
            out.append(chr(int(text[i + 2:i + 6], 16)))
            i += 6
        elif c in ESCAPES and c:
            out.append(ESCAPES[c])
            i += 2
        else:
            raise Bad("bad escape", offset + i)
    joined = "".join(out)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def parse(text, depth=128):
    """The one value of the text, blanks around it allowed. Bad."""
    text = bytes(text)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as why:
        raise Bad("not UTF-8", why.start) from None
    parser = _Parser(text, depth)
    i = parser.blank(0)
    if i == len(text):
        raise Bad("empty", i)
    node = parser.value(i, 1)
    if parser.blank(node.end) != len(text):
        raise Bad("more after the value", node.end)
    return node


def number(text):
    """A key that is equal for equal numbers, of any length and exponent."""
    d = Decimal(text.decode())
    sign, digits, exponent = d.as_tuple()
    joined = "".join(map(str, digits)).lstrip("0")
    if not joined:
        return (0, "", 0)
    cut = joined.rstrip("0")
    return (sign, cut, exponent + len(joined) - len(cut))


def canon(node):
    """A hashable value, equal for values that are equal in meaning."""
    if node.kind == "number":
        return ("n", number(node.value))
    if node.kind == "string":
        return ("s", node.value)
    if node.kind == "array":
        return ("a", tuple(canon(v) for v in node.value))
    if node.kind == "object":
        return ("o", frozenset((k, canon(v)) for _, k, v in node.value))
    return (node.kind,)


def equal(a, b):
    return canon(a) == canon(b)


def same(a, b):
    """Equal but for blanks: order of keys, text of keys, numbers and strings. `a` is what is
    expected; its numbers may name other texts in `also`."""
    if a.kind != b.kind:
        return False
    if a.kind == "number":
        return a.value == b.value or b.value in a.also
    if a.kind == "string":
        return a.raw == b.raw
    if a.kind == "array":
        return len(a.value) == len(b.value) and all(map(same, a.value, b.value))
    if a.kind == "object":
        return len(a.value) == len(b.value) and all(
            ra == rb and same(x, y) for (ra, _, x), (rb, _, y) in zip(a.value, b.value))
    return True


def show(node):
    """The text of a tree without blanks, also of one that was put together by hand."""
    if node.kind == "array":
        return b"[" + b",".join(map(show, node.value)) + b"]"
    if node.kind == "object":
        return b"{" + b",".join(k + b":" + show(v) for k, _, v in node.value) + b"}"
    return node.raw


def quote(text):
    """A str as a JSON string; for texts without surrogates."""
    out = ['"']
    for c in text:
        if c in '"\\':
            out.append("\\" + c)
        elif c < " ":
            out.append("\\u%04x" % ord(c))
        else:
            out.append(c)
    return ("".join(out) + '"').encode("utf-8")


def depth(node):
    if node.kind == "array":
        return 1 + max(map(depth, node.value), default=0)
    if node.kind == "object":
        return 1 + max((depth(v) for _, _, v in node.value), default=0)
    return 0


def plain(node):
    """Python values; numbers as Decimal."""
    if node.kind == "array":
        return [plain(v) for v in node.value]
    if node.kind == "object":
        return {k: plain(v) for _, k, v in node.value}
    if node.kind == "number":
        return Decimal(node.value.decode())
    return {"null": None, "true": True, "false": False}.get(node.kind, node.value)


# --- JSON Pointer and JSON Patch ---

def pointer_segments(pointer):
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise Bad("no JSON Pointer", 0)
    return [s.replace("~1", "/").replace("~0", "~") for s in pointer[1:].split("/")]


def pointer(segments):
    return "".join("/" + s.replace("~", "~0").replace("/", "~1") for s in segments)


def leaves(node, path=()):
    """(JSON Pointer, node) of every scalar and empty container below a node."""
    if node.kind == "object" and node.value:
        for _, key, value in node.value:
            yield from leaves(value, path + (key,))
    elif node.kind == "array" and node.value:
        for i, value in enumerate(node.value):
            yield from leaves(value, path + (str(i),))
    else:
        yield pointer(path), node


def find(node, segments):
    """The node at the segments, or None."""
    for s in segments:
        if node.kind == "object":
            node = node.get(s)
        elif node.kind == "array" and re.fullmatch("0|[1-9][0-9]*", s) and int(s) < len(node.value):
            node = node.value[int(s)]
        else:
            return None
        if node is None:
            return None
    return node


def _copy(node):
    if node.kind in ("array", "object"):
        values = [_copy(v) for v in node.value] if node.kind == "array" else \
            [(r, k, _copy(v)) for r, k, v in node.value]
        return Node(node.kind, values)
    return node


def _index(segment, length):
    if not re.fullmatch("0|[1-9][0-9]*", segment) or int(segment) > length:
        raise Bad("no such index %s" % segment, 0)
    return int(segment)


def _add(root, segments, value):
    if not segments:
        return value
    parent = find(root, segments[:-1])
    last = segments[-1]
    if parent is None:
        raise Bad("no parent for add", 0)
    if parent.kind == "array":
        i = len(parent.value) if last == "-" else _index(last, len(parent.value))
        parent.value.insert(i, value)
    elif parent.kind == "object":
        for i, (raw, key, _) in enumerate(parent.value):
            if key == last:
                parent.value[i] = (raw, key, value)
                return root
        parent.value.append((quote(last) if last.isprintable() else b'"?"', last, value))
    else:
        raise Bad("add below a scalar", 0)
    return root


def _remove(root, segments):
    parent = find(root, segments[:-1]) if segments else None
    if parent is None or find(root, segments) is None:
        raise Bad("nothing to remove", 0)
    if parent.kind == "array":
        del parent.value[int(segments[-1])]
    else:
        parent.value[:] = [m for m in parent.value if m[1] != segments[-1]]
    return root


def patch(node, operations):
    """Applies an RFC 6902 patch (a parsed array); the result is a new tree. Bad when it does not
    apply."""
    root = _copy(node)
    if operations.kind != "array":
        raise Bad("a patch is an array", 0)
    for op in operations.value:
        if op.kind != "object" or op.get("op") is None or op.get("path") is None:
            raise Bad("an operation has op and path", 0)
        verb = op.get("op").value
        path = pointer_segments(op.get("path").value)
        if verb in ("add", "replace", "test") and op.get("value") is None:
            raise Bad(verb + " has no value", 0)
        if verb == "add":
            root = _add(root, path, _copy(op.get("value")))
        elif verb == "remove":
            root = _remove(root, path)
        elif verb == "replace":
            root = _replace(root, path, _copy(op.get("value")))
        elif verb in ("move", "copy"):
            source = find(root, pointer_segments(op.get("from").value))
            if source is None:
                raise Bad("nothing at from", 0)
            source = _copy(source)
            if verb == "move":
                root = _remove(root, pointer_segments(op.get("from").value))
            root = _add(root, path, source)
        elif verb == "test":
            found = find(root, path)
            if found is None or not equal(found, op.get("value")):
                raise Bad("test failed", 0)
        else:
            raise Bad("unknown operation " + str(verb), 0)
    return root


def _replace(root, segments, value):
    if find(root, segments) is None:
        raise Bad("nothing to replace at %s" % "/".join(segments), 0)
    if not segments:
        return value
    parent = find(root, segments[:-1])
    if parent.kind == "array":
        parent.value[int(segments[-1])] = value
        return root
    return _add(root, segments, value)
