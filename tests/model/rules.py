"""The rules of documents, for the model, written from SPEC §3.8, §3.9, §4 and §9: where `_system`
goes, deep merge, projection. Independent of the server's code, and slow on purpose: trees, not
slices.
"""

import hashlib

from jsontext import Node, canon, equal, parse, show

SYSTEM_KEYS = ["insertedAt", "updatedAt", "deletedAt", "deleted", "functionIds", "state",
               "parentId", "parentCollection", "originId", "originCollection"]
SYSTEM_EXTRA = {"originSystem"}


def instant(ms):
    """YYYY-MM-DDTHH:MM:SS.mmmZ"""
    import datetime
    day = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return day.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (ms % 1000)


def instant_ms(text):
    """The milliseconds of an instant in exactly that form; ValueError."""
    import datetime
    if isinstance(text, bytes):
        text = text.decode()
    if len(text) != 24 or text[-1] != "Z" or text[19] != ".":
        raise ValueError("not an instant: %r" % text)
    day = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return int((day - datetime.datetime(1970, 1, 1)) / datetime.timedelta(milliseconds=1))


def checksum(data):
    return hashlib.sha256(data).hexdigest()


# --- composition ---

def strip_system(text):
    """Every text that the document may have without its top-level `_system`: it goes with its
    comma, and the blanks beside that may go or stay; no other byte changes."""
    node = parse(text)
    text = text[node.start:node.end]
    node = parse(text)
    members = node.value
    place = [i for i, (_, key, _) in enumerate(members) if key == "_system"]
    if not place:
        return {text}
    spans = _member_spans(text, node)
    i = place[0]
    start, end = spans[i]
    if len(members) == 1:
        left, right = text[:start], text[end:]
        return {left + right, left.rstrip() + right.lstrip(), left + right.lstrip(),
                left.rstrip() + right}
    out = set()
    if i + 1 < len(members):
        comma = text.index(b",", end)
        for cut in {comma + 1, spans[i + 1][0]}:
            out.add(text[:start] + text[cut:])
    if i > 0:
        comma = text.rindex(b",", 0, start)
        for cut in {comma, spans[i - 1][1]}:
            out.add(text[:cut] + text[end:])
            out.add(text[:cut] + text[end:].lstrip())
    return out


def _member_spans(text, node):
    """(start of the key, end of the value) of each member."""
    spans, i = [], node.start + 1
    for raw, _, value in node.value:
        start = text.index(raw, i)
        spans.append((start, value.end))
        i = value.end
    return spans


def split_system(text):
    """(the document without `_system`, the tree of `_system`) of a stored document, or a ValueError
    that says what is wrong: `_system` is the last member, directly after the last byte of the one
    before, and compact."""
    node = parse(text)
    if node.kind != "object" or not node.value:
        raise ValueError("no object with _system: %r" % text[:200])
    raw, key, system = node.value[-1]
    if key != "_system" or raw != b'"_system"' or system.kind != "object":
        raise ValueError("_system is not the last member")
    start, _ = _member_spans(text, node)[-1]
    if len(node.value) == 1:
        # Nothing before: the blanks inside the empty object may stand on either side.
        return text[:start] + text[system.end:], system
    before = node.value[-2][2].end
    if text[before:start] != b",":
        raise ValueError("_system does not stand directly after the last member")
    if show(system) != system.raw or text[start:system.end] != b'"_system":' + system.raw:
        raise ValueError("_system is not compact")
    return text[:before] + text[system.end:], system


def check_system(system, want):
    """Compares a tree of `_system` with what it must say: a dict of insertedAt, updatedAt,
    functionIds, parentId ... (ms, lists, str). Returns what is wrong, or None."""
    keys = [key for _, key, _ in system.value]
    order = [k for k in SYSTEM_KEYS if k in keys]
    if [k for k in keys if k not in SYSTEM_EXTRA] != order:
        return "members of _system: %s" % keys
    for name in ("insertedAt", "updatedAt"):
        node = system.get(name)
        if node is None or node.kind != "string":
            return "_system.%s is missing" % name
        options = want[name] if isinstance(want[name], set) else {want[name]}
        if node.value not in {instant(ms) for ms in options}:
            return "_system.%s is %s, not %s" % (name, node.value, want[name])
    for name, none in (("deletedAt", ("null",)), ("deleted", ("false", "null"))):
        node = system.get(name)
        if node is not None and node.kind not in none:
            return "_system.%s in a live document" % name
    ids = system.get("functionIds")
    found = [n.value for n in ids.value] if ids is not None else []
    if found != want["functionIds"]:
        return "_system.functionIds is %s, not %s" % (found, want["functionIds"])
    state = system.get("state")
    if state is None or state.value not in ("new", "new-not-synched"):
        return "_system.state is %s" % (state and state.value)
    for name in ("parentId", "parentCollection", "originSystem", "originId", "originCollection"):
        node = system.get(name)
        found = node.value if node is not None and node.kind == "string" else None
        if found != want.get(name) and not (name == "originSystem" and node is None):
            return "_system.%s is %s, not %s" % (name, found, want.get(name))
    return None


# --- deep merge, SPEC §4 ---

def merge(base, patch):
    """One patch (an object) into a document (an object); both trees without `_system`."""
    members = list(base.value)
    for raw, key, value in patch.value:
        for i, (old_raw, old_key, old) in enumerate(members):
            if old_key == key:
                members[i] = (old_raw, key, merge_value(old, value))
                break
        else:
            members.append((raw, key, value))
    return Node("object", members)


def merge_value(old, new):
    if new.kind == "null":
        return new
    if old.kind == "object" and new.kind == "object":
        return merge(old, new)
    if old.kind == "array" and new.kind == "array":
        return union(old, new.value)
    if old.kind == "array" and new.kind != "object":
        return union(old, [new])
    if old.kind == new.kind == "number" and equal(old, new):
        either = Node("number", new.value, new.text, new.start, new.end)
        either.also = (old.value,) + old.also
        return either
    return new


def identity(node):
    """("id" or "_id", its value) of an object that has one."""
    if node.kind == "object":
        for name in ("id", "_id"):
            found = node.get(name)
            if found is not None:
                return name, canon(found)
    return None


def union(old, new):
    items = list(old.value)
    for value in new:
        who = identity(value)
        twin = next((i for i, item in enumerate(items) if equal(item, value)), None)
        if who is not None:
            partner = next((i for i, item in enumerate(items) if identity(item) == who), None)
            if partner is not None:
                items[partner] = merge(items[partner], value)
                continue
        if twin is None:
            items.append(value)
    return Node("array", items)


def without_system(node):
    return Node("object", [m for m in node.value if m[1] != "_system"], node.text, node.start,
                node.end)


def enrich(base, patches_text):
    """The tree after all patches. base is the tree of the document as it stands, not its text: where
    nobody has read it since an earlier merge, its numbers name in `also` what else is right."""
    tree = without_system(base)
    patches = parse(patches_text)
    for one in (patches.value if patches.kind == "array" else [patches]):
        tree = merge(tree, without_system(one))
    return tree


# --- FIELDS ---

def path_segments(path):
    if path.startswith("/"):
        from jsontext import pointer_segments
        return pointer_segments(path), True
    return path.replace("[]", "").split("."), False


def project(node, paths):
    """Only what the paths name, in the document's order. An array keeps the elements that hold
    something named; objects in it that hold nothing named stay as empty objects."""
    wanted = [path_segments(p) for p in paths]
    found = _project(node, wanted)
    return found if found is not None else Node("object", [])


def _project(node, wanted):
    if any(not segments for segments, _ in wanted):
        return node
    if node.kind == "object":
        members = []
        for raw, key, value in node.value:
            below = [(s[1:], p) for s, p in wanted if s[0] == key]
            part = _project(value, below) if below else None
            if part is not None:
                members.append((raw, key, part))
        return Node("object", members) if members else None
    if node.kind == "array":
        items = []
        for i, value in enumerate(node.value):
            below = [(s[1:], p) for s, p in wanted if s[0] == str(i)]
            below += [(s, p) for s, p in wanted if not p and value.kind == "object"]
            part = _project(value, below) if below else None
            if part is not None:
                items.append(part)
        return Node("array", items) if items else None
    return None


def loose_project_ok(node, got):
    """Is `got` made of parts of the document only, in its order?"""
    if got.kind != node.kind:
        return False
    if got.kind == "object":
        names = [m[1] for m in node.value]
        places = [names.index(k) if k in names else -1 for _, k, _ in got.value]
        return -1 not in places and places == sorted(places) and all(
            loose_project_ok(node.value[i][2], v) for i, (_, _, v) in zip(places, got.value))
    if got.kind == "array":
        return len(got.value) <= len(node.value)
    return got.raw == node.raw
