"""What the bench found: rows of the table, and the facts of the machine they were measured on."""

import datetime
import os
import platform
import statistics
import subprocess

import sides


class Row:
    """One line. `figure` is a ratio (greater is better) or, with a unit, an amount (less is
    better). Without `must` it is reported and judged by nobody."""

    def __init__(self, case, text, figure, must=None, aim=None, unit="", spread=None, detail=""):
        self.case, self.text, self.figure, self.unit = case, text, figure, unit
        self.must, self.aim, self.spread, self.detail = must, aim, spread, detail

    def reaches(self, bound):
        return self.figure < bound if self.unit else self.figure >= bound

    def verdict(self):
        if self.figure is None:
            return "FAILED"
        if self.must is None:
            return "reported"
        if self.aim is not None and self.reaches(self.aim):
            return "aim"
        return "must" if self.reaches(self.must) else "BELOW"

    def missed(self):
        return self.verdict() in ("BELOW", "FAILED")

    def cells(self):
        bound = "< %s" if self.unit else "%s"
        must, aim = ("" if b is None else bound % amount(b, self.unit)
                     for b in (self.must, self.aim))
        spread = "%s–%s" % tuple(amount(v, "") for v in self.spread) if self.spread else ""
        figure = "–" if self.figure is None else amount(self.figure, self.unit)
        return [self.case, self.text, figure, spread, must, aim, self.verdict(), self.detail]

    def facts(self):
        return dict(self.__dict__, verdict=self.verdict())


TITLES = ["case", "what", "figure", "spread", "must", "aim", "reached", "Chronos / other side"]


def amount(value, unit):
    if unit:
        return "%.3g %s" % (value, unit)
    return "%.2f" % value if value < 100 else "%.0f" % value


def ratios(results, over, under, key="rate"):
    """One ratio per round."""
    return [a[key] / b[key] for a, b in zip(results[over], results[under]) if b[key]]


def median(results, name, key):
    return statistics.median(r[key] for r in results[name])


def cpu_us(results, name):
    """The server's CPU time per request."""
    return statistics.median(r["server_cpu_s"] / max(1, r["requests"]) * 1e6 for r in results[name])


def thousands(value):
    return "%.1fk" % (value / 1e3) if value < 1e6 else "%.2fM" % (value / 1e6)


def ratio_row(case, text, results, over, under, bounds=(None, None)):
    """Requests a second of one measurement over those of another, round by round."""
    found = ratios(results, over, under)
    detail = "%s / %s a second; %.2f / %.2f µs of server CPU each; p99 %.0f / %.0f µs" % (
        thousands(median(results, over, "rate")), thousands(median(results, under, "rate")),
        cpu_us(results, over), cpu_us(results, under),
        median(results, over, "p99_us"), median(results, under, "p99_us"))
    return Row(case, text, statistics.median(found), *bounds, spread=(min(found), max(found)),
               detail=detail)


def text_table(rows):
    cells = [TITLES] + [r.cells() for r in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(TITLES))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells)


def markdown_table(rows):
    lines = ["| " + " | ".join(TITLES) + " |", "|" + "---|" * len(TITLES)]
    lines += ["| " + " | ".join(r.cells()) + " |" for r in rows]
    return "\n".join(lines)


def command_line(*args):
    try:
        done = subprocess.run(args, capture_output=True, text=True, timeout=20, check=False,
                              cwd=sides.ROOT)
        return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"
    except OSError:
        return "not there"


def field(path, name):
    with open(path) as f:
        for line in f:
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    return "unknown"


def file_system():
    """Type and options of what holds the data folder."""
    best = ("", "unknown")
    with open("/proc/mounts") as f:
        for line in f:
            _, where, kind, options = line.split()[:4]
            holds = (sides.ROOT + "/").startswith(where.rstrip("/") + "/")
            if holds and len(where) >= len(best[0]):
                best = (where, "%s (%s)" % (kind, options))
    return best[1]


def fsync_us(count=200, size=4096):
    """What a synced append costs on this disk: median, of one thread."""
    import time
    path = os.path.join(sides.new_folder("fsync"), "file")
    took = []
    with open(path, "wb", buffering=0) as f:
        for _ in range(count):
            f.write(b"x" * size)
            began = time.monotonic()
            os.fdatasync(f.fileno())
            took.append(time.monotonic() - began)
    return statistics.median(took) * 1e6


def machine_facts(options, others):
    kib = int(field("/proc/meminfo", "MemTotal").split()[0])
    facts = [
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("processor", "%d x %s" % (os.cpu_count(), field("/proc/cpuinfo", "model name"))),
        ("memory", "%.0f GiB" % (kib / 1024 / 1024)),
        ("kernel", platform.release()),
        ("file system", file_system()),
        ("fdatasync of an append of 4 KiB", "%.0f µs (median)" % fsync_us()),
        ("redis-server", command_line(sides.REDIS, "--version")),
        ("chronos-server", command_line(sides.chronos.binary(), "--version")),
        ("revision", command_line("git", "describe", "--always", "--dirty")),
        ("compiler", command_line(os.environ.get("CC", "cc"), "--version")),
        ("rounds", "%d of %.1f s after %.1f s of warm-up" % (options.rounds, options.seconds,
                                                             options.warmup)),
    ]
    if others:
        facts.append(("other load while measuring", "median %.0f %%, at most %.0f %% of one core" %
                      (100 * statistics.median(others), 100 * max(others))))
    return facts


def results_page(options, rows, others, seconds):
    """tests/bench/results.md: the last full run, to be committed."""
    lines = ["# Results of the bench", "",
             "Written by `tests/bench/run` (`make bench`); README.md beside it says what the cases "
             "are and how to read", "the table. The whole run took %.0f minutes." % (seconds / 60),
             "", "| | |", "|---|---|"]
    lines += ["| %s | %s |" % fact for fact in machine_facts(options, others)]
    lines += ["", markdown_table(rows), ""]
    return "\n".join(lines)
