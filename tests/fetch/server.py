"""A file server on the loopback that misbehaves by script, and one laid out like the Hugging Face hub."""

import hashlib
import re
import sys
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Fault:
    """How one answer to a GET goes wrong. Byte positions are those of the whole file."""

    status: int | None = None
    headers: dict = field(default_factory=dict)
    cut: int | None = None
    """The connection closes before this byte."""
    stall: int | None = None
    """Nothing more is sent from this byte on, and the connection stays open."""
    flip: int | None = None
    """A bit of this byte is wrong."""
    length: str | None = None
    """What Content-Length says instead of the truth; "" leaves it out."""


@dataclass
class Served:
    content: bytes
    etag: str
    ranges: bool = True
    if_range: bool = True
    """False: the server gives a range whatever If-Range says."""
    headers: dict = field(default_factory=dict)
    faults: deque = field(default_factory=deque)
    always: Fault = field(default_factory=Fault)
    """How each answer goes once `faults` are used up."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict
    status: int


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """Files and redirects by path, and what was asked for."""

    def __init__(self):
        self.files, self.redirects, self.refusals = {}, {}, {}
        self.asked = []
        self.closing = threading.Event()
        self.http = Quiet(("127.0.0.1", 0), type("Handler", (Handler,), {"server_of_files": self}))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def serve(self, path, content, faults=(), **options):
        """Serve a file and return its address."""
        etag = f'"{hashlib.sha1(content).hexdigest()[:10]}"'
        self.files[path] = Served(content, **({"etag": etag} | options), faults=deque(faults))
        return self.url + path

    def redirect(self, path, to, status=302, **headers):
        """Redirect a path and return its address."""
        self.redirects[path] = (status, {"Location": to} | headers)
        return self.url + path

    def refuse(self, path, status, **headers):
        """Refuse a path and return its address."""
        self.refusals[path] = (status, headers)
        return self.url + path

    def gets(self, path=None):
        """Return the GETs, of one path or of all."""
        return [a for a in self.asked if a.method == "GET" and path in (None, a.path)]


@contextmanager
def running():
    """Give a server that listens until the end."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join(5)


class Handler(BaseHTTPRequestHandler):
    server_of_files: Server
    protocol_version = "HTTP/1.1"
    timeout = 10

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        files = self.server_of_files
        for table in (files.redirects, files.refusals):
            if self.path in table:
                status, headers = table[self.path]
                return self.head(status, {"Content-Length": "0"} | headers)
        if self.path not in files.files:
            return self.head(404, {"Content-Length": "0"})
        served = files.files[self.path]
        fault = Fault()
        if self.command == "GET":
            fault = served.faults.popleft() if served.faults else served.always
        if fault.status is not None:
            return self.head(fault.status, {"Content-Length": "0"} | fault.headers)
        return self.body(served, fault)

    def head(self, status, headers):
        self.server_of_files.asked.append(Asked(self.command, self.path, dict(self.headers), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, served, fault):
        start, status, size = 0, 200, len(served.content)
        headers = {"ETag": served.etag} | served.headers | fault.headers
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, served.etag) or not served.if_range
        if wanted and served.ranges and same:
            start, status = int(wanted[1]), 206
            if start >= size:
                return self.head(416, {"Content-Length": "0", "Content-Range": f"bytes */{size}"})
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        length = str(size - start) if fault.length is None else fault.length
        self.head(status, headers | ({"Content-Length": length} if length else {}))
        if self.command == "HEAD":
            return None
        content = bytearray(served.content)
        if fault.flip is not None:
            content[fault.flip] ^= 1
        end = min(position for position in (size, fault.cut, fault.stall) if position is not None)
        self.wfile.write(content[start:end])
        self.wfile.flush()
        if fault.stall is not None:
            self.server_of_files.closing.wait(8)
        if fault.cut is not None or fault.stall is not None or fault.length is not None:
            self.close_connection = True
        return None


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def lay_out_hub(hub, storage, folder, commit=COMMIT, revisions=("main",), prefix=""):
    """Serve a local folder of org/repo/file as a hub does: large files (*.npz, *.safetensors) from the storage server.

    A large file's ETag is its sha256, given in the redirect; a small one's is the sha1 of its git blob.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        org, repo, *file = path.relative_to(folder).parts
        content = path.read_bytes()
        for revision in (*revisions, commit):
            place = f"/{prefix}{org}/{repo}/resolve/{revision}/{'/'.join(file)}"
            if path.suffix not in (".npz", ".safetensors"):
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                hub.serve(place, content, etag=f'"{blob}"', headers={"X-Repo-Commit": commit})
                continue
            digest = hashlib.sha256(content).hexdigest()
            address = storage.serve(f"/{digest}", content)
            linked = {"X-Repo-Commit": commit, "X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            hub.redirect(place, address, **linked)
