"""Pools on this machine: who may talk to them."""

import contextlib
import os
import socket
import ssl

import psutil
import pytest

from napari_sam.workflows.blocks.worker_pool import open_pool


def listening():
    """List the (address, port) on which this process and its children listen."""
    me = psutil.Process()
    every = [me, *me.children(recursive=True)]
    return {
        (at.laddr.ip, at.laddr.port)
        for process in every
        for at in process.net_connections("tcp")
        if at.status == psutil.CONN_LISTEN
    }


def answers_http(place):
    with socket.create_connection(place, timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return plain.recv(5) == b"HTTP/"
        except OSError:  # it hangs up
            return False


def talks_to_a_stranger(place):
    """Whether a service says something to who has no certificate of its kind.

    Without TLS, dask's greets whoever connects.
    """
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(place, timeout=0.5) as plain:
        with contextlib.suppress(TimeoutError):
            return bool(plain.recv(1))
        try:
            with anyone.wrap_socket(plain) as secure:
                return bool(secure.recv(1))
        except (ssl.SSLError, ConnectionError):
            return False


@pytest.mark.slow
def test_nobody_else_can_see_or_use_the_workers_of_this_machine():
    before = listening()
    with open_pool(workers=1) as pool:
        assert pool.call(os.getpid) != os.getpid()
        opened = listening() - before
        assert {ip for ip, _ in opened} == {"127.0.0.1"}
        services = [place for place in opened if not answers_http(place)]
        assert len(services) >= 2  # of the scheduler and of the worker
        assert not any(talks_to_a_stranger(place) for place in services)
    assert listening() <= before


def test_a_scheduler_that_is_not_there_says_so():
    nobody = "tcp://127.0.0.1:9"
    with (
        pytest.raises(OSError, match=f"nobody answers at {nobody}"),
        open_pool(scheduler=nobody, timeout=0.2),
    ):
        pass
