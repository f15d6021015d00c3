#!/usr/bin/env python3
"""Proves that the commit protocol of the embedded store keeps its promises in every interleaving of
a small world, and that each of its steps is needed: with one step broken the checker must find a
violation.

The world: one item; a write with an OPID, and one with a large payload, sent by their clients at any
time; whoever was left without an answer sends the same request again. Two readers who read the
head or ask for it as of an instant. A clock that ticks between any two steps. A cache that may
forget at any time. A commit that may fail. One crash at any moment, which keeps only what was
synced, and perhaps what was written. Steps are those of engine/commit.c, engine/read.c and
engine/cache.h; every order of the steps of different threads is tried, by breadth, so that the
first violation found is a shortest one.

Leader: take the queue - note the instant from which the group may write - load the head (cache or
store) - number (cv, instant) and look up OPIDs - put large payloads - write the rows by
compare-and-swap - sync - publish to the cache, one head after the other - end the group - answer.
Head read: from the cache, or: note the cache's epoch - read the store - fill the cache if the epoch
is the same. As-of read: wait until nothing at or before the instant can commit - cached head,
cached timeline, or the store with the same fill.

    tests/model/test_commit.py [--trace] [--only NAME]
"""

import argparse
import concurrent.futures
import os
import sys
import time
from collections import namedtuple

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import chronos  # noqa: E402

CLOCK_MAX = {"head": 1, "as_of": 2}
READS_MAX = 2

# store: rows (request, at, cv, ov) that are durable. log: rows written and not synced. blobs: the
# requests whose payload is in the payload store. head: the cached head's ov, -1: none. line: how
# many versions the cached timeline holds, -1: none. since: the group in flight has no version
# before this instant, -1: no group. leader: None or (step, group, ...). sent: per request (state,
# the cv that was acknowledged when it was sent). acked: per request its ov, -1. readers: those
# that are on their way, in no order: (step, ...); `fresh` in them says that the epoch has not
# changed since they noted it. asked: as-of answers (instant, ov). The rest: how many are left.
State = namedtuple("State", "clock store log blobs head line since queue leader sent acked "
                            "readers asked reads crashes fails back")

NEW, WAITING, ANSWERED, REFUSED, UNKNOWN = range(5)
REQUESTS = (0, 1)          # 0 has an OPID, 1 has a large payload and none
LARGE = {1}
NOTED = {0}

# What is broken on purpose -> the kind of reads with which it is found.
BROKEN = {
    "acknowledge before the sync": "head",
    "publish before the sync": "head",
    "answer before the publish": "head",
    "fill the cache without its epoch": "head",
    "epoch noted after the snapshot was opened": "head",
    "no compare-and-swap behind a stale cache": "head",
    "OPIDs forgotten by a crash": "head",
    "OPID noted apart from the rows": "head",
    "payload put after the commit": "head",
    "numbers not kept by the store": "head",
    "a failed commit is left in the log": "head",
    "the clock is believed when it goes back": "head",
    "as-of does not wait for the group in flight": "as_of",
    "group in flight ends before the publish": "as_of",
    "instant taken before the group is in flight": "as_of",
    "as-of does not wait for its millisecond": "as_of",
    "timeline filled without its epoch": "as_of",
}


class Violation(Exception):
    pass


def as_of(store, at):
    found = -1
    for row in store:
        if row[1] <= at:
            found = row[3]
    return found


class Protocol:
    def __init__(self, kind, broken=None):
        assert broken is None or broken in BROKEN
        self.kind = kind
        self.broken = broken
        # A stale head does harm when one more write comes after it.
        self.third = broken == "no compare-and-swap behind a stale cache"
        self.requests = REQUESTS + (2,) * self.third
        self.clock_max = 0 if self.third else CLOCK_MAX[kind]

    def is_broken(self, name):
        return self.broken == name

    def first(self):
        back = self.is_broken("the clock is believed when it goes back")
        crashes = int(not self.third)
        fails = int(self.kind == "head" and not self.third)
        return State(0, (), (), frozenset(), -1, -1, -1, (), None,
                     tuple((NEW, -1) for _ in self.requests), (-1,) * len(self.requests), (), (),
                     READS_MAX, crashes, fails, int(back))

    # --- what must hold in every state ---

    def check(self, s):
        seen = set()
        for n, (request, at, cv, ov) in enumerate(s.store):
            if ov != n:
                raise Violation("I3: ov %d twice, or a gap" % ov)
            if n and (cv <= s.store[n - 1][2] or at < s.store[n - 1][1]):
                raise Violation("I3: cv or at does not grow: %s" % (s.store,))
            if request in seen:
                raise Violation("I4: request %d took effect twice" % request)
            seen.add(request)
            if request in LARGE and request not in s.blobs:
                raise Violation("I2: ov %d has no payload" % ov)
            state, cv_before = s.sent[request]
            if cv <= cv_before:
                raise Violation("cv %d is not above %d, acknowledged before" % (cv, cv_before))
            if state == REFUSED:
                raise Violation("request %d was refused, and is there" % request)
        for request, ov in enumerate(s.acked):
            if ov >= 0 and (ov >= len(s.store) or s.store[ov][0] != request) and s.leader is None:
                raise Violation("I1: request %d was acknowledged as ov %d and is gone" %
                                (request, ov))
            if ov >= 0 and s.leader is None and request not in seen:
                raise Violation("I1: request %d is gone" % request)
        for at, ov in s.asked:
            now = as_of(s.store, at)
            if now != ov:
                raise Violation("as of %d was answered with ov %d, now it is ov %d" % (at, ov, now))

    def check_read(self, s, ov, floor):
        if ov < floor and not self.is_broken("no compare-and-swap behind a stale cache"):
            raise Violation("a read saw ov %d after ov %d was acknowledged" % (ov, floor))
        if ov >= len(s.store):
            raise Violation("a read saw ov %d, which is not durable" % ov)

    # --- steps ---

    def steps(self, s):
        """(what, state) of everything that can happen next."""
        if s.clock < self.clock_max:
            yield "the clock ticks", s._replace(clock=s.clock + 1)
        if s.back and s.clock:
            yield "the clock goes back", s._replace(clock=s.clock - 1, back=0)
        if s.head >= 0:
            yield "the cache forgets the head", s._replace(head=-1)
        if s.line >= 0:
            yield "the cache forgets the timeline", s._replace(line=-1)
        if s.crashes:
            yield from self.crash(s)
        for request in self.requests:
            state = s.sent[request][0]
            if state == NEW or (state in (REFUSED, UNKNOWN) and request in NOTED):
                again = "" if state == NEW else " again"
                cv = max((s.store[o][2] for o in s.acked if 0 <= o < len(s.store)), default=-1)
                if state != NEW:
                    cv = s.sent[request][1]
                yield "request %d is sent%s" % (request, again), self.with_sent(
                    s, request, WAITING, cv)._replace(queue=s.queue + (request,))
        if s.leader is None:
            if s.queue:
                yield self.take(s)
        else:
            yield from getattr(self, "lead_" + s.leader[0])(s, *s.leader[1:])
        if s.reads:
            yield from getattr(self, "begin_" + self.kind)(s._replace(reads=s.reads - 1))
        for n, reader in enumerate(s.readers):
            if n == 0 or reader != s.readers[n - 1]:
                rest = s.readers[:n] + s.readers[n + 1:]
                yield getattr(self, "read_" + reader[0])(s._replace(readers=rest), *reader[1:])

    def with_sent(self, s, request, state, cv=None):
        sent = list(s.sent)
        sent[request] = (state, s.sent[request][1] if cv is None else cv)
        return s._replace(sent=tuple(sent))

    def crash(self, s):
        """Everything in memory is gone; rows written and not synced are there or not."""
        lost = [r for r in self.requests if s.sent[r][0] == WAITING]
        after = s._replace(head=-1, line=-1, since=-1, queue=(), leader=None, log=(),
                           readers=(), crashes=0)
        for r in lost:
            after = self.with_sent(after, r, UNKNOWN)
        yield "crash; what was not synced is lost", after
        if s.log:
            yield "crash; what was written is found", after._replace(store=s.store + s.log)

    # --- the leader ---

    def take(self, s):
        early = s.clock if self.is_broken("instant taken before the group is in flight") else -1
        return "a leader takes the queue", s._replace(
            queue=(), leader=("mark", s.queue, early))

    def lead_mark(self, s, group, early):
        yield "leader: the group is in flight from now on", s._replace(
            since=s.clock, leader=("load", group, early, True))

    def lead_load(self, s, group, early, use_cache):
        head = s.head if use_cache and s.head >= 0 else len(s.store) - 1
        yield "leader: the head is ov %d" % head, s._replace(
            leader=("plan", group, early, head))

    def lead_plan(self, s, group, early, head):
        last_at = s.store[-1][1] if s.store else -1
        at = s.clock if early < 0 else early
        if not self.is_broken("the clock is believed when it goes back"):
            at = max(at, last_at)
        last_cv = s.store[-1][2] if s.store else 0
        if self.is_broken("numbers not kept by the store") and not s.crashes:
            last_cv = 0
        rows, replays = [], []
        for request in group:
            found = [row for row in s.store if row[0] == request]
            forgotten = self.is_broken("OPIDs forgotten by a crash") and not s.crashes
            if request in NOTED and found and not forgotten and not self.note_lost(s):
                replays.append((request, found[0][3]))
                continue
            last_cv += 1
            head += 1
            rows.append((request, at, last_cv, head))
        after = "put" if not self.is_broken("payload put after the commit") else "write"
        yield "leader: planned %s%s" % (rows, ", replayed %s" % replays if replays else ""), \
            s._replace(leader=(after, tuple(rows), tuple(replays)))

    def note_lost(self, s):
        """The note was a commit of its own, and the crash came between."""
        return self.is_broken("OPID noted apart from the rows") and not s.crashes

    def lead_put(self, s, rows, replays):
        large = {row[0] for row in rows} & LARGE
        yield "leader: large payloads are put", s._replace(
            blobs=s.blobs | large, leader=("write", rows, replays))

    def lead_write(self, s, rows, replays):
        expected = rows[0][3] - 1 if rows else len(s.store) - 1
        if expected != len(s.store) - 1 and not self.is_broken(
                "no compare-and-swap behind a stale cache"):
            group = tuple(r for r, _ in replays) + tuple(row[0] for row in rows)
            yield "leader: the swap is lost, once more", self.turn(s)._replace(
                head=-1, line=-1, leader=("load", group, -1, False))
            return
        following = "sync"
        if self.is_broken("acknowledge before the sync"):
            s = self.answer_rows(s, rows)
        elif self.is_broken("publish before the sync"):
            following = "early"
        yield "leader: rows are written", s._replace(log=rows, leader=(following, rows, replays))

    def lead_early(self, s, rows, replays):
        head = rows[-1][3] if rows else s.head
        yield "leader: published too early", self.turn(s)._replace(
            head=head, leader=("sync", rows, replays))

    def lead_sync(self, s, rows, replays):
        yield "leader: synced", s._replace(
            store=s.store + rows, log=(), leader=("publish", rows, replays, 0))
        if s.fails and rows and self.broken != "acknowledge before the sync":
            left = s.log if self.is_broken("a failed commit is left in the log") else ()
            t = self.turn(s)._replace(log=left, since=-1, fails=0, leader=None)
            for row in rows:
                t = self.with_sent(t, row[0], REFUSED)
            yield "leader: the sync fails, settled, all are refused", self.answer_rows(t, (), replays)

    def lead_publish(self, s, rows, replays, done):
        if self.is_broken("answer before the publish") and done == 0:
            s = self.answer_rows(s, rows, replays)
        since = -1 if self.is_broken("group in flight ends before the publish") else s.since
        if done == len(rows):
            large = {row[0] for row in rows} & LARGE
            yield "leader: the group ends", s._replace(
                since=-1, blobs=s.blobs | large, leader=("answer", rows, replays))
            return
        ov = rows[done][3]
        line = s.line + 1 if s.line == ov else -1
        yield "leader: ov %d is published" % ov, self.turn(s)._replace(
            head=max(s.head, ov), line=line, since=since, leader=("publish", rows, replays, done + 1))

    def lead_answer(self, s, rows, replays):
        yield "leader: all are answered", self.answer_rows(s, rows, replays)._replace(leader=None)

    def answer_rows(self, s, rows, replays=()):
        acked = list(s.acked)
        for request, ov in [(row[0], row[3]) for row in rows] + list(replays):
            if acked[request] not in (-1, ov):
                raise Violation("I4: request %d was answered with ov %d and ov %d" %
                                (request, acked[request], ov))
            acked[request] = ov
            s = self.with_sent(s, request, ANSWERED)
        return s._replace(acked=tuple(acked))

    def turn(self, s):
        """The cache's epoch changes: who noted it before may not fill any more."""
        return s._replace(readers=tuple(sorted(r[:-1] + (False,) for r in s.readers)))

    # --- readers: what a step reads and what it does with it is one step, unless another thread
    # --- could come between and make a difference ---

    def with_reader(self, s, *reader):
        return s._replace(readers=tuple(sorted(s.readers + (reader,))))

    def begin_head(self, s):
        floor = max(s.acked)
        if s.head >= 0:
            self.check_read(s, s.head, floor)
            yield "a reader: cached head ov %d" % s.head, s
        else:
            yield "a reader: no cached head; notes the epoch", self.with_reader(
                s, "store", floor, True)

    def read_store(self, s, floor, fresh):
        ov = len(s.store) - 1
        self.check_read(s, ov, floor)
        if self.is_broken("epoch noted after the snapshot was opened"):
            return "a reader: opens a snapshot of ov %d" % ov, self.with_reader(
                s, "note", ov, fresh)
        what = "a reader: the store's head is ov %d" % ov
        return (what, self.with_reader(s, "fill", ov, fresh)) if ov >= 0 else (what, s)

    def read_note(self, s, ov, _):
        """Only when it is broken so."""
        return "a reader: notes the epoch", self.with_reader(s, "fill", ov, True) if ov >= 0 else s

    def read_fill(self, s, ov, fresh):
        fresh = fresh or self.is_broken("fill the cache without its epoch") or self.is_broken(
            "no compare-and-swap behind a stale cache")
        fits = s.head < ov if s.head >= 0 else fresh
        return "a reader: fills the cache%s" % ("" if fits else " not"), s._replace(
            head=ov if fits else s.head)

    def begin_as_of(self, s):
        for at in range(s.clock + 1):
            passed = at < s.clock or self.is_broken("as-of does not wait for its millisecond")
            closed = s.since < 0 or at < s.since
            if self.is_broken("as-of does not wait for the group in flight"):
                closed = True
            if passed and closed:
                yield "a reader: instant %d is closed" % at, self.with_reader(s, "look", at, True)

    def read_look(self, s, at, _):
        if 0 <= s.head < len(s.store) and s.store[s.head][1] <= at:
            return self.told(s, at, s.head)
        if s.line >= 0:
            return self.told(s, at, as_of(s.store[:s.line], at))
        return "a reader: no timeline; notes the epoch", self.with_reader(s, "line", at, True)

    def read_line(self, s, at, fresh):
        return "a reader: reads the timeline of %d" % len(s.store), self.with_reader(
            s, "keep", at, len(s.store), fresh)

    def read_keep(self, s, at, count, fresh):
        fresh = fresh or self.is_broken("timeline filled without its epoch")
        if fresh and s.line < 0 and count:
            s = s._replace(line=count)
        return self.told(s, at, as_of(s.store[:count], at))

    def told(self, s, at, ov):
        return "a reader: as of %d it is ov %d" % (at, ov), s._replace(
            asked=tuple(sorted(set(s.asked) | {(at, ov)})))


def explore(protocol, states_max=3000000):
    """(states, None) or (states, (violation, trace))."""
    first = protocol.first()
    came = {first: None}
    layer = [first]
    while layer:
        following = []
        for s in layer:
            try:
                for what, t in protocol.steps(s):
                    if t in came:
                        continue
                    came[t] = (s, what)
                    protocol.check(t)
                    following.append(t)
            except Violation as why:
                last = t if "t" in locals() and came.get(t, (None,))[0] is s else s
                return len(came), (str(why), trace(came, last))
        if len(came) > states_max:
            raise RuntimeError("more than %d states" % states_max)
        layer = following
    return len(came), None


def trace(came, s):
    steps = []
    while came[s] is not None:
        s, what = came[s]
        steps.append(what)
    return steps[::-1]


def judge(broken, kind):
    """Runs in a process of its own."""
    return broken, kind, explore(Protocol(kind, broken))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--trace", action="store_true", help="show the steps to each violation")
    parser.add_argument("--only", help="one broken step")
    args = parser.parse_args()
    score = chronos.Score()
    begin = time.monotonic()
    work = [(None, "as_of"), (None, "head")] + list(BROKEN.items())
    if args.only:
        work = [(args.only, BROKEN[args.only])]
    with concurrent.futures.ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        results = [r.result() for r in [pool.submit(judge, *w) for w in work]]
    for broken, kind, (states, found) in results:
        steps = "" if not found else "\n    " + "\n    ".join(found[1])
        if broken is None:
            score.check(found is None, "the protocol", found and found[0] + steps)
            print("the protocol as it is, %s reads: %d states" % (kind, states))
        elif score.check(found is not None, broken, "nothing found in %d states" % states):
            print("broken: %s\n  found: %s (%d steps, %d states)%s" % (
                broken, found[0], len(found[1]), states, steps if args.trace else ""))
    print("%.1f s" % (time.monotonic() - begin))
    return score.end()


if __name__ == "__main__":
    sys.exit(main())
