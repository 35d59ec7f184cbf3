"""A folder full of other people's things, old ones, at the places of a store's own."""

import json
import os

import numpy as np
import zarr

__all__ = ["contents", "fill_folder", "make_old"]

GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {"napari_sam": 1}}


def fill_folder(folder, outside):
    """Put things into a folder, some of which are links to a folder outside."""
    write(outside / "thesis" / ".git" / "HEAD", "ref")
    write(outside / "thesis" / "draft.txt", "the only copy")
    add_array(outside / "thesis" / ("c" * 40))
    write(folder / "notes.txt", "mine")
    write(folder / "zarr.json", json.dumps(GROUP))
    write(folder / "napari-sam.json", "{}")
    write(folder / ".evicting.lock", "mine")
    write(folder / "loose", "a file where a group was")
    write(folder / "myrepo" / ".git" / "HEAD", "ref")
    write(folder / "paper" / ".venv" / "bin" / "python", "binary")
    write(folder / "paper" / f".{'0' * 32}" / "data.bin", "mine")
    write(folder / "paper" / ".aaaaaaaa-abcdefgh" / ("a" * 40) / "data.bin", "mine")
    zarr.create_group(folder / "experiment")
    add_array(folder / "experiment" / "raw")
    add_array(folder / "experiment" / ("a" * 40))
    fill_group(folder / "image", outside)
    (folder / "link").symlink_to(outside / "thesis")
    (folder / "gone").symlink_to(outside / "nowhere")
    make_old(folder)
    make_old(outside)


def fill_group(group, outside):
    """Put things into a group that looks like a store's own."""
    write(group / "zarr.json", json.dumps(GROUP))
    write(group / ".git" / "HEAD", "ref")
    write(group / f".{'1' * 32}" / "zarr.json", json.dumps(GROUP))
    write(group / f".{'2' * 32}" / "c.0.0.0", "mine")
    write(group / ".bbbbbbbb-abcdefgh" / ("b" * 40) / "zarr.json", "{}")
    write(group / ".cccccccc-abcdefgh" / "c.0.0.0", "mine")
    add_array(group / "raw.zarr")
    add_array(group / ("d" * 40))
    write(group / ("e" * 40), "a file named like an entry")
    (group / ("c" * 40)).symlink_to(outside / "thesis" / ("c" * 40))
    (group / f".{'3' * 32}").symlink_to(outside / "thesis")


def add_array(path):
    zarr.create_array(
        path,
        data=np.ones((2, 4, 4), np.float16),
        chunk_key_encoding={"name": "default", "separator": "."},
        attributes={"format": 1, "key": path.name, "sample": "kidney"},
    )


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_old(folder):
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (1e9, 1e9), follow_symlinks=False)


def contents(*folders, besides=()):
    """What lies in folders: kind, content and time of change of all but `besides`."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if any(path == own or own in path.parents for own in besides):
                continue
            facts = os.lstat(path)
            kept = (
                os.readlink(path)
                if path.is_symlink()
                else path.read_bytes()
                if path.is_file()
                else None
            )
            changed = None if kept is None else facts.st_mtime
            found[str(path)] = (facts.st_mode, kept, changed)
    return found
