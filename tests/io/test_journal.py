"""The journal: what was appended is there, and nothing of anybody else is touched."""

from __future__ import annotations

import errno
import json
import os

import pytest

from napari_sam.io.journal import DamagedLine, Journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "j.jsonl"


def opened(path):
    told = []
    journal = Journal(path, json.loads, lambda line, event: told.append(event["n"]))
    return journal, told


def numbers(path):
    return opened(path)[1]


def test_events_come_back_in_order_and_can_be_read_again(path):
    lines = []
    journal = Journal(path, json.loads, lambda line, event: lines.append(line))
    for n in range(4):
        journal.append({"n": n, "text": "äöü\n"})
    assert numbers(path) == [0, 1, 2, 3]
    assert [line.number for line in lines] == [1, 2, 3, 4]
    chosen = [lines[2], lines[0]]
    assert [event["n"] for _, event in journal.read(chosen)] == [2, 0]


def test_a_tail_is_cut_off_when_the_next_event_is_written_not_before(path):
    path.write_bytes(b'{"n":1}\n{"n":2')
    journal, told = opened(path)
    assert told == [1] and path.read_bytes() == b'{"n":1}\n{"n":2'
    journal.append({"n": 3})
    assert path.read_bytes() == b'{"n":1}\n{"n":3}\n'


@pytest.mark.parametrize("failing", ["fsync", "write"])
@pytest.mark.parametrize("cut", ["cut", "not cut"])
def test_a_failed_event_is_gone_even_if_it_could_not_be_cut(
    path, monkeypatch, failing, cut
):
    """A drive that vanishes in the middle lets neither write nor truncate."""
    journal, _ = opened(path)
    journal.append({"n": 1})
    write = os.write

    def fail(*_):
        raise OSError(errno.EIO, "gone")

    def fail_halfway(handle, data):
        write(handle, data[:4])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail if failing == "fsync" else fail_halfway)
        if cut == "not cut":
            patch.setattr(os, "ftruncate", fail)
        for n in (2, 3):
            with pytest.raises(OSError, match=r"gone|full"):
                journal.append({"n": n})
    journal.append({"n": 4})
    assert numbers(path) == [1, 4]


def test_lines_of_another_program_are_not_cut_off(path):
    journal, _ = opened(path)
    journal.append({"n": 1})
    other, _ = opened(path)
    other.append({"n": 2})
    with pytest.raises(OSError, match="changed by another program"):
        journal.append({"n": 3})
    assert numbers(path) == [1, 2]
    path.write_bytes(b"")
    with pytest.raises(OSError, match="changed by another program"):
        other.append({"n": 4})
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line", [b"rubbish", b"", b"[" * 10_000, b"\x00" * 40, b'{"n":1}{"n":2}', b"{}"]
)
def test_the_damaged_line_is_named_and_what_is_before_it_can_be_had(path, line):
    content = b'{"n":1}\n' + line + b'\n{"n":3}\n'
    path.write_bytes(content)

    def parse(raw):
        try:
            return {"n": json.loads(raw)["n"]}
        except (RecursionError, LookupError, TypeError) as error:
            raise ValueError("no event") from error

    with pytest.raises(DamagedLine, match="line 2 of") as caught:
        Journal(path, parse, lambda line, event: None)
    assert caught.value.number == 2
    assert path.read_bytes() == content
    copies = [Journal.cut(path, 2) for _ in range(2)]
    assert copies[0].read_bytes() == content and copies[0] != copies[1]
    assert numbers(path) == [1]


def test_what_is_no_event_is_not_written(path):
    journal, _ = opened(path)
    with pytest.raises(KeyError):
        Journal(path, lambda raw: {}["n"], lambda line, event: None).append({"n": 1})
    assert not path.exists()
    journal.append({"n": 2})
    assert numbers(path) == [2]
