"""Tests of exporter/jobs/xe_exporter_jobs.py against a server that also misbehaves; run by python-client.test.ts."""

import asyncio
import concurrent.futures
import http.server
import importlib.util
import json
import os
import socket
import socketserver
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

CLIENT = Path(os.environ["XE_TEST_PYTHON_CLIENT"])
spec = importlib.util.spec_from_file_location("xe_exporter_jobs", CLIENT)
jobs = importlib.util.module_from_spec(spec)
sys.modules["xe_exporter_jobs"] = jobs
spec.loader.exec_module(jobs)
jobs._FIRST_PAUSE = 0.01


def sse(number, errno=-12, name="xe.vm.rebind_error"):
    record = {"timestamp": "2026-01-31T12:00:00.123456789Z", "event_name": name, "body": "lost a VM",
              "attributes": {"pci.bdf": "0000:03:00.0", "process.pid": 7, "xe.vm.errno": errno}}
    return f"id: a-{number}\nevent: {name}\ndata: {json.dumps(record)}\n\n".encode()


def fill(path):
    """Connections that the server has not taken, until it has no place for more."""
    connections = []
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
        except BlockingIOError:
            one.close()
            return connections
        connections.append(one)


class Node(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An exporter whose answers are given: one function a connection, the last for all that follow."""

    daemon_threads = True

    def __init__(self, *answers):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "jobs.sock")
        self.answers = list(answers)
        self.asked = []
        self.done = threading.Event()
        node = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                node.asked.append((self.path, self.headers.get("Last-Event-ID")))
                answer = node.answers.pop(0) if len(node.answers) > 1 else node.answers[0]
                self.close_connection = True
                try:
                    answer(self)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

            def address_string(self):
                return "job"

            def stream(self, *chunks, end=False):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Connection", "close")
                self.end_headers()
                for chunk in chunks:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                if end:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    node.done.wait(60)

            def document(self, status, body, kind="application/json"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

        super().__init__(self.path, Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done.set()
        self.shutdown()
        self.server_close()
        self.folder.cleanup()


class Events(unittest.TestCase):
    def test_are_had_as_they_come_whole_or_in_pieces(self):
        whole = sse(1) + sse(2, -62)
        pieces = [whole[at:at + 7] for at in range(0, len(whole), 7)]
        for chunks in ([whole], pieces):
            with Node(lambda handler: handler.stream(b"retry: 3000\nid: a-0\n\n: heartbeat\n\n", *chunks)) as node:
                stream = jobs.events(node.path)
                first, second = next(stream), next(stream)
                stream.close()
            self.assertEqual((first.id, first.name, first.errno, first.out_of_memory), ("a-1", jobs.VM_REBIND_ERROR, 12, True))
            self.assertEqual((first.device, first.pid, first.body), ("0000:03:00.0", 7, "lost a VM"))
            self.assertEqual((second.errno, second.out_of_memory), (62, False))

    def test_go_on_where_the_connection_broke(self):
        with Node(
            lambda handler: handler.stream(sse(1), end=True),
            lambda handler: handler.document(503, b"full", "text/plain"),
            lambda handler: handler.stream(b"id: a-4\nevent: gap\ndata: {\"reason\":\"overwritten\",\"missed\":3}\n\n", sse(5)),
        ) as node:
            stream = jobs.events(node.path)
            self.assertEqual([next(stream).id for _ in range(3)], ["a-1", "a-4", "a-5"])
            stream.close()
            self.assertEqual(node.asked, [("/events", None), ("/events", "a-1"), ("/events", "a-1")])

    def test_a_gap_says_how_many_are_missing(self):
        gap = b"id: a-4\nevent: gap\ndata: {\"reason\":\"overwritten\",\"missed\":3}\n\n"
        with Node(lambda handler: handler.stream(gap)) as node:
            event = next(jobs.events(node.path, after="a-1"))
        self.assertEqual((event.name, event.missed, event.attributes["reason"]), (jobs.GAP, 3, "overwritten"))
        self.assertFalse(event.out_of_memory)
        for missed in (None, True, "3"):
            self.assertIsNone(jobs.Event("", jobs.GAP, "", "", {"missed": missed}).missed)
        self.assertEqual(jobs.Event("", jobs.VM_REBIND_ERROR, "", "", {"missed": 3}).missed, 0)
        self.assertEqual(node.asked, [("/events", "a-1")])

    def test_hostile_bytes_are_left_out(self):
        bad = b"data: " + b"[" * 100000 + b"\n\ndata: {\n\ndata: null\n\ndata: [1]\n\nevent: x\ndata: {\"attributes\":7,\"body\":[]}\n\n\xff\xfe: \x00\n\n"
        with Node(lambda handler: handler.stream(bad, sse(9))) as node:
            found = []
            for event in jobs.events(node.path):
                found.append(event)
                if event.id == "a-9":
                    break
        self.assertFalse(any(event.out_of_memory for event in found[:-1]))

    def test_a_line_without_an_end_is_not_kept(self):
        with Node(
            lambda handler: handler.stream(*[b"x" * 65536] * 32),
            lambda handler: handler.stream(sse(1)),
        ) as node:
            self.assertEqual(next(jobs.events(node.path)).id, "a-1")

    def test_the_trace_has_no_error_code(self):
        event = jobs.Event("", jobs.VM_REBIND_ERROR, "", "", {"process.pid": 7})
        self.assertEqual((event.errno, event.out_of_memory), (None, True))


class Refusals(unittest.TestCase):
    def test_say_what_the_exporter_said(self):
        with Node(lambda handler: handler.document(403, b"process 7 belongs to no pod\n", "text/plain")) as node:
            for ask in (jobs.last, jobs.devices, jobs.events):
                with self.assertRaisesRegex(jobs.JobsError, "403 process 7 belongs to no pod") as caught:
                    ask(node.path)
                self.assertNotIsInstance(caught.exception, jobs.Unavailable)

    def test_of_nobody_are_unavailable(self):
        for ask in (jobs.last, jobs.devices, jobs.events, lambda path: jobs.on_out_of_memory(print, path)):
            with self.assertRaisesRegex(jobs.Unavailable, "/nowhere/jobs.sock"):
                ask("/nowhere/jobs.sock")

    def test_wait_in_line_while_too_many_connect(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
            path = os.path.join(folder, "jobs.sock")
            server.bind(path)
            server.listen(0)
            before = fill(path)
            usual, jobs._ANSWER = jobs._ANSWER, 1.0
            self.addCleanup(setattr, jobs, "_ANSWER", usual)
            began = time.monotonic()
            with self.assertRaises(jobs.Unavailable):
                jobs.last(path)
            self.assertGreater(time.monotonic() - began, 0.9)
            jobs._ANSWER = usual
            asked = concurrent.futures.ThreadPoolExecutor().submit(jobs.last, path)
            for _ in before:
                server.accept()[0].close()
            with server.accept()[0] as taken:
                taken.recv(65536)
                taken.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"last":{"reason":"memory"}}')
            self.assertEqual(asked.result(60).reason, "memory")
            for one in before:
                one.close()

    def test_of_a_broken_answer_say_so(self):
        for body in (b"{", b"\xff", b"[" * 100000, b"[" * 5000000):
            with Node(lambda handler: handler.document(200, body)) as node:
                with self.assertRaises(jobs.JobsError):
                    jobs.last(node.path)


class Questions(unittest.TestCase):
    def test_last(self):
        record = json.loads(sse(1).decode().split("data: ")[1])
        body = {"schema": 1, "workload": {}, "last": {"reason": "memory", "time": "2026-01-31T12:00:00Z", "event": record}}
        with Node(lambda handler: handler.document(200, json.dumps(body).encode())) as node:
            last = jobs.last(node.path)
        self.assertEqual((last.reason, last.time, last.event.out_of_memory), ("memory", "2026-01-31T12:00:00Z", True))

    def test_nothing_last(self):
        for body in (b'{"schema":1,"last":null}', b"[]", b'{"last":{"reason":5,"event":"x"}}'):
            with Node(lambda handler: handler.document(200, body)) as node:
                self.assertEqual(jobs.last(node.path), jobs.Last(None, None, None))

    def test_devices(self):
        body = {"devices": [{"pci_bdf": "0000:03:00.0", "state": "wedged", "since": "t", "cause": {"event": "e"}, "advice": "do"}, 5]}
        with Node(lambda handler: handler.document(200, json.dumps(body).encode())) as node:
            self.assertEqual(jobs.devices(node.path), [jobs.Device("0000:03:00.0", "wedged", "t", "do", {"event": "e"})])


class Callbacks(unittest.TestCase):
    def test_come_for_lack_of_memory_only_and_survive_their_own_mistakes(self):
        called, enough = [], threading.Event()

        def callback(event):
            called.append(event.id)
            if len(called) == 2:
                enough.set()
            raise RuntimeError("a mistake")

        jobs._log.disabled = True
        with Node(lambda handler: handler.stream(sse(1, -62), sse(2), sse(3, -28))) as node:
            with jobs.on_out_of_memory(callback, node.path):
                self.assertTrue(enough.wait(60))
        self.assertEqual(called, ["a-2", "a-3"])

    def test_closing_ends_the_thread_at_once(self):
        with Node(lambda handler: handler.stream(b": quiet\n\n")) as node:
            listener = jobs.on_out_of_memory(print, node.path)
            listener.close()
            self.assertFalse(listener._thread.is_alive())

    def test_can_close_what_calls_them(self):
        closed = threading.Event()
        with Node(lambda handler: handler.stream(sse(1))) as node:
            holder = []

            def callback(_event):
                ready.wait(60)
                holder[0].close()
                closed.set()

            ready = threading.Event()
            holder.append(jobs.on_out_of_memory(callback, node.path))
            ready.set()
            self.assertTrue(closed.wait(60))


class Async(unittest.TestCase):
    def test_iterates(self):
        async def first(path, count):
            found = []
            async for event in jobs.async_events(path):
                found.append(event.id)
                if len(found) == count:
                    return found

        with Node(lambda handler: handler.stream(*[sse(number) for number in range(1000)])) as node:
            self.assertEqual(len(asyncio.run(first(node.path, 1000))), 1000)

    def test_refusal_is_raised(self):
        async def first(path):
            async for _ in jobs.async_events(path):
                pass

        with self.assertRaises(jobs.Unavailable):
            asyncio.run(first("/nowhere/jobs.sock"))

    def test_cancelling_ends_the_thread(self):
        async def cancelled(path):
            async def follow():
                async for _ in jobs.async_events(path):
                    pass

            task = asyncio.create_task(follow())
            while not node.asked:
                await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        with Node(lambda handler: handler.stream(sse(1))) as node:
            asyncio.run(cancelled(node.path))
            for thread in threading.enumerate():
                if thread.name == "xe-exporter-jobs":
                    thread.join(60)
                    self.assertFalse(thread.is_alive())


class Environment(unittest.TestCase):
    def test_attempt_and_scale(self):
        for attempt, scale, expected in (("3", "0.25", (3, 0.25)), ("x", "nan", (1, 1.0)), ("-1", "0", (1, 1.0)), ("", "7", (1, 1.0))):
            os.environ["XE_EXPORTER_RUN_ATTEMPT"], os.environ["XE_EXPORTER_RUN_SCALE"] = attempt, scale
            self.assertEqual((jobs.run_attempt(), jobs.run_scale()), expected)
        del os.environ["XE_EXPORTER_RUN_ATTEMPT"], os.environ["XE_EXPORTER_RUN_SCALE"]
        self.assertEqual((jobs.run_attempt(), jobs.run_scale()), (1, 1.0))


if __name__ == "__main__":
    unittest.main()
