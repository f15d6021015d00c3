#!/usr/bin/env python3
"""Proves what a read may see while a commit stands still half way: an MGET is a snapshot, whoever
filled the cache meanwhile; no head goes back; as-of waits for what may still be born before its
instant; a retry waits for the first attempt and gets its answer."""

import os
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import chronos  # noqa: E402
from ledger import ensure  # noqa: E402
from load import now_ms  # noqa: E402
from resp import Error  # noqa: E402


def cold(args, settings=()):
    """A server with two items of which the cache knows nothing."""
    server = chronos.Server(args.server, settings=settings).start()
    server.client().ok("MSET", "a:1", '{"n":1}', "a:2", '{"n":1}')
    server.restart()
    return server, server.client(), server.client(), server.client()


def number(doc):
    """The n of a document."""
    return int(doc[5:doc.index(b"," if b"," in doc else b"}")])


def held(control, point, nth=1):
    control.ok("DEBUG", "FAULT", point, "hold", str(nth))


def until(what, limit=5.0):
    end = time.monotonic() + limit
    while not what():
        ensure(time.monotonic() < end, "it did not come to pass in %.0f s", limit)
        time.sleep(0.002)


def snapshot_of_the_cache(args):
    """One item's head is cached, the other's comes from the store, where the MSET is committed and
    not yet published: both are seen old, or both new."""
    for cached, other in (("a:1", "a:2"), ("a:2", "a:1")):
        server, control, writer, reader = cold(args)
        ensure(number(reader.ok("GET", cached)) == 1, "the first version")
        held(control, "committed")
        writer.send("MSET", "a:1", '{"n":2}', "a:2", '{"n":2}')
        ensure(writer.quiet(0.1), "answered while it is held")
        reader.ok("GET", other)
        for _ in range(3):
            seen = [number(d) for d in reader.ok("MGET", "a:1", "a:2")]
            ensure(seen[0] == seen[1], "half an MSET: %s", seen)
        control.ok("DEBUG", "FAULT", "committed", "off")
        ensure(writer.read() == "OK", "the MSET")
        seen = [number(d) for d in reader.ok("MGET", "a:1", "a:2")]
        ensure(seen == [2, 2], "after the answer: %s", seen)
        server.stop()
        server.close()


def snapshot_fills_no_cache(args):
    """A snapshot that was opened before a commit does not bring back the head of before, also when
    the new head is too large for the cache. Held at each of its statements."""
    pad = '{"n":2,"pad":"' + "p" * 1500 + '"}'
    for nth in range(1, 9):
        server, control, writer, reader = cold(args, ["--cache.bytes", "128kb"])
        held(control, "sqlite-read", nth)
        reader.send("MGET", "a:1", "a:2")
        if not reader.quiet(0.05):
            ensure(nth > 1, "it was never held")
            return server.close()  # it has fewer statements
        writer.ok("MSET", "a:1", pad, "a:2", pad)
        control.ok("DEBUG", "FAULT", "sqlite-read", "off")
        seen = [number(d) for d in reader.read()]
        ensure(seen[0] == seen[1], "half an MSET: %s", seen)
        for client in (reader, writer):
            for key in ("a:1", "a:2"):
                got = number(client.ok("GET", key))
                ensure(got == 2, "%s has n %d after n 2 was acknowledged (held at %d)", key, got,
                       nth)
        server.stop()
        server.close()
    return None


def heads_do_not_go_back(args):
    """The same for a single read that is held, and for as-of and old versions after it."""
    pad = '{"n":2,"pad":"' + "p" * 1500 + '"}'
    for request in (["GET", "a:1"], ["CHRONOS.GETASOF", "a:1", None],
                    ["CHRONOS.GETVERSION", "a:1", "0"], ["CHRONOS.HISTORY", "a:1", "DOCS"]):
        for nth in range(1, 5):
            server, control, writer, reader = cold(args, ["--cache.bytes", "128kb"])
            time.sleep(0.003)
            before = str(now_ms() - 1)
            held(control, "sqlite-read", nth)
            reader.send(*[before if a is None else a for a in request])
            if not reader.quiet(0.03):
                server.close()
                break  # it has fewer statements
            writer.ok("SET", "a:1", pad)
            after = now_ms()
            control.ok("DEBUG", "FAULT", "sqlite-read", "off")
            ensure(not isinstance(reader.read(), Error), "the held read")
            ensure(number(reader.ok("GET", "a:1")) == 2, "GET after %s held at %d", request, nth)
            until(lambda limit=after: now_ms() > limit)
            ensure(number(reader.ok("CHRONOS.GETASOF", "a:1", str(after))) == 2,
                   "as of now after %s held at %d", request, nth)
            ensure(number(reader.ok("CHRONOS.GETASOF", "a:1", before)) == 1, "as of before")
            ensure(number(reader.ok("CHRONOS.GETVERSION", "a:1", "1")) == 2, "ov 1")
            server.stop()
            server.close()


def is_right_or_refused(answer, right):
    """The answer, or that of each element, is the right one, or one that may be tried again."""
    if isinstance(answer, Error):
        return answer.word == "TRYAGAIN"
    if isinstance(answer, list) and isinstance(right, list):
        return len(answer) == len(right) and all(map(is_right_or_refused, answer, right))
    return answer == right


def has_error(answer):
    return isinstance(answer, Error) or isinstance(answer, list) and any(map(has_error, answer))


def failed_reads_end_clean(args):
    """Whichever statement of a read fails, the answer is the right one or an error that may be
    tried again, the next read is right, and nothing is left behind (a sanitizer's leak is a fault).
    """
    for request in (["CHRONOS.MGET", "2", "a:1", "a:2"], ["MGET", "a:1", "a:2"], ["GET", "a:1"],
                    ["CHRONOS.GETVERSION", "a:1", "0"], ["CHRONOS.HISTORY", "a:1", "DOCS"],
                    ["CHRONOS.GETASOF", "a:1", None], ["SCAN", "0", "COUNT", "10"]):
        failed = 0
        for nth in range(1, 12):
            server, control, _, reader = cold(args)
            words = [str(now_ms() - 1) if a is None else a for a in request]
            control.ok("DEBUG", "FAULT", "sqlite-read", "fail", str(nth))
            answer = reader.call(*words)
            failed += has_error(answer)
            control.call("DEBUG", "FAULT", "sqlite-read", "off")
            again = reader.ok(*words)
            ensure(again and not has_error(again), "%s after a failure: %s", request, again)
            ensure(is_right_or_refused(answer, again), "%s: %s, not %s", request, answer, again)
            server.stop()
            server.close()
        ensure(failed > 0, "%s never failed", request)


def as_of_waits(args):
    """While a commit is on its way, as-of of an instant that it may be born in waits; one of before
    is answered; and the answers stay what they are."""
    for point in ("group-taken", "group-planned", "swapped", "file-write", "file-fsync", "committed"):
        server, control, writer, reader = cold(args)
        past = now_ms()
        until(lambda limit=past: now_ms() > limit)
        time.sleep(0.02)
        held(control, point)
        writer.send("SET", "a:1", '{"n":2}')
        ensure(writer.quiet(0.05), "answered while %s is held", point)
        ensure(number(reader.ok("CHRONOS.GETASOF", "a:1", str(past))) == 1, "as of the past")
        recent = now_ms() - 1
        reader.send("CHRONOS.GETASOF", "a:1", str(recent))
        ensure(reader.quiet(0.1), "as of %s was answered while %s is held", recent, point)
        control.ok("DEBUG", "FAULT", point, "off")
        ensure(writer.read() == "OK", "the SET")
        first = reader.read()
        for _ in range(3):
            ensure(reader.ok("CHRONOS.GETASOF", "a:1", str(recent)) == first, "the same question")
        server.restart()
        ensure(server.client().ok("CHRONOS.GETASOF", "a:1", str(recent)) == first, "after a restart")
        server.stop()
        server.close()


def retry_waits(args):
    """A retry while the first attempt runs waits, and gets the same answer; another request under
    the same OPID is CONFLICT."""
    for point in ("group-planned", "file-fsync", "committed", "published"):
        server, control, writer, reader = cold(args)
        request = ["CHRONOS.CREATE", "a:", '{"n":1}', "OPID", "once"]
        held(control, point)
        writer.send(*request)
        ensure(writer.quiet(0.05), "answered while %s is held", point)
        reader.send(*request)
        other = server.client()
        other.send("CHRONOS.CREATE", "a:", '{"n":2}', "OPID", "once")
        ensure(reader.quiet(0.05) and other.quiet(0.01), "answered while %s is held", point)
        control.ok("DEBUG", "FAULT", point, "off")
        first, again, another = writer.read(), reader.read(), other.read()
        ensure(not isinstance(first, Error) and first == again, "%s, again %s", first, again)
        ensure(isinstance(another, Error) and another.word == "CONFLICT", "another: %s", another)
        ensure(control.ok("DBSIZE") == 3, "one item was made")
        server.stop()
        server.close()


TESTS = [snapshot_of_the_cache, snapshot_fills_no_cache, heads_do_not_go_back,
         failed_reads_end_clean, as_of_waits, retry_waits]


if __name__ == "__main__":
    sys.exit(chronos.run_tests(__doc__, TESTS))
