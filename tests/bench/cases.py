"""The cases of the bench, each a function that adds rows to the table. Bounds are (must, aim)."""

import statistics

import sides
from bench import clients, create, get, redis_set, request, update
from cases_store import disk, fsync, grow, memory, startup
from report import Row, median, ratios, thousands

KEYS = 10000  # documents of the cases that read from the cache
ITEMS = 100000  # items of the case that updates


def ping(bench):
    """PING and ECHO against redis-server's PING: 50 clients, 1, 16, 64 requests in flight."""
    redis, chronos = bench.redis(), bench.chronos()
    pinged = request("PING", "--expect", r"+PONG\r\n")
    echoed = request("ECHO hello", "--expect", r"$5\r\nhello\r\n")
    for depth, bounds in ((1, (0.95, 1.05)), (16, (1.0, 1.5)), (64, (1.0, 2.0))):
        found = bench.rounds({"redis": (redis, clients(50, depth) + pinged),
                              "ping": (chronos, clients(50, depth) + pinged),
                              "echo": (chronos, clients(50, depth) + echoed)})
        bench.ratio("PING, P = %d" % depth, found, "ping", "redis", bounds)
        bench.ratio("ECHO, P = %d" % depth, found, "echo", "redis", bounds)


def fill_both(bench, redis, chronos, count):
    """The same documents on both sides, with the bytes that Chronos returns; their size."""
    bench.fill(chronos, "d:{seq}", count)
    source, target = chronos.client(), redis.client()
    size = None
    for first in range(0, count, 500):
        keys = ["d:%012d" % n for n in range(first, first + 500)]
        values = source.pipeline([("GET", key) for key in keys])
        size = size or len(values[0])
        if any(len(v) != size for v in values):
            raise sides.BenchError("documents of the same size come back in different sizes")
        target.pipeline([("SET", key, value) for key, value in zip(keys, values)])
    return size


def read(bench):
    """CHRONOS.GET and GET of 1 KiB from the cache against redis-server's GET of the same bytes."""
    redis, chronos = bench.redis(), bench.chronos()
    size = fill_both(bench, redis, chronos, KEYS)
    key = "d:{rand:0:%d}" % KEYS
    for depth, bounds in ((1, (0.9, 1.0)), (16, (0.9, 1.2)), (64, (0.9, 1.2))):
        plain = clients(50, depth) + get("GET", key, size)
        full = clients(50, depth) + get("CHRONOS.GET", key, size)
        found = bench.rounds({"redis": (redis, plain), "full": (chronos, full),
                              "plain": (chronos, plain)})
        bench.ratio("CHRONOS.GET, P = %d" % depth, found, "full", "redis", bounds)
        bench.ratio("GET, P = %d" % depth, found, "plain", "redis", bounds)


def made(bench):
    """Durable CHRONOS.CREATE of 1 KiB against redis-server's SET with appendfsync always."""
    for count, depth, bounds in ((50, 1, (0.8, 1.2)), (200, 1, (0.8, 1.2)), (1, 1, (0.6, 1.0)),
                                 (50, 16, (0.5, 1.0))):
        redis, chronos = bench.redis(durable=True), bench.chronos()
        flight = clients(count, depth)
        found = bench.rounds({"redis": (redis, flight + redis_set("k:{seq}")),
                              "chronos": (chronos, flight + create("c:"))})
        bench.ratio("CREATE, %d client%s, P = %d" % (count, "s" * (count > 1), depth), found,
                    "chronos", "redis", bounds)
        bench.stop_all()


def changed(bench):
    """CHRONOS.UPDATE of 100,000 distinct items, and of one hot item, 50 clients."""
    redis, chronos = bench.redis(durable=True), bench.chronos()
    bench.fill(chronos, "u:{seq}", ITEMS)
    sides.load(chronos, *clients(1), "--requests", 1, *create("u:hot"))
    found = bench.rounds({"redis": (redis, clients(50) + redis_set("k:{seq}")),
                          "items": (chronos, clients(50) + update("u:{rand:0:%d}" % ITEMS)),
                          "hot": (chronos, clients(50) + update("u:hot"))})
    bench.ratio("UPDATE of distinct items / SET", found, "items", "redis", (0.5, 1.0))
    bench.ratio("UPDATE of one hot item / of distinct items", found, "hot", "items", (0.8, 1.2))


def instants(client, key):
    """The instants of an item's first and last version, and how many versions it has."""
    from datetime import datetime
    entries = client.ok("CHRONOS.HISTORY", key, "COUNT", 10000)
    found = []
    for entry in (entries[0], entries[-1]):
        at = dict(zip(entry[::2], entry[1::2]))[b"at"].decode()
        found.append(round(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000))
    return found[0], found[1], len(entries)


def asof(bench):
    """GETASOF at random instants of an item with 5,000 versions: against 10, and the head."""
    chronos = bench.chronos()
    plan = {}
    for name, versions, rate in (("five", 5000, 1000), ("ten", 10, 100)):
        key = "a:" + name
        sides.load(chronos, *clients(1), "--requests", 1, *create(key))
        sides.load(chronos, *clients(4), "--requests", versions - 1, "--rate", rate, "--even",
                   *update(key))
        first, last, count = instants(chronos.client(), key)
        if count != versions:
            raise sides.BenchError("%s has %d versions, not %d" % (key, count, versions))
        text = "CHRONOS.GETASOF %s {rand:%d:%d:13}" % (key, first, last + 1)
        plan[name] = request(text, "--expect-prefix", "$1")
    plan["head"] = request("CHRONOS.GET a:five", "--expect-prefix", "$1")
    for depth in (1, 16):
        found = bench.rounds({name: (chronos, clients(50, depth) + args)
                              for name, args in plan.items()})
        bench.ratio("GETASOF, 5,000 versions / 10 versions, P = %d" % depth, found, "five", "ten",
                    (0.9, 0.97))
        bench.ratio("GETASOF, 5,000 versions / GET of the head, P = %d" % depth, found, "five",
                    "head", (0.5, 0.9))


def mixed(bench):
    """90 % reads, 10 % durable writes in open loop at half of the maximum: 99th percentile."""
    redis, chronos = bench.redis(durable=True), bench.chronos()
    size = fill_both(bench, redis, chronos, KEYS)
    key = "d:{rand:0:%d}" % KEYS
    # A document that was updated is longer by its updatedAt, so only its beginning is known.
    read_any = ["--expect-prefix", "$1", "--weight", 9]
    mix = {"redis": (redis, request("GET " + key, *read_any) + redis_set(key)),
           "chronos": (chronos, request("CHRONOS.GET " + key, *read_any) + update(key))}
    most = {name: bench.measure(side, *clients(50), *args) for name, (side, args) in mix.items()}
    rate = min(r["rate"] for r in most.values()) / 2
    found = bench.rounds({name: (side, clients(100) + ["--rate", round(rate)] + args)
                          for name, (side, args) in mix.items()})
    p99 = ratios(found, "redis", "chronos", "p99_us")
    kinds = {name: [statistics.median(r["kinds"][kind]["p99_us"] for r in found[name])
                    for kind in (0, 1)] for name in found}
    detail = ("p99 %.0f / %.0f µs; of reads %.0f / %.0f, of writes %.0f / %.0f; at %s a second, "
              "the maxima are %s / %s; documents of %d bytes" % (
                  median(found, "chronos", "p99_us"), median(found, "redis", "p99_us"),
                  kinds["chronos"][0], kinds["redis"][0], kinds["chronos"][1], kinds["redis"][1],
                  thousands(rate), thousands(most["chronos"]["rate"]),
                  thousands(most["redis"]["rate"]), size))
    bench.add(Row(bench.case, "p99 of redis-server / p99", statistics.median(p99), 0.9, 1.2,
                  spread=(min(p99), max(p99)), detail=detail))


def validate(bench):
    """The generator itself: one redis-server against another, and beside redis-benchmark."""
    import subprocess
    one, two = bench.redis(), sides.Redis(folder="redis-2")
    bench.running.append(two)
    pinged = request("PING", "--expect", r"+PONG\r\n")
    sides.load(one, *clients(50, 16), "--requests", KEYS, *redis_set("d:{seq}"))
    sides.load(two, *clients(50, 16), "--requests", KEYS, *redis_set("d:{seq}"))
    plans = [("PING, P = %d" % depth, clients(50, depth) + pinged) for depth in (1, 16, 64)]
    plans += [("GET of 1 KiB, P = %d" % depth,
               clients(50, depth) + get("GET", "d:{rand:0:%d}" % KEYS, 1024)) for depth in (1, 16)]
    for text, args in plans:
        found = bench.rounds({"one": (one, args), "two": (two, args)})
        bench.ratio("redis-server / redis-server, " + text, found, "one", "two")
    for depth in (1, 16):
        theirs, ours = [], []
        for _ in range(bench.options.rounds):
            ours.append(bench.measure(one, *clients(50, depth), *pinged)["rate"])
            count = int(100000 * depth * bench.options.seconds)
            done = subprocess.run(["redis-benchmark", "-p", str(one.port), "-c", "50", "-P",
                                   str(depth), "-n", str(count), "--csv", "-t", "ping_mbulk"],
                                  capture_output=True, text=True, timeout=120, check=True)
            theirs.append(float(done.stdout.splitlines()[-1].split(",")[1].strip('"')))
        found = [a / b for a, b in zip(ours, theirs)]
        bench.add(Row(bench.case, "this generator / redis-benchmark, PING, P = %d" % depth,
                      statistics.median(found), spread=(min(found), max(found)),
                      detail="%s / %s a second" % (thousands(statistics.median(ours)),
                                                   thousands(statistics.median(theirs)))))
    durable = bench.redis(durable=True)
    other = sides.Redis(durable=True, folder="redis-3")
    bench.running.append(other)
    args = clients(50) + redis_set("k:{seq}")
    found = bench.rounds({"one": (durable, args), "two": (other, args)})
    bench.ratio("redis-server / redis-server, durable SET", found, "one", "two")


CASES = {"ping": ping, "get": read, "create": made, "update": changed, "asof": asof,
         "mix": mixed, "fsync": fsync, "memory": memory, "disk": disk, "startup": startup,
         "grow": grow, "validate": validate}
NOT_BY_DEFAULT = ("validate",)
