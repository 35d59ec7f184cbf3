"""A program that is killed, or a disk that is full, at every change of a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import project_steps
import pytest
from failing_disk import full_disk
from thoroughness import EVERY

from napari_sam.workflows.project.project import Project

SUPPORT = Path(project_steps.__file__)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_killed_at_any_change_of_a_file_it_holds_all_that_was_done(tmp_path):
    """In a process of its own, which forks once for each kill; thoroughly: 200."""
    done = subprocess.run(
        [sys.executable, str(SUPPORT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    (kills,) = re.findall(r"killed (\d+) times", done.stdout)
    assert int(kills) * EVERY > 100


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    return project_steps.expected_states(tmp_path_factory.mktemp("states"))


@pytest.mark.slow
def test_on_a_disk_that_fills_at_any_change_nothing_is_lost(tmp_path, states):
    """Each step then fails whole, or is done; with room again it can be done."""
    at, failures = -2, -1
    while failures:
        at += 3  # each would take minutes
        failures = _work_on_a_full_disk(tmp_path / str(at), states, at)
    assert at > 100


def reopened(root):
    return Project.open(root / "p")


def _work_on_a_full_disk(root, states, at):
    root.mkdir()
    project_steps.make_images(root)
    failures = 0
    with full_disk(at) as counted:
        try:
            project = project_steps.create(root)
        except OSError:
            failures, counted.at = 1, 0  # room again
            is_made = (root / "p" / "project.json").exists()
            project = (
                Project.open(root / "p") if is_made else project_steps.create(root)
            )
        for number, step in enumerate(project_steps.STEPS):
            try:
                step(project)
            except OSError:
                failures, counted.at = failures + 1, 0
                assert project_steps.state_of(project) in states[number : number + 2]
                if number + 1 < len(project_steps.STEPS):
                    step(project)
            assert project_steps.state_of(project) == states[number + 1]
    project_steps.check(root, states, len(states) - 1).close()
    return failures


@pytest.mark.slow
def test_on_a_disk_without_room_all_that_was_saved_is_there(small_disk, states):
    """A real one, which grows until all goes in."""
    size = 80
    root = small_disk(size)
    project_steps.make_images(root)
    project = None
    for number, step in enumerate((project_steps.create, *project_steps.STEPS)):
        while True:
            try:
                if number == 0:
                    project = step(root)
                else:
                    step(project)
                break
            except OSError:
                if number > 0:
                    project.abandon()  # as if it were killed now
                    project = project_steps.check(root, states, number - 1)
                size += 24
                small_disk(size)
                if number == len(project_steps.STEPS):
                    break
    assert size > 80
    project_steps.check(root, states, len(states) - 1).close()


def test_a_project_is_not_left_open_by_a_full_disk(tmp_path):
    project_steps.make_images(tmp_path)
    project = project_steps.create(tmp_path)
    project.save("a", np.eye(66, dtype=np.int32))
    with full_disk(1), pytest.raises(OSError, match="No space"):
        project.close()
    again = Project.open(tmp_path / "p")
    assert again.labels("a").sum() == 66
    again.close()
    assert (tmp_path / "p" / "labels" / "a.tif").exists()
