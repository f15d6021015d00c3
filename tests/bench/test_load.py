#!/usr/bin/env python3
"""Proves that the load generator counts, checks and times as it says: against servers of a few
lines that answer rightly, wrongly, in pieces, late, or not at all."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

import sides

sys.path.insert(0, os.path.join(sides.ROOT, "tests", "lib"))
from resp import Closed, Reader  # noqa: E402


class Fake:
    """Answers every request with what `answer(words)` returns; bytes go out as `send` likes."""

    def __init__(self, answer, send=socket.socket.sendall):
        self.answer, self.send, self.seen = answer, send, []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        reader = Reader()
        with sock:
            try:
                while data := sock.recv(65536):
                    reader.feed(data)
                    self.reply(sock, reader)
            except (OSError, Closed):
                pass

    def reply(self, sock, reader):
        while True:
            whole, words = reader.next()
            if not whole:
                return
            with self.lock:
                self.seen.append(words)
            reply = self.answer(words)
            if reply is None:
                raise Closed
            self.send(sock, reply)

    def close(self):
        self.listener.close()


class LoadTest(unittest.TestCase):
    def load(self, server, *args):
        self.addCleanup(server.close)
        return subprocess.run([sides.LOAD, "--port", str(server.port)] + [str(a) for a in args],
                              capture_output=True, text=True, timeout=60, check=False)

    def good(self, server, *args):
        done = self.load(server, *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def test_sends_each_number_once_and_counts_them(self):
        for threads in (1, 2):
            server = Fake(lambda words: b"+OK\r\n")
            result = self.good(server, "--requests", 1001, "--threads", threads, "--clients", 7,
                               "--pipeline", 4, "--seq-from", 5, "--request", "SET k:{seq} {same}",
                               "--expect", r"+OK\r\n")
            self.assertEqual((result["requests"], result["answered"], result["seq_next"]),
                             (1001, 1001, 1006))
            self.assertEqual(sorted(int(words[1][2:]) for words in server.seen),
                             list(range(5, 1006)))
            self.assertTrue(all(words[1][2:] == words[2] for words in server.seen))

    def test_document_is_json_of_the_size(self):
        server = Fake(lambda words: b"+OK\r\n")
        self.good(server, "--requests", 3, "--request", "SET k:{rand:10:20} {json:1024}")
        for words in server.seen:
            self.assertEqual(len(words[2]), 1024)
            self.assertEqual(json.loads(words[2])["n"].encode(), words[1][2:])
            self.assertTrue(10 <= int(words[1][2:]) < 20)

    def test_takes_replies_in_any_pieces(self):
        reply = b"*3\r\n$5\r\na\r\nb!\r\n*2\r\n:-12\r\n$-1\r\n+x\r\n"
        for size in range(1, 12):
            def pieces(sock, data, size=size):
                for i in range(0, len(data), size):
                    sock.sendall(data[i:i + size])
            result = self.good(Fake(lambda words: reply, pieces), "--requests", 40, "--clients", 2,
                               "--pipeline", 3, "--request", "X", "--expect", "*3\r\n$5\r\na\r\nb!"
                               "\r\n*2\r\n:-12\r\n$-1\r\n+x\r\n")
            self.assertEqual(result["requests"], 40)

    def test_ends_at_what_is_not_right(self):
        cases = [
            (b"-ERR no\r\n", ["--request", "X"], "error reply"),
            (b"*2\r\n+a\r\n-ERR no\r\n", ["--request", "X"], "error reply"),
            (b"+NO\r\n", ["--request", "X", "--expect", r"+OK\r\n"], "unexpected reply"),
            (b"+OKAY\r\n", ["--request", "X", "--expect", r"+OK\r\n"], "unexpected reply"),
            (b"$-1\r\n", ["--request", "X", "--expect-prefix", "$1"], "unexpected reply"),
            (b"$13\r\nx000000000008\r\n", ["--request", "X {rand:7:8}", "--expect-prefix",
                                           r"$13\r\nx{same}"], "unexpected reply"),
            (b"?what\r\n", ["--request", "X"], "unexpected reply"),
            (b"$3\r\nabcd\r\n", ["--request", "X"], "unexpected reply"),
            (b"+OK\r\n+OK\r\n", ["--request", "X", "--clients", "1"], "nobody asked for"),
            (None, ["--request", "X"], "closed a connection"),
            (b"", ["--request", "X", "--timeout", "0.3"], "no reply for"),
        ]
        for reply, args, words in cases:
            done = self.load(Fake(lambda _, reply=reply: reply), "--seconds", 1, *args)
            self.assertEqual(done.returncode, 1, (reply, done))
            self.assertIn(words, done.stderr)

    def test_counts_errors_where_they_are_allowed(self):
        server = Fake(lambda words: b"-ERR no\r\n" if words[0] == b"BAD" else b"+OK\r\n")
        result = self.good(server, "--requests", 400, "--allow-errors", "--request", "BAD",
                           "--request", "GOOD", "--weight", 3)
        self.assertEqual(result["requests"] + result["errors"], 400)
        self.assertTrue(50 < result["errors"] < 150)
        self.assertEqual(result["kinds"][0]["requests"], 0)

    def test_open_loop_keeps_its_rate_and_counts_from_the_due_instant(self):
        stall = {"until": 0.0}

        def answer(_):
            time.sleep(max(0.0, stall["until"] - time.monotonic()))
            return b"+OK\r\n"
        server = Fake(answer)
        stall["until"] = time.monotonic() + 1.3
        result = self.good(server, "--warmup", 1, "--seconds", 1, "--clients", 1, "--rate", 500,
                           "--even", "--request", "X")
        # Stalled for the first 0.3 s of the measured second, more or less: the requests that fell
        # due meanwhile waited, the last of them not at all.
        self.assertTrue(490 <= result["requests"] <= 510, result)
        self.assertTrue(100e3 < result["max_us"] < 400e3, result)
        self.assertGreater(result["p90_us"], 50e3)

    def test_refuses_a_wrong_command_line(self):
        for args, words in ((["--request", "X {what}"], "braces know"),
                            (["--request", "X {rand:5:5}"], "LO < HI"),
                            (["--request", "{same}"], "stands before"),
                            (["--request", "{json:100}"], "640 bytes"),
                            (["--weight", "3"], "--request must stand before"),
                            (["--clients", "0", "--request", "X"], "from 1 to"),
                            (["--request", "X", "--what"], "unknown option"),
                            (["--request"], "value is missing"), ([], "without requests")):
            done = subprocess.run([sides.LOAD, "--port", "1"] + args, capture_output=True,
                                  text=True, timeout=10, check=False)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
