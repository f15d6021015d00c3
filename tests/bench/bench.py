"""What the cases share: rounds in which the sides take turns, and the commands they are sent."""

import os
import time

import report
import sides

DOC = "{json:1024}"
# A write answers a map, which in RESP2 is an array of names and values.
WROTE = ["--expect-prefix", r"*14\r\n$3\r\nkey\r\n"]
SET_OK = ["--expect", r"+OK\r\n"]


def request(text, *more):
    return ["--request", text, *more]


def create(key):
    return request("CHRONOS.CREATE %s %s" % (key, DOC), *WROTE)


def update(key):
    return request("CHRONOS.UPDATE %s %s" % (key, DOC), *WROTE)


def redis_set(key):
    return request("SET %s %s" % (key, DOC), *SET_OK)


def get(command, key, size):
    """A read of a document of that many bytes, which must be the one of that key."""
    return request("%s %s" % (command, key),
                   "--expect-prefix", r'$%d\r\n{"n":"{same}"' % size)


def clients(count, pipeline=1):
    return ["--clients", count, "--pipeline", pipeline]


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows, self.others = [], []
        self.running = []
        self.case = None
        self.bounds = ()
        self._big = None

    # --- cases ---

    def run_case(self, name, case):
        print("%s ..." % name, flush=True)
        began, self.case, first = time.monotonic(), name, len(self.rows)
        try:
            case(self)
        except sides.FAILURES as why:
            print("  %s: %s" % (type(why).__name__, why), flush=True)
            self.add(report.Row(name, "the case did not end", None, detail=str(why).split("\n")[0]))
        self.stop_all()
        for row in self.rows[first:]:
            print("  " + "  ".join(c for c in row.cells()[1:] if c), flush=True)
        print("  (%.0f s)" % (time.monotonic() - began), flush=True)

    def add(self, row):
        self.rows.append(row)

    def ratio(self, text, results, over, under, bounds=(None, None)):
        self.add(report.ratio_row(self.case, text, results, over, under, bounds))

    # --- servers ---

    def redis(self, durable=False):
        return self._started(sides.Redis(durable))

    def chronos(self, folder="chronos", settings=()):
        return self._started(sides.Chronos(folder, settings))

    def _started(self, side):
        self.running.append(side)
        return side

    def stop_all(self):
        """Ends the case's servers and lets the disk settle before the next case."""
        for side in self.running:
            side.close()
        if self.running:
            os.sync()
        self.running = []

    def big(self):
        """The large collection: a server with `items` documents g:<number>, made once and left
        for the cases that come after; with the memory it took when they were in."""
        if not self._big:
            side = sides.Chronos("big")
            made = self.fill(side, "g:{seq}", self.options.items)
            self._big = side
            side.made, side.after_fill_mib = made, side.memory_mib()
        elif not self._big.server.alive():
            self._big.start()
        return self._big

    def close(self):
        self.stop_all()
        if self._big:
            self._big.close()
            self._big = None

    # --- measuring ---

    def fill(self, side, key, count):
        """`count` documents under running numbers, as fast as they go in."""
        side.seq = 0
        many = count >= 100000
        result = sides.load(side, *clients(50, 64 if many else 16), "--requests", count,
                            "--timeout", 60, *create(key))
        return result

    def measure(self, side, *args, seconds=None, perf=None):
        o = self.options
        result = sides.load(side, "--warmup", o.warmup, "--seconds", seconds or o.seconds, *args,
                            perf=perf)
        self.others.append(result["other"])
        return result

    def rounds(self, plan, seconds=None):
        """`plan`: name -> (side, arguments of the generator). Every round runs all of them, odd
        rounds in the other order, so that what drifts does not favour one side."""
        results = {name: [] for name in plan}
        for number in range(self.options.rounds):
            names = list(plan) if number % 2 == 0 else list(reversed(plan))
            for name in names:
                side, args = plan[name]
                results[name].append(self.measure(side, *args, seconds=seconds))
        if self.options.perf:
            for name, (side, args) in plan.items():
                self.profile(name, side, args)
        return results

    def profile(self, name, side, args):
        if side.name != "chronos":
            return
        flight = tuple(args[args.index(option) + 1] for option in ("--clients", "--pipeline"))
        path = os.path.join(sides.ROOT, "build", "bench",
                            "perf-%s-%s-%dx%d.txt" % ((self.case, name) + flight))
        self.measure(side, *args, perf=path)
        print("  profile: %s" % os.path.relpath(path, sides.ROOT), flush=True)

    def other_load(self):
        found = sorted(self.others) or [0.0]
        return 100 * found[len(found) // 2], 100 * found[-1]
