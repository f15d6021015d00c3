"""A small client of the Redis protocol, RESP2 and RESP3, for the tests; standard library only.

A reply becomes a Python value that tells every type of the wire apart:

    bulk $, verbatim =   bytes (Verbatim)   simple +   Simple (a str)    error -   Error (a value)
    integer :            int                double ,   float             bool #    bool
    null _ $-1 *-1       None               array *    list              set ~     Set (a list)
    map %                Map (a dict)       push >     Push (a list)     big number (   int

Errors are values, not exceptions, so that replies can be compared. `Client.ok` raises.
"""

import socket
import time


class Error:
    """An error reply. `word` is its first word, `text` the whole line without the '-'."""

    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text

    @property
    def word(self):
        return self.text.split(" ", 1)[0]

    def __eq__(self, other):
        return isinstance(other, Error) and other.text == self.text

    def __hash__(self):
        return hash(self.text)

    def __repr__(self):
        return "Error(%r)" % self.text


class Simple(str):
    """A simple string."""

    __slots__ = ()


class Verbatim(bytes):
    """A verbatim string without its three letters of format."""


class Set(list):
    __slots__ = ()


class Push(list):
    __slots__ = ()


class Map(dict):
    """A map; keys are str where the wire has UTF-8 strings. The order of the wire is kept."""

    __slots__ = ()


class ProtocolError(Exception):
    """The peer sent something that is not RESP, or more than was asked for."""


class Closed(Exception):
    """The peer closed or reset the connection."""


class Incomplete(Exception):
    """The buffer ends inside a value."""


def encode(args):
    """One request as an array of bulk strings. Arguments may be bytes, str, int or float."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        if not isinstance(arg, (bytes, bytearray)):
            arg = str(arg).encode("utf-8", "surrogateescape")
        out.append(b"$%d\r\n" % len(arg))
        out.append(arg)
        out.append(b"\r\n")
    return b"".join(out)


def _key(value):
    """Map keys are easier to use as text; what is no UTF-8 stays bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return tuple(value) if isinstance(value, list) else value


def parse(buf, pos):
    """One value from buf at pos: (value, position after it). Raises Incomplete."""
    end = buf.find(b"\r\n", pos)
    if end < 0:
        raise Incomplete
    kind = buf[pos]
    line = buf[pos + 1:end]
    pos = end + 2
    if kind == 36:  # '$'
        size = int(line)
        if size < 0:
            return None, pos
        if len(buf) < pos + size + 2:
            raise Incomplete
        if buf[pos + size:pos + size + 2] != b"\r\n":
            raise ProtocolError("bulk string without its end")
        return bytes(buf[pos:pos + size]), pos + size + 2
    if kind == 58:  # ':'
        return int(line), pos
    if kind == 43:  # '+'
        return Simple(line.decode("utf-8", "replace")), pos
    if kind == 45:  # '-'
        return Error(line.decode("utf-8", "replace")), pos
    if kind in (42, 126, 62):  # '*' '~' '>'
        count = int(line)
        if count < 0:
            return None, pos
        items = []
        for _ in range(count):
            item, pos = parse(buf, pos)
            items.append(item)
        return (items if kind == 42 else Set(items) if kind == 126 else Push(items)), pos
    if kind == 37:  # '%'
        pairs = Map()
        for _ in range(int(line)):
            key, pos = parse(buf, pos)
            value, pos = parse(buf, pos)
            if _key(key) in pairs:
                raise ProtocolError("map with the key %r twice" % (key,))
            pairs[_key(key)] = value
        return pairs, pos
    return _parse_rare(buf, kind, line, pos)


def _parse_rare(buf, kind, line, pos):
    if kind == 95:  # '_'
        return None, pos
    if kind == 35:  # '#'
        if line not in (b"t", b"f"):
            raise ProtocolError("boolean %r" % bytes(line))
        return line == b"t", pos
    if kind == 44:  # ','
        return float(line), pos
    if kind == 40:  # '('
        return int(line), pos
    if kind == 61:  # '='
        size = int(line)
        if len(buf) < pos + size + 2:
            raise Incomplete
        return Verbatim(buf[pos + 4:pos + size]), pos + size + 2
    raise ProtocolError("a value begins with %r" % bytes([kind]) + bytes(line[:60]).decode("latin1"))


class Reader:
    """Cuts values from bytes as they come."""

    def __init__(self):
        self.buf = bytearray()
        self.pos = 0
        self.need = 0

    def feed(self, data):
        self.buf += data

    def next(self):
        """(True, value) or (False, None) when there is no whole value yet."""
        if self.pos >= len(self.buf):
            self.buf.clear()
            self.pos = 0
            return False, None
        try:
            value, self.pos = parse(self.buf, self.pos)
        except Incomplete:
            if self.pos:
                del self.buf[:self.pos]
                self.pos = 0
            return False, None
        return True, value


class Client:
    """A blocking connection. Every wait has a limit (`timeout`, seconds)."""

    def __init__(self, port=None, host="127.0.0.1", path=None, timeout=10.0, protocol=2):
        if path:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.reader = Reader()
        self.protocol = 2
        if protocol != 2:
            self.hello(protocol)

    def hello(self, protocol):
        reply = self.ok("HELLO", str(protocol))
        self.protocol = protocol
        return reply

    def send_raw(self, data):
        """Sends bytes as they are; what comes back meanwhile is kept, so that nothing deadlocks."""
        view = memoryview(data)
        deadline = time.monotonic() + self.timeout
        self.sock.setblocking(False)
        try:
            while view:
                try:
                    view = view[self.sock.send(view):]
                    continue
                except BlockingIOError:
                    pass
                except (BrokenPipeError, ConnectionResetError) as why:
                    raise Closed(str(why)) from None
                self._drain()
                if time.monotonic() > deadline:
                    raise TimeoutError("the peer does not read")
                time.sleep(0.0005)
        finally:
            self.sock.settimeout(self.timeout)

    def _drain(self):
        try:
            data = self.sock.recv(1 << 18)
            if data:
                self.reader.feed(data)
        except BlockingIOError:
            pass
        except ConnectionResetError as why:
            raise Closed(str(why)) from None

    def send(self, *args):
        self.send_raw(encode(args))

    def read(self, timeout=None):
        """The next reply. TimeoutError, Closed."""
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while True:
            done, value = self.reader.next()
            if done:
                return value
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no reply within %.1f s" % limit)
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(1 << 18)
            except socket.timeout:
                continue
            except ConnectionResetError as why:
                raise Closed(str(why)) from None
            if not data:
                raise Closed("end of stream")
            self.reader.feed(data)

    def call(self, *args, timeout=None):
        """One request and its reply; an error reply is returned as a value."""
        self.send(*args)
        return self.read(timeout)

    def ok(self, *args, timeout=None):
        """One request and its reply; an error reply is raised."""
        reply = self.call(*args, timeout=timeout)
        if isinstance(reply, Error):
            raise RuntimeError("%s: %s" % (" ".join(map(str, args))[:200], reply.text))
        return reply

    def pipeline(self, requests, timeout=None):
        """All requests in one go, then all replies in order."""
        self.send_raw(b"".join(encode(r) for r in requests))
        return [self.read(timeout) for _ in requests]

    def quiet(self, seconds):
        """True when nothing more comes within some time: nobody answered twice."""
        try:
            self.read(seconds)
            return False
        except TimeoutError:
            return True

    def close(self):
        self.sock.close()


def as_map(reply):
    """A map of RESP3, or the flat array that RESP2 has for it, as a Map; anything else unchanged."""
    if not isinstance(reply, list) or len(reply) % 2:
        return reply
    if not all(isinstance(key, (bytes, str)) for key in reply[::2]):
        return reply
    pairs = Map()
    for i in range(0, len(reply), 2):
        key = _key(reply[i])
        if key in pairs:
            raise ProtocolError("map with the key %r twice" % (key,))
        pairs[key] = reply[i + 1]
    return pairs
