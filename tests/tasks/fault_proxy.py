"""A line to a store that fails on demand: an HTTP proxy with one fault per injected rule."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

ALWAYS = 1 << 30
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}


class Fault(Enum):
    """What happens to a request, or to the answer to it."""

    SLOW_DOWN = "503 SlowDown"
    UNAVAILABLE = "503 "  # a load balancer's page, no S3 error
    INTERNAL_ERROR = "500 InternalError"
    EXPIRED_TOKEN = "400 ExpiredToken"
    SKEWED_CLOCK = "403 RequestTimeTooSkewed"
    ACCESS_DENIED = "403 AccessDenied"
    NOT_IMPLEMENTED = "501 NotImplemented"
    UNKNOWN_HEADER = "400 InvalidArgument"
    BLACK_HOLE = "the store never answers"
    RESET = "the connection breaks before the request arrives"
    LOST_REPLY = "the request is carried out, the connection breaks before the answer arrives"
    CUT = "half of the answer arrives"
    SLOW = "the answer takes its time"
    FLIP_UP = "one bit of what is sent is damaged"
    FLIP_DOWN = "one bit of what is received is damaged"
    FOREIGN_ETAG = "etags are no MD5, as with some kinds of encryption"
    IGNORE_CONDITIONS = "the store does not know If-Match and If-None-Match"


@dataclass(frozen=True)
class Request:
    """A request as it arrived, whatever became of it.

    Args:
        method: GET, PUT, ...
        path: Without query.
        headers: By lower-case name.
    """

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class _Rule:
    fault: Fault
    times: int
    method: str
    key: str


class FaultProxy(ThreadingHTTPServer):
    """A proxy in front of a store; use it as a context.

    Args:
        upstream: The store's ``http://host:port``.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[Request] = []
        self.closing = threading.Event()
        self._rules: list[_Rule] = []
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def inject(self, fault: Fault, *, times: int = 1, method: str = "*", key: str = "*") -> None:
        """Let the next requests that fit meet a fault; a body's faults need a body to fit."""
        self._rules.append(_Rule(fault, times, method, key))

    def heal(self) -> None:
        """Forget all faults."""
        self._rules.clear()

    def fault_for(self, request: Request) -> Fault | None:
        """Note a request and return the fault that it meets, if any."""
        with self._guard:
            self.seen.append(request)
            for rule in self._rules:
                fits = fnmatchcase(request.method, rule.method)
                if rule.times and fits and fnmatchcase(request.path, rule.key):
                    rule.times -= 1
                    return rule.fault
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are what this proxy is for; they are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = unquote(urlsplit(self.path).path)
        fault = self.server.fault_for(Request(self.command, path, headers))
        if fault is not None and fault.value[:3].isdigit():
            self.refuse(*fault.value.split(" "))
            return
        if fault is Fault.BLACK_HOLE:
            self.server.closing.wait(30)
        if fault in {Fault.RESET, Fault.BLACK_HOLE}:
            self.reset()
            return
        if fault is Fault.FLIP_UP:
            body = flipped(body)
        status, headers, answer = self.forward(
            body, keep_conditions=fault is not Fault.IGNORE_CONDITIONS
        )
        if fault is Fault.LOST_REPLY:
            self.reset()
            return
        if fault is Fault.FLIP_DOWN:
            answer = flipped(answer)
        if fault is Fault.SLOW:
            time.sleep(0.1)
        self.send_response(status)
        for name, value in headers:
            foreign = fault is Fault.FOREIGN_ETAG and name.lower() == "etag"
            self.send_header(name, f'"{"0" * 32}"' if foreign else value)
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2] if fault is Fault.CUT else answer)
        if fault is Fault.CUT:
            self.wfile.flush()
            self.reset()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any  # noqa: N815

    def forward(
        self, body: bytes, *, keep_conditions: bool
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        sent = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in {"connection", "expect"}
            and (keep_conditions or name.lower() not in {"if-match", "if-none-match"})
        }
        with contextlib.closing(http.client.HTTPConnection(self.server.upstream)) as upstream:
            upstream.request(self.command, self.path, body, sent)
            response = upstream.getresponse()
            answer = response.read()
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in HOP_BY_HOP
            and (name.lower() != "content-length" or self.command == "HEAD")
        ]
        if self.command != "HEAD":
            headers.append(("Content-Length", str(len(answer))))
        return response.status, headers, answer

    def refuse(self, status: str, code: str) -> None:
        told = "Unsupported header 'if-none-match'" if code == "InvalidArgument" else "as injected"
        text = f"<Error><Code>{code}</Code><Message>{told}</Message></Error>" if code else "Oops"
        body = b"" if self.command == "HEAD" else text.encode()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """End the connection as a crashed machine does: no goodbye, what is on its way is lost."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def flipped(data: bytes) -> bytes:
    """Return the data with one bit in its middle turned round."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :] if data else data
