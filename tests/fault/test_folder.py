#!/usr/bin/env python3
"""Proves that a data folder that cannot be served is refused at start, with the name of the file and
what to do: read-only, not a folder, in use, damaged, made by a newer version; that a lock does not
outlive its process; and that bytes which rot on the disk are CORRUPT, never data."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import chronos  # noqa: E402
from ledger import Violation, ensure  # noqa: E402
from resp import Closed, Error, as_map, encode  # noqa: E402

PAD = "p" * 3000
NOBODY = 65534


def fresh(args):
    """A server with a few documents, small and large."""
    server = chronos.Server(args.server, settings=["--payload.inlineMax", "2kb"]).start()
    client = server.client(3)
    for i in range(200):
        client.ok("CHRONOS.CREATE", "small:%d" % i, '{"n":%d,"word":"needle-%04d-"}' % (i, i))
    client.ok("CHRONOS.CREATE", "large:1", '{"word":"haystack","pad":"%s"}' % PAD)
    client.close()
    return server


def refused(server, words, folder=None, preexec=None, extra=()):
    """The start fails soon, with all these words in what it says, and says no more than a page."""
    if folder:
        server.folder = folder
    begun = time.monotonic()
    try:
        server.start(extra=extra, preexec=preexec, timeout=10)
    except chronos.StartError as why:
        said = str(why)
        ensure(why.status is not None and why.status > 0, "status %s, it said: %s", why.status, said)
        ensure(time.monotonic() - begun < 8, "it took %.1f s", time.monotonic() - begun)
        missing = [w for w in words if w.lower() not in said.lower()]
        ensure(not missing, "it does not say %s: %s", missing, said)
        ensure(not chronos.SANITIZER.search(said), "%s", said)
        return said
    raise Violation("it was served: %s" % server.said())


def second_process(args):
    first = fresh(args)
    second = chronos.Server(args.server, folder=first.folder)
    refused(second, [str(first.process.pid), first.folder])
    ensure(first.client().ok("GET", "small:1"), "the first goes on")
    first.kill()
    second.start()
    ensure(second.client().ok("GET", "small:1"), "the lock ends with its process")
    second.stop()


def no_folder(args):
    server = chronos.Server(args.server)
    path = os.path.join(server.work, "file")
    with open(path, "w", encoding="ascii") as f:
        f.write("not a folder")
    refused(server, [path], path)
    refused(server, [path], os.path.join(path, "below"))


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def open_to_nobody(server):
    """What stands before the folder must not be what refuses: the way there, and the program."""
    way = server.work
    while os.path.basename(way).startswith("chronos-test"):  # the tests' own folders
        os.chmod(way, os.stat(way).st_mode | 0o055)
        way = os.path.dirname(way)
    server.binary = shutil.copy(server.binary, os.path.join(server.work, "chronos-server"))


def read_only(args):
    """The folder, and each of its files, without the right to write."""
    server = fresh(args)
    server.stop()
    root = os.geteuid() == 0
    preexec = as_nobody if root else None
    if root:
        open_to_nobody(server)
    for mode in (0o555, 0o000):
        os.chmod(server.folder, mode)
        refused(server, [server.folder], preexec=preexec)
    os.chmod(server.folder, 0o777)
    path = os.path.join(server.folder, "chronos.db")
    for name in os.listdir(server.folder):
        os.chmod(os.path.join(server.folder, name), 0o777)
    os.chmod(path, 0o444)
    refused(server, ["chronos.db"], preexec=preexec)
    if root:
        read_only_disk(server)


def read_only_disk(server):
    """A disk that is mounted read-only, where mounting is allowed."""
    os.chmod(os.path.join(server.folder, "chronos.db"), 0o644)
    place = os.path.join(server.work, "disk")
    os.mkdir(place)
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], stderr=subprocess.DEVNULL,
                      check=False).returncode:
        return
    try:
        shutil.copytree(server.folder, os.path.join(place, "data"))
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        refused(server, ["read-only", place], os.path.join(place, "data"))
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def damaged(args):
    """The database with its head overwritten, cut off, of another kind, empty but for a byte."""
    server = fresh(args)
    server.stop()
    path = os.path.join(server.folder, "chronos.db")
    with open(path, "rb") as f:
        good = f.read()
    other = sqlite_file(server.work)
    cases = {"overwritten": b"\xde\xad\xbe\xef" * 256 + good[1024:], "cut": good[:len(good) // 3],
             "text": b"this is no database at all\n" * 400, "a byte": b"x", "another's": other,
             "zeros": b"\0" * len(good)}
    for name, content in cases.items():
        for extra in ("-wal", "-shm"):
            if os.path.exists(path + extra):
                os.remove(path + extra)
        with open(path, "wb") as f:
            f.write(content)
        said = refused(server, ["chronos.db"])
        ensure(len(said) < 3000, "%s: too many words: %s", name, said)
        with open(path, "rb") as f:
            ensure(f.read() == content, "%s: a damaged file is left as it is", name)
    with open(path, "wb") as f:
        f.write(good)
    server.start()
    ensure(server.client().ok("GET", "small:1"), "the good file again")
    server.stop()


def sqlite_file(work):
    """A database of some other program."""
    path = os.path.join(work, "other.db")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE notes (text)")
        db.execute("INSERT INTO notes VALUES ('mine')")
    db.close()
    with open(path, "rb") as f:
        return f.read()


def newer(args):
    server = fresh(args)
    server.stop()
    db = sqlite3.connect(os.path.join(server.folder, "chronos.db"))
    db.execute("PRAGMA user_version = 9999")
    db.commit()
    db.close()
    refused(server, ["chronos.db", "newer"])


def torn_log(args):
    """The write-ahead log of a killed server, cut off or with a bad end: what stands before counts."""
    for cut in (0.9, 0.5, 0.0):
        server = fresh(args)
        server.kill()
        path = os.path.join(server.folder, "chronos.db-wal")
        if not os.path.exists(path) or not os.path.getsize(path):
            server.close()
            continue
        with open(path, "r+b") as f:
            f.truncate(int(os.path.getsize(path) * cut))
        server.start()
        client = server.client(3)
        rows = [client.call("GET", "small:%d" % i) for i in range(200)]
        there = [isinstance(r, bytes) for r in rows]
        ensure(there == sorted(there, reverse=True), "holes in what was recovered: %s", there)
        verify = client.ok("CHRONOS.ADMIN", "VERIFY", "small:") if any(there) else {}
        ensure(verify.get("corrupt", 0) == verify.get("missing", 0) == 0, "VERIFY: %s", verify)
        ensure(client.ok("DBSIZE") in (sum(there), sum(there) + 1), "DBSIZE")
        server.stop()
        server.close()


def flip(path, word):
    """Changes one letter after a word, wherever it stands in the file. How often it stood there."""
    with open(path, "rb") as f:
        content = f.read()
    count = content.count(word)
    with open(path, "wb") as f:
        f.write(content.replace(word, word[:-1] + bytes([word[-1] ^ 1])))
    return count


def corrupt_answer(client, key, cut=False):
    """Every way to read the bytes answers CORRUPT; nothing else of the server suffers."""
    for request in (["GET", key], ["CHRONOS.GET", key], ["CHRONOS.GETVERSION", key, "0"],
                    ["CHRONOS.GET", key, "META"], ["CHRONOS.HISTORY", key, "DOCS"],
                    ["CHRONOS.GET", key, "FIELDS", "1", "word"]):
        reply = client.call(*request)
        ensure(isinstance(reply, Error) and reply.word == "CORRUPT", "%s: %r", request, reply)
    reply = client.call("MGET", key, "small:2")
    values = reply if isinstance(reply, list) else [reply, b""]
    ensure(isinstance(values[0], Error) and values[0].word == "CORRUPT", "MGET: %r", reply)
    verify = as_map(client.ok("CHRONOS.ADMIN", "VERIFY", key.partition(":")[0] + ":"))
    ensure((verify["corrupt"], verify["missing"]) in (((1, 0), (0, 1)) if cut else ((1, 0),)),
           "VERIFY: %s", verify)
    ensure(key.encode() in verify["first"], "VERIFY names %s: %s", key, verify)
    ensure(isinstance(client.ok("GET", "small:2"), bytes), "another document")


def rotten_row(args):
    server = fresh(args)
    server.stop()
    found = sum(flip(os.path.join(server.folder, n), b"needle-0007-")
                for n in os.listdir(server.folder) if n.startswith("chronos.db"))
    ensure(found, "the document is not in the database file")
    server.start()
    corrupt_answer(server.client(3), "small:7")
    reply = server.client(3).call("CHRONOS.ENRICH", "small:7", '{"more":1}')
    ensure(isinstance(reply, Error) and reply.word == "CORRUPT", "ENRICH of it: %r", reply)
    server.stop()


def rotten_blob(args):
    server = fresh(args)
    server.stop()
    blobs = [os.path.join(d, f) for d, _, files in os.walk(server.folder) for f in files
             if "item" in f]
    ensure(len(blobs) == 1 and flip(blobs[0], b"haystack") == 1, "one payload file: %s", blobs)
    server.start()
    corrupt_answer(server.client(3), "large:1")
    os.truncate(blobs[0], 100)
    server.restart()
    corrupt_answer(server.client(3), "large:1", True)
    os.remove(blobs[0])
    server.restart()
    client = server.client(3)
    reply = client.call("GET", "large:1")
    ensure(isinstance(reply, Error) and reply.word in ("CORRUPT", "BACKEND"), "no file: %r", reply)
    verify = client.ok("CHRONOS.ADMIN", "VERIFY", "large:")
    ensure(verify["missing"] == 1, "VERIFY: %s", verify)
    server.stop()


def stops_clean(args):
    """Both signals end it with status 0 soon, with idle clients and with one in the middle of its
    pipeline; what was answered is there after a restart."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = fresh(args)
        idle, busy = server.client(), server.client()
        busy.send_raw(b"".join(encode(["CHRONOS.UPDATE", "small:1", '{"n":%d}' % i])
                               for i in range(300)))
        answered = [busy.read()]
        server.process.send_signal(number)
        begun = time.monotonic()
        ensure(server.wait(12) == 0, "status of signal %d", number)
        ensure(time.monotonic() - begun < 10, "it took %.1f s", time.monotonic() - begun)
        try:
            while True:
                answered.append(busy.read(1))
        except (Closed, TimeoutError):
            pass
        ensure(not any(isinstance(r, Error) for r in answered), "refused: %s", answered[-1])
        idle.close()
        server.start()
        count = len(server.client().ok("CHRONOS.HISTORY", "small:1"))
        ensure(count > len(answered), "%d answered, %d versions", len(answered), count)
        server.check_log()
        server.close()


TESTS = [second_process, no_folder, read_only, damaged, newer, torn_log, rotten_row, rotten_blob,
         stops_clean]


if __name__ == "__main__":
    sys.exit(chronos.run_tests(__doc__, TESTS))
