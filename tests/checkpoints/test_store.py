import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import xxhash

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.registry import DECODERS, REGISTRY
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.ops.types import Cancelled


def partial_of(store, spec):
    path = store.path(spec)
    return path.with_name(path.name + ".part")


def put_partial(store, spec, data):
    store.cache_dir.mkdir(parents=True, exist_ok=True)
    partial_of(store, spec).write_bytes(data)


def test_download_gives_the_verified_file_and_reports_progress(
    store, spec, content, server
):
    seen = []
    assert not store.is_available(spec)
    path = store.download(spec, progress=lambda done, total: seen.append((done, total)))
    assert path == store.path(spec)
    assert path.read_bytes() == content
    assert store.is_available(spec)
    assert not partial_of(store, spec).exists()
    done = [d for d, _ in seen]
    assert done[0] == 0
    assert done[-1] == len(content)
    assert done == sorted(done)
    assert len(done) > 5
    assert {total for _, total in seen} == {len(content)}
    assert server.requests == [("/model.pt", None)]


def test_a_file_that_is_there_is_not_fetched_again(store, spec, server):
    store.download(spec)
    store.download(spec)
    assert len(server.requests) == 1


def test_a_damaged_file_is_fetched_again(store, spec, content, server):
    path = store.download(spec)
    path.write_bytes(b"x" + content[1:])
    assert store.download(spec).read_bytes() == content
    assert len(server.requests) == 2


def test_file_of_another_size_is_not_available(store, spec):
    store.cache_dir.mkdir(parents=True)
    store.path(spec).write_bytes(b"short")
    assert not store.is_available(spec)


@pytest.mark.parametrize("algorithm", ["xxh128", "md5"])
def test_other_published_hashes_verify(store, spec, content, algorithm):
    digest = {
        "xxh128": xxhash.xxh3_128(content).hexdigest(),
        "md5": hashlib.md5(content).hexdigest(),
    }[algorithm]
    other = replace(
        spec, hash=f"{algorithm}:{digest}", size_is_exact=False, size=200_000
    )
    assert store.download(other).read_bytes() == content


def test_truncated_transfers_are_resumed_to_the_end(store, spec, content, server):
    server.behaviours["/model.pt"] = {"send": 50_000, "times": 5}
    assert store.download(spec).read_bytes() == content
    ranges = [asked for _, asked in server.requests]
    starts = [0 if asked is None else int(asked[6:-1]) for asked in ranges]
    assert starts[0] == 0
    # Each attempt goes on where the last ended, and advance renews the attempts.
    assert starts == sorted(set(starts))
    assert len(starts) > 3


def test_truncating_without_advance_gives_up_and_keeps_what_came(
    store, spec, content, server
):
    server.behaviours["/model.pt"] = {"send": 0}
    put_partial(store, spec, content[:1000])
    with pytest.raises(CheckpointError, match=r"some_model.*could not be downloaded"):
        store.download(spec)
    assert len(server.requests) == 3
    assert partial_of(store, spec).read_bytes() == content[:1000]
    assert not store.path(spec).exists()


def test_a_stall_ends_in_a_retry_and_then_in_a_message(hasty_store, spec, server):
    server.behaviours["/model.pt"] = {"send": 0, "stall": True}
    with pytest.raises(CheckpointError, match=r"no data for 0\.5 seconds"):
        hasty_store.download(spec)
    assert len(server.requests) == 3


def test_a_stall_in_the_middle_is_overcome(hasty_store, spec, content, server):
    server.behaviours["/model.pt"] = {"send": 100_000, "stall": True, "times": 1}
    assert hasty_store.download(spec).read_bytes() == content
    first, second = server.requests
    assert first[1] is None
    assert second[1].startswith("bytes=")


@pytest.mark.parametrize("claimed", [100, 1_000_000])
def test_a_lie_about_the_length_is_refused_before_the_body(
    store, spec, server, claimed
):
    server.behaviours["/model.pt"] = {"length": claimed}
    with pytest.raises(
        CheckpointError, match=f"offers {claimed:,} bytes, but the file has 320,000"
    ):
        store.download(spec)
    assert not store.path(spec).exists()


@pytest.mark.parametrize(
    ("claimed", "problem"), [(100, "wrong hash"), (330_000, "broke off|ended after")]
)
def test_a_lie_about_a_length_nobody_knows_is_found_out(
    store, spec, server, claimed, problem
):
    server.behaviours["/model.pt"] = {"length": claimed}
    with pytest.raises(CheckpointError, match=problem):
        store.download(replace(spec, size_is_exact=False))
    assert not store.path(spec).exists()


def test_more_bytes_than_the_file_has_are_refused(store, spec, content, server):
    server.behaviours["/model.pt"] = {"content": content * 2, "length": None}
    with pytest.raises(CheckpointError, match="sends more than the 320,000 bytes"):
        store.download(spec)
    assert not store.path(spec).exists()


@pytest.mark.parametrize("length", [None, 640_000])
def test_no_server_fills_the_disk_where_the_size_is_not_known_exactly(
    store, spec, content, server, length
):
    vague = replace(spec, size=300_000, size_is_exact=False)
    server.behaviours["/model.pt"] = {"content": content * 2, "length": length}
    with pytest.raises(CheckpointError, match="more than the 600,000 bytes that the"):
        store.download(vague)
    assert not store.path(spec).exists()
    partial = partial_of(store, spec)
    assert not partial.exists() or partial.stat().st_size <= 600_000


def test_https_is_not_left_for_http(store, spec, content, server, secure_redirect):
    http = server.url()
    safe = secure_redirect(http.replace("http:", "https:"))
    with pytest.raises(CheckpointError, match=f"sends on to {http}, which is not enc"):
        store.download(replace(spec, url=secure_redirect(http)))
    with pytest.raises(CheckpointError, match=r"certificate|no connection"):
        store.download(replace(spec, url=safe))  # goes there, and finds no https
    assert server.requests == []
    onwards = replace(spec, url=server.url("/elsewhere"))
    server.behaviours["/elsewhere"] = {"status": 302, "location": "/model.pt"}
    assert store.download(onwards).read_bytes() == content


def test_every_address_is_https():
    specs = [*REGISTRY.values(), *DECODERS.values()]
    urls = [url for spec in specs for url in (spec.url, *spec.mirrors) if url]
    assert len(urls) > 20
    assert all(url.startswith("https://") for url in urls)


def test_no_length_at_all_is_fine(store, spec, content, server):
    server.behaviours["/model.pt"] = {"length": None}
    assert store.download(spec).read_bytes() == content


def test_resume_goes_on_from_the_partial_file(store, spec, content, server):
    put_partial(store, spec, content[:123_456])
    seen = []
    assert store.download(spec, lambda d, t: seen.append(d)).read_bytes() == content
    assert server.requests == [("/model.pt", "bytes=123456-")]
    assert seen[0] == 123_456


def test_a_complete_partial_file_needs_no_request(store, spec, content, server):
    put_partial(store, spec, content)
    assert store.download(spec).read_bytes() == content
    assert server.requests == []


def test_a_complete_partial_file_of_unknown_size_is_recognised(
    store, spec, content, server
):
    put_partial(store, spec, content)
    loose = replace(spec, size_is_exact=False)
    assert store.download(loose).read_bytes() == content
    assert server.requests == [("/model.pt", f"bytes={len(content)}-")]


def test_a_server_that_ignores_ranges_sends_it_all_again(store, spec, content, server):
    server.behaviours["/model.pt"] = {"ranges": False}
    put_partial(store, spec, content[:5000])
    assert store.download(spec).read_bytes() == content


def test_a_server_that_resumes_elsewhere_is_not_believed(store, spec, content, server):
    server.behaviours["/model.pt"] = {"shift": 7, "times": 1}
    put_partial(store, spec, content[:5000])
    assert store.download(spec).read_bytes() == content


@pytest.mark.parametrize("stale", [b"y" * 5000, b"y" * 320_000, b"y" * 400_000])
def test_a_wrong_partial_file_does_not_spoil_the_download(store, spec, content, stale):
    put_partial(store, spec, stale)
    assert store.download(spec).read_bytes() == content


def test_a_wrong_file_is_refused_with_both_hashes_and_nothing_is_lost(
    store, spec, content, server
):
    wrong = b"z" * len(content)
    server.behaviours["/model.pt"] = {"content": wrong}
    store.cache_dir.mkdir(parents=True)
    store.path(spec).write_bytes(b"what the user had")
    neighbour = store.cache_dir / "neighbour.pt"
    neighbour.write_bytes(b"another model")
    with pytest.raises(CheckpointError) as caught:
        store.download(spec)
    assert spec.hash in str(caught.value)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert store.path(spec).read_bytes() == b"what the user had"
    assert neighbour.read_bytes() == b"another model"
    # The wrong bytes are gone, so that the next download does not resume them.
    assert not partial_of(store, spec).exists()
    server.behaviours.clear()
    assert store.download(spec).read_bytes() == content


def test_a_web_page_is_named(store, spec, server):
    server.behaviours["/model.pt"] = {
        "content": b"<!DOCTYPE html><title>Log in to the network</title>",
        "type": "text/html; charset=utf-8",
    }
    with pytest.raises(CheckpointError, match="web page instead of the file"):
        store.download(spec)


def test_a_web_page_in_disguise_is_named_too(store, spec, server):
    server.behaviours["/model.pt"] = {"content": b"<!DOCTYPE html><title>404</title>"}
    with pytest.raises(CheckpointError, match="it is an HTML page"):
        store.download(replace(spec, size_is_exact=False))


def test_mirrors_are_tried_in_turn(store, spec, content, server):
    server.behaviours["/model.pt"] = {"status": 404}
    server.behaviours["/wrong"] = {"content": b"z" * len(content)}
    mirrored = replace(spec, mirrors=(server.url("/wrong"), server.url("/right")))
    assert store.download(mirrored).read_bytes() == content
    assert [path for path, _ in server.requests] == ["/model.pt", "/wrong", "/right"]


def test_the_error_names_every_address(store, spec, server):
    server.behaviours["/model.pt"] = {"status": 404}
    server.behaviours["/mirror"] = {"status": 403}
    with pytest.raises(CheckpointError) as caught:
        store.download(replace(spec, mirrors=(server.url("/mirror"),)))
    message = str(caught.value)
    assert f"{spec.url}: HTTP 404" in message
    assert f"{server.url('/mirror')}: HTTP 403" in message
    assert str(store.path(spec)) in message


def test_a_busy_server_is_tried_again(store, spec, content, server):
    server.behaviours["/model.pt"] = {"status": 503, "times": 2}
    assert store.download(spec).read_bytes() == content
    assert len(server.requests) == 3


def test_no_server_at_all(store, spec):
    with pytest.raises(CheckpointError, match="no connection"):
        store.download(replace(spec, url="http://127.0.0.1:9/model.pt"))


def test_cancel_keeps_what_arrived_for_the_next_time(store, spec, content, server):
    seen = []
    with pytest.raises(Cancelled):
        store.download(
            spec,
            progress=lambda done, total: seen.append(done),
            is_cancelled=lambda: bool(seen) and seen[-1] > 100_000,
        )
    kept = partial_of(store, spec).read_bytes()
    assert len(kept) > 100_000
    assert kept == content[: len(kept)]
    assert not store.path(spec).exists()
    assert store.download(spec).read_bytes() == content
    assert server.requests[-1] == ("/model.pt", f"bytes={len(kept)}-")


def test_cancel_is_heard_while_the_server_is_silent(store, spec, server):
    server.behaviours["/model.pt"] = {"send": 0, "stall": True}
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Cancelled):
        store.download(spec, is_cancelled=stop.is_set)
    assert stop.is_set()


DOWNLOAD = """
import json, sys
from napari_sam.checkpoints.registry import CheckpointSpec
from napari_sam.checkpoints.store import CheckpointStore
folder, fields = sys.argv[1:]
CheckpointStore(folder).download(CheckpointSpec(**json.loads(fields)))
"""


def test_two_processes_fetch_one_file_once(store, spec, content, server):
    server.behaviours["/model.pt"] = {"send": 50_000, "times": 2}
    command = [sys.executable, "-c", DOWNLOAD]
    command += [str(store.cache_dir), json.dumps(asdict(spec))]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert store.path(spec).read_bytes() == content
    assert [asked for _, asked in server.requests].count(None) == 1


def test_waiting_for_another_download_can_be_cancelled(store, spec, server):
    server.behaviours["/model.pt"] = {"send": 1000, "stall": True}
    stop_first, ended = threading.Event(), []

    def first():
        try:
            store.download(spec, is_cancelled=stop_first.is_set)
        except Cancelled:
            ended.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    while not server.requests:
        thread.join(0.01)
    asked = []
    with pytest.raises(Cancelled):
        store.download(spec, is_cancelled=lambda: asked.append(1) or len(asked) > 2)
    assert len(server.requests) == 1
    stop_first.set()
    thread.join(10)
    assert ended == ["first"]


def test_too_little_room_is_said_before_anything_is_fetched(
    store, spec, server, monkeypatch
):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1000))
    with pytest.raises(CheckpointError, match=r"320 kB more .* 1 kB are free"):
        store.download(spec)
    assert server.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_that_fills_up(store, spec):
    store.cache_dir.mkdir(parents=True)
    partial_of(store, spec).symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"is full.*NAPARI_SAM_CACHE"):
        store.download(spec)


def test_a_cache_that_cannot_be_made(spec, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    store = CheckpointStore(blocker / "cache")
    assert not store.is_available(spec)
    with pytest.raises(CheckpointError, match=r"cannot write.*NAPARI_SAM_CACHE"):
        store.download(spec)


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_cache(store, spec):
    store.cache_dir.mkdir(parents=True)
    store.cache_dir.chmod(0o500)
    try:
        with pytest.raises(CheckpointError, match=r"cannot write.*NAPARI_SAM_CACHE"):
            store.download(spec)
    finally:
        store.cache_dir.chmod(0o700)


def test_the_environment_moves_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "elsewhere"))
    assert CheckpointStore().cache_dir == tmp_path / "elsewhere"
    monkeypatch.delenv("NAPARI_SAM_CACHE")
    assert CheckpointStore().cache_dir.name == "checkpoints"


def test_the_bundled_file_is_never_fetched(store):
    spec = REGISTRY["cells"]
    path = store.path(spec)
    assert path.parent.name == "weights"
    if path.exists():
        assert store.download(spec) == path
    else:
        with pytest.raises(CheckpointError, match="install napari-sam again"):
            store.download(spec)
    assert not store.cache_dir.exists()


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"attempts": 0}, {"retry_wait": -1}])
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        CheckpointStore(**wrong)
