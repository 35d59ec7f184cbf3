"""Addresses at which there is no cluster that can embed planes."""

from __future__ import annotations

import datetime
import http.server
import socket
import threading
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

pytest.importorskip("distributed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dask_cluster import Cluster

import napari_sam
from napari_sam import RemoteDevice
from napari_sam.inference.dask_connection import connect

PRETENDS = """
import importlib.metadata as metadata

_version = metadata.version


def version(name):
    if name == {name!r}:
        {what}
    return _version(name)


metadata.version = version
"""


@pytest.fixture(scope="module")
def bare():
    """Return the scheduler of a cluster without workers."""
    running = Cluster()
    yield running
    running.kill()


@contextmanager
def listening(answer=b""):
    """Listen at an address, and answer everybody alike, or nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                kept.append(one)
                if answer:
                    one.sendall(answer)

        kept = []
        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        for one in kept:
            one.close()


@pytest.mark.parametrize(
    "address",
    ["http://10.0.0.1:8787", "tcp://10.0.0.1", "tcp://:8786", "tcp://gpu:99999"],
)
def test_what_is_no_address_of_a_scheduler_is_refused(address):
    with pytest.raises(ValueError, match=r"looks like tcp://10\.0\.0\.1:8786 .* got"):
        napari_sam.load_model("cells", device=address)


def test_an_address_without_its_scheme_is_told_what_is_wanted():
    with pytest.raises(ValueError, match="or the address of a Dask scheduler"):
        napari_sam.load_model("cells", device="10.0.0.1:8786")


def test_wrong_parameters_are_refused(tmp_path):
    with pytest.raises(ValueError, match="timeout must be above 0 seconds, got 0"):
        RemoteDevice("tcp://gpu:8786", timeout=0)
    with pytest.raises(ValueError, match=r"ca_file is .*, where there is no file"):
        RemoteDevice("tls://gpu:8786", ca_file=tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ValueError, match=r"certificates go with an address .* tls://"):
        RemoteDevice("tcp://gpu:8786", ca_file=tmp_path / "ca.pem")


def test_nobody_is_there():
    with pytest.raises(OSError, match=r"nobody answers at tcp://127\.0\.0\.1:9"):
        napari_sam.load_model("cells", device="tcp://127.0.0.1:9")


def test_a_web_server_is_there():
    place = ("127.0.0.1", 0)
    with http.server.HTTPServer(place, http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_port}"
        with pytest.raises(OSError, match=f"a web server answers at {address}"):
            connect(RemoteDevice(address, timeout=1))
        server.shutdown()


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.org ready\r\n"])
def test_something_else_is_there(answer):
    with (
        listening(answer) as address,
        pytest.raises(OSError, match=f"at {address} is no Dask scheduler"),
    ):
        connect(RemoteDevice(address, timeout=0.3))


def test_a_scheduler_without_workers_says_how_to_start_one(bare):
    with pytest.raises(
        OSError, match=f"has no workers; .* `dask worker {bare.address}"
    ):
        connect(RemoteDevice(bare.address, timeout=60))


@pytest.mark.parametrize(
    ("name", "what", "told"),
    [
        (
            "torch",
            "raise metadata.PackageNotFoundError(name)",
            r"cannot be used: tcp://127\.0\.0\.1:\d+ without PyTorch; install",
        ),
        (
            "napari-sam",
            "raise metadata.PackageNotFoundError(name)",
            r"tcp://127\.0\.0\.1:\d+ without napari-sam; wanted version "
            f"{napari_sam.__version__}",
        ),
        (
            "napari-sam",
            "return '0.1'",
            r"tcp://127\.0\.0\.1:\d+ with napari-sam 0\.1; wanted "
            f"{napari_sam.__version__}",
        ),
    ],
)
def test_unfit_workers_are_named(bare, tmp_path, name, what, told):
    (tmp_path / "sitecustomize.py").write_text(PRETENDS.format(name=name, what=what))
    bare.add_workers(folder=tmp_path)
    try:
        with pytest.raises(OSError, match=told):
            connect(RemoteDevice(bare.address, timeout=60))
    finally:
        bare.kill_workers()


def test_certificates_open_a_scheduler_that_wants_them(tmp_path):
    write_certificates(tmp_path)
    running = Cluster(tmp_path)
    files = {
        "ca_file": tmp_path / "ca.pem",
        "cert_file": tmp_path / "cert.pem",
        "key_file": tmp_path / "key.pem",
    }
    try:
        running.add_workers()
        device = RemoteDevice(running.address, timeout=60, **files)
        assert connect(device).workers == 1
        with pytest.raises(ValueError, match="wants certificates; give ca_file"):
            connect(RemoteDevice(running.address))
        plain = running.address.replace("tls", "tcp")
        with pytest.raises(OSError, match=f"wants TLS; give {running.address}"):
            connect(RemoteDevice(plain, timeout=1))
    finally:
        running.kill()


def test_a_scheduler_without_tls_says_so(bare, tmp_path):
    write_certificates(tmp_path)
    files = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "cert.pem"}
    device = RemoteDevice(
        bare.address.replace("tcp", "tls"), key_file=tmp_path / "key.pem", **files
    )
    with pytest.raises(OSError, match=r"speaks without TLS; .* begins with tcp://"):
        connect(device)


def write_certificates(folder):
    """Write an authority and a certificate of 127.0.0.1 that it signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    start = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2120))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
