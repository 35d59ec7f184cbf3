"""A real HTTP server on this machine that misbehaves as asked."""

import contextlib
import datetime
import hashlib
import ipaddress
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from napari_sam.checkpoints.registry import CheckpointSpec
from napari_sam.checkpoints.store import CheckpointStore


class FileServer:
    """Serves `content` at any path; what it does there is set in `behaviours`.

    A behaviour is a mapping with any of: ``status``, ``content``, ``type``,
    ``ranges`` (False ignores them), ``length`` (what Content-Length claims; None
    leaves it out), ``send`` (how many bytes of the body before it breaks off),
    ``stall`` (wait instead of breaking off), ``times`` (how often it misbehaves
    before it serves properly), ``shift`` (added to the start it resumes at),
    ``location`` (where a redirect leads).
    """

    def __init__(self, content):
        self.content = content
        self.behaviours = {}
        self.requests = []
        self.release = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                with contextlib.suppress(ConnectionError):
                    owner.answer(self)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def url(self, path="/model.pt"):
        host, port = self._server.server_address
        return f"http://{host}:{port}{path}"

    def close(self):
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        how = dict(self.behaviours.get(handler.path, {}))
        if "times" in how:
            self.behaviours[handler.path]["times"] -= 1
            if how["times"] <= 0:
                how = {}
        content = how.get("content", self.content)
        start = 0
        status = how.get("status", 200)
        if asked and how.get("ranges", True) and status == 200:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            status = 206 if start < len(content) else 416
            start += how.get("shift", 0)
        body = content[start:]
        handler.send_response(status)
        handler.send_header("Content-Type", how.get("type", "application/octet-stream"))
        if "location" in how:
            handler.send_header("Location", how["location"])
        if status == 206:
            last, total = len(content) - 1, len(content)
            handler.send_header("Content-Range", f"bytes {start}-{last}/{total}")
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            body = b""
        length = how.get("length", len(body))
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body[: how.get("send", len(body))])
        handler.wfile.flush()
        if how.get("stall"):
            self.release.wait(30)


@pytest.fixture
def content():
    """Three hundred kilobytes without a pattern."""
    blocks = (
        hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(10_000)
    )
    return b"".join(blocks)


@pytest.fixture
def server(content, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = FileServer(content)
    yield running
    running.close()


def self_signed(folder):
    """Write a certificate of 127.0.0.1 and its key; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def secure_redirect(server, tmp_path, monkeypatch):
    """Return a function that gives an https address which leads to another one."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    places = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", places[int(self.path[1:])])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()

    def redirect(place):
        places.append(place)
        return f"https://127.0.0.1:{running.server_port}/{len(places) - 1}"

    yield redirect
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def spec(server, content):
    return CheckpointSpec(
        name="some_model",
        title="Some model",
        architecture="vit_b",
        filename="some_model.pt",
        good_for="Tests.",
        licence="Apache-2.0",
        citation="Nobody",
        url=server.url(),
        hash=f"sha256:{hashlib.sha256(content).hexdigest()}",
        size=len(content),
    )


@pytest.fixture
def store(tmp_path):
    """A store in an empty folder."""
    return CheckpointStore(tmp_path / "cache", timeout=20, attempts=3, retry_wait=0.01)


@pytest.fixture
def hasty_store(tmp_path):
    """One that takes half a second of silence for a stall."""
    return CheckpointStore(tmp_path / "cache", timeout=0.5, attempts=3, retry_wait=0.01)
