"""Why a job on an Intel GPU failed, told by the xe-exporter of its node.

One file, no dependencies, Python 3.9 or newer. Copy it beside your program, or put its folder on PYTHONPATH. A job sees the
events of its own pod, systemd unit or Slurm job, and nobody else's.

    import xe_exporter_jobs as jobs

    with jobs.on_out_of_memory(lambda event: trainer.shrink()):
        trainer.run()

    for event in jobs.events():            # endless; reconnects, and resumes where it left off
        print(event.name, event.body)

    async for event in jobs.async_events():
        ...

    if jobs.last().reason == "memory":     # how did the last run end?
        batch //= 2

The socket is found by XE_EXPORTER_JOBS_SOCKET, else at /run/xe-exporter/jobs.sock.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno as _errno
import http.client
import json
import logging
import os
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, AsyncIterator, Callable, Iterator, List, Mapping, Optional, Union

__all__ = [
    "GAP",
    "VM_REBIND_ERROR",
    "Device",
    "Event",
    "JobsError",
    "Last",
    "Listener",
    "Unavailable",
    "async_events",
    "devices",
    "events",
    "last",
    "on_out_of_memory",
    "run_attempt",
    "run_scale",
    "socket_path",
]

#: Version of the answers this client was written for; a node with a later one still answers in a way it understands.
SCHEMA = 1

DEFAULT_SOCKET = "/run/xe-exporter/jobs.sock"

#: The event of a GPU VM that the driver could not bring back into memory.
VM_REBIND_ERROR = "xe.vm.rebind_error"

#: The notice that events are missing. Its ``attributes["reason"]`` is ``rate_limited`` (the job had too many at once), ``overwritten``
#: (the exporter did not keep them until the job came back), or ``other_start`` (the exporter was restarted).
GAP = "gap"

#: Seconds without a byte after which a stream is dead: the exporter sends a heartbeat every 15 s.
_SILENCE = 60.0
#: Seconds that a question may take.
_ANSWER = 10.0
_MOST_ANSWER = 4 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_QUEUE = 256

_log = logging.getLogger("xe_exporter_jobs")


class JobsError(Exception):
    """The exporter answered, and what it said is not an answer: its sentence says what to do."""


class Unavailable(JobsError):
    """No exporter listens at the socket, or it has no place for this job now."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to the job or to a GPU it has open."""

    #: To resume after this event, see ``events(after=...)``.
    id: str
    #: For example ``xe.vm.rebind_error``; ``gap`` where events are missing, see :attr:`missed`.
    name: str
    #: ISO 8601 in UTC, with nanoseconds; empty for a gap.
    time: str
    #: What happened and what to do, as a sentence.
    body: str
    #: OpenTelemetry attributes by their dotted names.
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def errno(self) -> Optional[int]:
        """The kernel's error, positive; None if it is unknown."""
        value = self.attributes.get("xe.vm.errno")
        return abs(value) if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def out_of_memory(self) -> bool:
        """True when a GPU VM was lost for lack of memory. The driver's trace has no error code; it tells of such errors only."""
        return self.name == VM_REBIND_ERROR and self.errno in (None, _errno.ENOMEM, _errno.ENOSPC)

    @property
    def missed(self) -> Optional[int]:
        """For a ``gap``: how many events are missing; None if that is unknown. 0 for every other event."""
        if self.name != GAP:
            return 0
        value = self.attributes.get("missed")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def device(self) -> Optional[str]:
        """PCI address of the GPU."""
        return self._text("pci.bdf")

    @property
    def pid(self) -> Optional[int]:
        """The process on the host; not the pid a container shows."""
        value = self.attributes.get("process.pid")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _text(self, name: str) -> Optional[str]:
        value = self.attributes.get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class Last:
    """How the last run of this pod, unit or Slurm job ended."""

    #: ``memory``, ``hang``, ``device_lost``, or None when nothing is known to have gone wrong.
    reason: Optional[str]
    #: When that was, ISO 8601.
    time: Optional[str]
    #: The event that said so.
    event: Optional[Event]


@dataclass(frozen=True)
class Device:
    """A GPU that this job has open, and whether it is fit for work."""

    pci_bdf: str
    #: ``ok``, ``recovering``, ``faulting``, ``unrecovered``, ``wedged``, ``survivability``, ``lost`` or ``unknown``.
    state: str
    #: Since when, ISO 8601.
    since: Optional[str]
    #: What to do, as a sentence.
    advice: str
    #: The event that began it.
    cause: Optional[Mapping[str, Any]]


def socket_path() -> str:
    """Where the socket is looked for."""
    return os.environ.get("XE_EXPORTER_JOBS_SOCKET") or DEFAULT_SOCKET


def run_attempt() -> int:
    """Which attempt this is under ``xe-exporter run --on-oom=restart``: 1, 2, ...; 1 without it."""
    try:
        return max(1, int(os.environ.get("XE_EXPORTER_RUN_ATTEMPT", "1")))
    except ValueError:
        return 1


def run_scale() -> float:
    """The batch size that ``xe-exporter run --on-oom=restart`` suggests, as a factor: 1.0, 0.5, 0.25, ...; 1.0 without it."""
    try:
        scale = float(os.environ.get("XE_EXPORTER_RUN_SCALE", "1"))
    except ValueError:
        return 1.0
    return scale if 0.0 < scale <= 1.0 else 1.0


def last(path: Optional[str] = None) -> Last:
    """Asks how the last run ended.

    :raises Unavailable: nobody listens.
    :raises JobsError: the exporter refused; its sentence says why.
    """
    found = _mapping(_ask("/last", path).get("last"))
    return Last(
        reason=_text_of(found, "reason"),
        time=_text_of(found, "time"),
        event=_event("", "", found["event"]) if isinstance(found.get("event"), dict) else None,
    )


def devices(path: Optional[str] = None) -> List[Device]:
    """Asks for the health of the GPUs that this job has open. Raises as :func:`last` does."""
    found = _ask("/devices", path).get("devices")
    return [
        Device(
            pci_bdf=_text_of(each, "pci_bdf") or "",
            state=_text_of(each, "state") or "unknown",
            since=_text_of(each, "since"),
            advice=_text_of(each, "advice") or "",
            cause=each["cause"] if isinstance(each.get("cause"), dict) else None,
        )
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def events(path: Optional[str] = None, after: Optional[str] = None) -> Iterator[Event]:
    """Follows the job's events without end: from now on, or from the event after the one whose id is given.

    It is listening when this returns. It reconnects when the exporter restarts, and resumes where it left off. Where events are missing it yields one named
    ``gap``, whose ``missed`` says how many.

    :raises Unavailable: only when the first connection fails.
    :raises JobsError: the exporter refuses this job; its sentence says why.
    """
    stream = _Stream(path, after)
    stream.connect()
    return stream.events()


async def async_events(path: Optional[str] = None, after: Optional[str] = None) -> AsyncIterator[Event]:
    """:func:`events` for asyncio. A thread reads; it ends with the iteration, also when that is cancelled."""
    loop = asyncio.get_running_loop()
    queue: "asyncio.Queue[Union[Event, BaseException]]" = asyncio.Queue(_QUEUE)
    stream = _Stream(path, after)

    def put(item: Union[Event, BaseException]) -> bool:
        """Waits while the queue is full: what is not taken stays with the exporter."""
        if stream.closed:
            return False
        try:
            waiting = asyncio.run_coroutine_threadsafe(queue.put(item), loop)
        except RuntimeError:  # The loop is closed.
            return False
        while not stream.closed:
            concurrent.futures.wait([waiting], timeout=1.0)
            if waiting.done():
                return not waiting.cancelled()
        waiting.cancel()
        return False

    def read() -> None:
        try:
            for event in stream.events():
                if not put(event):
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the one who iterates.
            put(error)

    thread = threading.Thread(target=read, name="xe-exporter-jobs", daemon=True)
    thread.start()
    try:
        while True:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stream.close()


class Listener:
    """Calls back from a thread of its own until it is closed. A context manager."""

    def __init__(self, callback: Callable[[Event], None], wanted: Callable[[Event], bool], path: Optional[str]) -> None:
        self._callback = callback
        self._wanted = wanted
        self._stream = _Stream(path, None)
        self._thread = threading.Thread(target=self._run, name="xe-exporter-jobs", daemon=True)

    def start(self) -> "Listener":
        self._stream.connect()
        self._thread.start()
        return self

    def close(self) -> None:
        """Ends the thread; no callback begins after this returns, unless it is called from one."""
        self._stream.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for event in self._stream.events():
                if self._wanted(event):
                    self._call(event)
        except JobsError as error:
            _log.warning("no more events of this job: %s", error)

    def _call(self, event: Event) -> None:
        try:
            self._callback(event)
        except Exception:  # noqa: BLE001 - a mistake in a callback must not end the listening.
            _log.exception("the callback for %s failed", event.name)


def on_out_of_memory(callback: Callable[[Event], None], path: Optional[str] = None) -> Listener:
    """Calls ``callback(event)``, in a thread, whenever a process of the job has lost a GPU VM for lack of memory.

    It listens when this returns. Keep the callback short: set a flag that the training loop looks at.

    :raises Unavailable: nobody listens at the socket. The job can run without.
    :raises JobsError: the exporter refuses this job; its sentence says why.
    """
    return Listener(callback, lambda event: event.out_of_memory, path).start()


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # In line with others: while very many processes connect, a connect that does not block gets EAGAIN. See unix(7), socket(7).
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(_ANSWER), 0))
        try:
            self.sock.connect(self._path)
            self.sock.settimeout(self.timeout)
        except BaseException:
            self.sock.close()
            raise
        self._kept = self.sock

    def cut(self) -> None:
        """From any thread: whoever reads meets the end. The stream's socket is no longer ``sock`` by then."""
        try:
            self._kept.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.close()


def _open(target: str, path: Optional[str], timeout: float, headers: Mapping[str, str]) -> "tuple[_Connection, http.client.HTTPResponse]":
    where = path or socket_path()
    connection = _Connection(where, timeout)
    try:
        connection.request("GET", target, headers=dict(headers))
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Unavailable(f"{where}: {error or type(error).__name__}") from error
    if response.status == 200:
        return connection, response
    said = response.read(1000).decode("utf-8", "replace").strip()
    connection.close()
    kind = Unavailable if response.status == 429 or response.status >= 500 else JobsError
    raise kind(f"{where}: {response.status} {said}")


def _ask(target: str, path: Optional[str]) -> Mapping[str, Any]:
    connection, response = _open(target, path, _ANSWER, {"Accept": "application/json"})
    try:
        body = response.read(_MOST_ANSWER + 1)
        if len(body) > _MOST_ANSWER:
            raise JobsError(f"{target}: an answer of more than {_MOST_ANSWER} bytes")
        return _mapping(json.loads(body))
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{target}: {error or type(error).__name__}") from error
    except (ValueError, RecursionError) as error:
        raise JobsError(f"{target}: the answer is no JSON") from error
    finally:
        connection.close()


class _Stream:
    """One place in the job's events, which outlives connections."""

    def __init__(self, path: Optional[str], after: Optional[str]) -> None:
        self._path = path
        self._after = after
        self._lock = threading.Lock()
        self._open: "Optional[tuple[_Connection, http.client.HTTPResponse]]" = None
        self._closing = threading.Event()

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def connect(self) -> None:
        headers = {"Accept": "text/event-stream"}
        if self._after is not None:
            headers["Last-Event-ID"] = self._after
        opened = _open("/events", self._path, _SILENCE, headers)
        with self._lock:
            self._open = opened
        if self.closed:
            self._disconnect()

    def close(self) -> None:
        """From any thread: ends the iteration."""
        self._closing.set()
        self._disconnect()

    def events(self) -> Iterator[Event]:
        try:
            if self._open is None and not self.closed:
                self.connect()
            pause = _FIRST_PAUSE
            while not self.closed:
                for event in self._read():
                    pause = _FIRST_PAUSE
                    yield event
                self._disconnect()
                # Not all jobs of a node at once.
                if self._closing.wait(pause * random.uniform(0.5, 1.0)):
                    return
                pause = min(_LONGEST_PAUSE, pause * 2)
                try:
                    self.connect()
                except Unavailable as error:
                    _log.debug("will try again: %s", error)
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None:
            opened[0].cut()

    def _read(self) -> Iterator[Event]:
        """The events of one connection, until it breaks."""
        opened = self._open
        if opened is None:
            return
        try:
            yield from self._parse(opened[1])
        finally:
            # Here and in no other thread: closing waits for who reads.
            opened[1].close()

    def _parse(self, response: http.client.HTTPResponse) -> Iterator[Event]:
        name, data = "", ""
        while True:
            try:
                line = response.readline(_LONGEST_LINE + 1)
            except (OSError, ValueError, AttributeError, http.client.HTTPException):
                return
            if not line.endswith(b"\n"):
                return  # The end, or a line that the exporter would not send.
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text == "":
                event = _parsed(self._after or "", name, data)
                name, data = "", ""
                if event is not None:
                    yield event
                continue
            key, _, value = text.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if key == "id":
                self._after = value
            elif key == "event":
                name = value
            elif key == "data":
                data = value


def _parsed(identity: str, name: str, data: str) -> Optional[Event]:
    if data == "":
        return None
    try:
        return _event(identity, name, json.loads(data))
    except (ValueError, RecursionError):
        _log.warning("an event that is no JSON was left out")
        return None


def _event(identity: str, name: str, record: Any) -> Event:
    record = _mapping(record)
    attributes = _mapping(record.get("attributes"))
    if name == GAP:
        attributes = record
    return Event(
        id=identity or _text_of(record, "id") or "",
        name=name or _text_of(record, "event_name") or "",
        time=_text_of(record, "timestamp") or "",
        body=_text_of(record, "body") or "",
        attributes=attributes,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text_of(record: Mapping[str, Any], name: str) -> Optional[str]:
    value = record.get(name)
    return value if isinstance(value, str) else None
