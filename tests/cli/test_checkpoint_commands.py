"""`napari-sam models` and `napari-sam download`, against a server on this machine."""

import argparse
import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import xxhash

from napari_sam.checkpoints import registry
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.cli import download, models

CONTENT = b"weights" * 1000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def served(monkeypatch):
    """Serve one small file as the model `vit_t`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    spec = replace(
        registry.REGISTRY["vit_t"],
        url=f"http://127.0.0.1:{server.server_address[1]}/mobile_sam.pt",
        mirrors=(),
        hash=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
        size=len(CONTENT),
    )
    monkeypatch.setattr(registry, "REGISTRY", {**registry.REGISTRY, "vit_t": spec})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield spec
    server.shutdown()
    thread.join()
    server.server_close()


def run(*argv):
    parser = argparse.ArgumentParser(prog="napari-sam")
    subparsers = parser.add_subparsers(required=True)
    models.add_parser(subparsers)
    download.add_parser(subparsers)
    args = parser.parse_args(argv)
    return args.run(args)


def line_of(name, shown):
    (line,) = (line for line in shown.splitlines() if line.split()[:1] == [name])
    return line


def test_models_are_listed_with_size_state_and_licence(cache, capsys):
    assert run("models") == 0
    shown = capsys.readouterr().out
    for name in registry.REGISTRY:
        line_of(name, shown)
    line = line_of("vit_h", shown)
    assert "2.6 GB" in line
    assert "not downloaded" in line
    assert "Apache-2.0" in line
    assert "CC-BY-4.0" in line_of("vit_b_lm", shown)
    assert "vit_b_lm_decoder" not in shown
    assert str(cache) in shown
    assert not cache.exists()


def test_the_list_says_what_each_model_can_do(cache, capsys):
    run("models")
    lines = capsys.readouterr().out.splitlines()

    def features(name):
        (at,) = (i for i, line in enumerate(lines) if line.split()[:1] == [name])
        return lines[at + 1].strip()

    told = "prompts: points, boxes, masks; everything: grid, instances, refined; "
    told += "3D: follow, planes, fused; text: no; trainable: yes; CPU: 10.5 + 8.3 s"
    assert features("vit_b_lm") == told
    told = "prompts: points, boxes, masks; everything: grid; 3D: follow, planes; "
    told += "text: no; trainable: yes; CPU: 59.0 s"
    assert features("vit_h_hq") == told
    assert "text: yes" in features("cells")


def test_a_model_of_micro_sam_comes_with_its_decoder(
    cache, served, capsys, monkeypatch
):
    digest = f"xxh128:{xxhash.xxh3_128_hexdigest(CONTENT)}"
    for table, name in (("REGISTRY", "vit_t_lm"), ("DECODERS", "vit_t_lm_decoder")):
        known = getattr(registry, table)
        spec = replace(known[name], url=served.url, hash=digest)
        monkeypatch.setattr(registry, table, {**known, name: spec})
    assert run("download", "vit_t_lm", "--yes") == 0
    shown = capsys.readouterr().out.split()
    assert shown == [
        str(cache / "vit_t_lm.pt"),
        str(cache / "vit_t_lm_decoder.pt"),
    ]
    assert all((cache / name).read_bytes() == CONTENT for name in shown)
    (cache / "vit_t_lm_decoder.pt").unlink()
    run("models")
    assert "not its decoder" in line_of("vit_t_lm", capsys.readouterr().out)


def test_decoders_and_citations_are_listed_on_request(cache, capsys):
    assert run("models", "--decoders", "--cite") == 0
    shown = capsys.readouterr().out
    assert "about 40 MB" in line_of("vit_b_lm_decoder", shown)
    assert "arXiv:2304.02643" in shown


def test_download_fetches_and_the_list_knows(cache, served, capsys):
    assert run("download", "vit_t", "--yes") == 0
    path = cache / "mobile_sam.pt"
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().out.strip() == str(path)
    run("models")
    line = line_of("vit_t", capsys.readouterr().out)
    assert " downloaded " in line
    assert "not downloaded" not in line
    assert "7 kB" in line
    # A file that is there is verified, with no question asked.
    assert run("download", "vit_t") == 0


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_download_asks_first(cache, served, capsys, monkeypatch, answer, code):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    assert run("download", "vit_t") == code
    shown = capsys.readouterr().out
    assert served.url in shown
    assert served.licence in shown
    assert (cache / "mobile_sam.pt").exists() == (code == 0)


def test_download_with_nobody_to_ask(cache, served, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ValueError, match="--yes"):
        run("download", "vit_t")
    assert not cache.exists()


def test_download_of_an_unknown_name(cache):
    with pytest.raises(CheckpointError, match="did you mean vit_b_lm"):
        run("download", "vit_b_ml")


def test_download_of_the_bundled_model_fetches_nothing(cache, capsys):
    spec = registry.REGISTRY["cells"]
    if CheckpointStore().is_available(spec):
        assert run("download", "cells") == 0
        assert capsys.readouterr().out.strip().endswith(spec.filename)
    else:
        with pytest.raises(CheckpointError, match="install napari-sam again"):
            run("download", "cells")
    assert not cache.exists()
