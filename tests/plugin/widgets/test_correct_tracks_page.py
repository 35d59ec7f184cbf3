"""The page "Correct tracks": keys, buttons, the tree, and what others change."""

from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from dock_steps import finish_work, look, wait_until
from napari.components import ViewerModel
from napari.layers import Tracks
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding

from napari_sam.plugin.annotator.keybindings import keys_of
from napari_sam.plugin.viewer.layers import is_helper
from napari_sam.workflows.stacks.track_session import TrackSession

FRAMES = 6


def film():
    """Return squares: 1 goes on as 2, 3 and 4 stay, 5 and 6 come beside 4."""
    labels = np.zeros((FRAMES, 40, 60), np.int32)
    for t in range(FRAMES):
        labels[t, 4:10, 4 + t : 10 + t] = 1 if t < 3 else 2
        labels[t, 20:26, 4:10] = 3
        if t < 3:
            labels[t, 20:26, 30:36] = 4
        else:
            labels[t, 16:22, 30:36], labels[t, 24:30, 30:36] = 5, 6
    return labels


GRAPH = {5: [4], 6: [4]}


def rows_of(labels):
    rows = []
    for number in np.unique(labels[labels > 0]).tolist():
        for t in range(len(labels)):
            at = np.argwhere(labels[t] == number)
            if len(at):
                rows.append([number, t, *at.mean(axis=0)])
    return np.array(rows)


@pytest.fixture
def page(open_dock):
    viewer = ViewerModel()
    viewer.add_image(film().astype(np.uint8) * 30, name="cells")
    viewer.add_labels(film(), name="objects")
    viewer.add_tracks(rows_of(film()), graph=GRAPH, name="tracks")
    return opened(open_dock(viewer, "correct_tracks"))


def opened(dock):
    dock.shown.dock = dock
    wait_until(lambda: dock.shown.editor.session is not None)
    rest(dock.shown)
    return dock.shown


def rest(page):
    wait_until(lambda: not page.editor.is_linking)
    wait_until(lambda: not page.check.is_working)
    look(page.dock)


def agree(page):
    """Labels, Tracks layer, graph and lineage tell the same."""
    editor = page.editor
    np.testing.assert_allclose(editor.tracks.data, rows_of(np.asarray(labels_of(page))))
    graph = {int(d): [int(p) for p in ps] for d, ps in editor.tracks.graph.items()}
    assert graph == editor.session.graph


def labels_of(page):
    return page.editor.layer.data


def press(page, key, over=None, frame=None):
    viewer = page.viewer
    if frame is not None:
        viewer.dims.set_current_step(0, frame)
    if over is not None:
        viewer.cursor.position = (viewer.dims.current_step[0], *over)
    handler = KeymapHandler()
    active = viewer.layers.selection.active
    handler.keymap_providers = [one for one in (active, viewer) if one is not None]
    handler.press_key(coerce_keybinding(key))
    handler.release_key(coerce_keybinding(key))
    rest(page)


def said(page):
    return page.dock.hint.text


def test_a_track_is_joined_by_pointing_at_what_it_goes_on_as(page):
    press(page, "J", over=(6, 8), frame=2)
    assert page.editor.selected() == (1,)
    assert said(page).startswith("Track 1 is selected. Go to a later frame")
    press(page, "J", over=(6, 10), frame=3)
    assert said(page) == "Track 1 goes on as 2 did from frame 3 on. U takes it back."
    assert not (labels_of(page) == 2).any() and labels_of(page)[5, 6, 10] == 1
    agree(page)
    press(page, "U")
    np.testing.assert_array_equal(labels_of(page), film())
    agree(page)
    press(page, "Shift-U")
    assert not (labels_of(page) == 2).any()
    agree(page)


def test_cut_swap_and_delete_work_on_what_is_under_the_cursor(page):
    press(page, "H", over=(22, 6), frame=2)
    assert said(page).startswith("Track 3 is cut before frame 2.")
    assert labels_of(page)[2, 22, 6] == 7
    press(page, "U")
    press(page, "W", over=(22, 6), frame=4)
    press(page, "W", over=(6, 10), frame=4)
    assert said(page).startswith("Tracks 3 and 2 are swapped from frame 4 on.")
    assert labels_of(page)[4, 22, 6] == 2 and labels_of(page)[4, 6, 10] == 3
    agree(page)
    press(page, "U")
    press(page, "K", over=(22, 6), frame=4)
    assert labels_of(page)[3, 22, 6] == 3 and labels_of(page)[4, 22, 6] == 0
    agree(page)


def test_daughters_are_made_and_parted(page):
    press(page, "Shift-G", over=(18, 32), frame=3)
    assert page.editor.tracks.graph == {}
    assert labels_of(page)[4, 26, 32] == 4  # the other one goes on as the parent
    agree(page)
    page.editor.selection.select([4])
    press(page, "G", over=(18, 32), frame=3)
    assert page.editor.session.graph == {5: [4], 7: [4]}
    agree(page)


def drag(page, begin, end, modifiers=("Alt",)):
    """Press the left button at (row, col) of the frame shown, move, and let go."""
    viewer = page.viewer
    frame = viewer.dims.current_step[0]

    def event(kind, place):
        plain = SimpleNamespace(
            type=kind,
            position=(frame, *place),
            view_direction=None,
            dims_displayed=[1, 2],
            pos=np.array(place, float) * 10,
            button=1,
            modifiers=modifiers,
            handled=False,
            is_dragging=kind == "mouse_move",
        )
        return ReadOnlyWrapper(plain, exceptions=("handled",))

    mouse_press_callbacks(viewer, event("mouse_press", begin))
    mouse_move_callbacks(viewer, event("mouse_move", end))
    mouse_release_callbacks(viewer, event("mouse_release", end))
    rest(page)


def test_a_drag_joins_where_a_track_was_to_what_it_is_now(page):
    page.viewer.dims.set_current_step(0, 3)
    drag(page, (6, 8), (6, 11))
    assert page.editor.session.lineage.frames[1] == tuple(range(FRAMES))
    assert page.editor.layer.mouse_pan
    agree(page)
    drag(page, (22, 6), (6, 11), ("Alt", "Shift"))
    assert page.editor.session.graph == {5: [4], 6: [4], 7: [3], 8: [3]}
    assert labels_of(page)[3, 6, 10] == 7 and labels_of(page)[3, 22, 6] == 8
    agree(page)
    before = labels_of(page).copy()
    drag(page, (22, 6), (38, 50))
    assert said(page) == "End the drag on an object of the frame shown."
    drag(page, (38, 58), (22, 6))
    assert said(page) == "No track was there in the frames before."
    drag(page, (22, 6), (6, 11), ())
    np.testing.assert_array_equal(labels_of(page), before)


def test_a_gap_is_filled_and_a_track_is_confirmed(page):
    page.viewer.dims.set_current_step(0, 2)
    labels_of(page)[2, 20:26, 4:10] = 0
    page.editor.layer.events.labels_update(data=labels_of(page), offset=(0, 0, 0))
    wait_until(lambda: page.editor.session.lineage.gaps(3) == ((1, 3),))
    agree(page)
    press(page, "Q", over=(22, 6), frame=3)
    np.testing.assert_array_equal(labels_of(page), film())
    press(page, "Shift-K", over=(6, 6), frame=0)
    assert said(page).startswith("Track 1 stays as it is.")
    assert {(t, 1) for t in (0, 1, 2)} <= page.editor.session.lineage.fixed


def test_buttons_work_on_the_selected_tracks_and_say_what_they_want(page):
    join = page.buttons["join"]
    assert not join.isEnabled() and "Select two tracks" in join.toolTip()
    page.editor.selection.select([2, 1])
    look(page.dock)
    assert join.isEnabled()
    join.click()
    rest(page)
    assert page.editor.session.lineage.frames[1] == tuple(range(FRAMES))
    page.undo.click()
    rest(page)
    np.testing.assert_array_equal(labels_of(page), film())
    assert all(button.toolTip() for button in page.buttons.values())


def test_the_tree_and_the_table_select_and_go_there(page):
    assert set(page.plot.rows) == {1, 2, 3, 4, 5, 6}
    page.plot.pressed.emit(5, 4, False)
    look(page.dock)
    assert page.editor.selected() == (5,) and page.editor.frame == 4
    assert page.table.selected_rows == {4}
    page.what.setCurrentIndex(1)
    page.what.activated.emit(1)
    look(page.dock)
    assert set(page.plot.rows) == {4, 5, 6}
    row = list(page.table.rows.columns).index("daughters")
    assert page.table.rows.data(page.table.rows.index(0, row)) == "5 6"
    marks = [one for one in page.viewer.layers if is_helper(one)]
    assert any("selection" in one.name for one in marks)


def test_the_next_suspect_is_shown_and_what_is_decided_on_comes_no_more(page):
    assert "1 left" in page.next_suspect.text()
    press(page, "Shift-N")
    assert said(page).startswith("Track 2, frame 3: begins here, away from the border")
    assert page.editor.selected() == (2,) and page.editor.frame == 3
    press(page, "Shift-N")
    assert said(page) == "Nothing else looks wrong."
    assert page.next_suspect.text() == "Nothing else looks wrong"


def test_tracking_again_keeps_what_was_corrected(page):
    page.editor.selection.select([1])
    press(page, "J", over=(6, 10), frame=3)
    press(page, "H", over=(22, 6), frame=4)
    press(page, "Shift-K", over=(18, 32), frame=4)  # and with it the division
    corrected = labels_of(page).copy()
    dock, count = page.dock, len(page.viewer.layers)
    dock.show_page("track")
    look(dock)
    assert "is linked again, except for 6 links" in dock.hint.text
    dock.shown.start.click()
    finish_work(dock)
    np.testing.assert_array_equal(labels_of(page), corrected)
    marks = [one for one in page.viewer.layers if is_helper(one)]
    assert len(page.viewer.layers) - len(marks) <= count
    assert dock.hint.text == "6 tracks, 1 division; corrected links stay."
    dock.show_page("correct_tracks")
    look(dock)
    agree(page)


def test_what_is_painted_elsewhere_is_linked_when_the_page_is_seen_again(page):
    dock = page.dock
    dock.show_page("track")
    look(dock)
    labels_of(page)[3:, 4:10, :20][labels_of(page)[3:, 4:10, :20] == 2] = 0
    labels_of(page)[3, 4:10, 7:13] = 44
    dock.show_page("correct_tracks")
    rest(page)
    assert labels_of(page)[3, 6, 10] == 1
    agree(page)


def paint_another_number(page):
    labels = labels_of(page)
    labels[3:, 4:10, :20][labels[3:, 4:10, :20] == 2] = 0
    labels[3, 4:10, 7:13] = 44
    page.editor.layer.events.labels_update(data=labels, offset=(0, 0, 0))


@pytest.fixture
def slow_links(monkeypatch):
    gate, find = Event(), TrackSession.find_links

    def wait(session):
        assert gate.wait(30)
        return find(session)

    monkeypatch.setattr(TrackSession, "find_links", wait)
    yield gate
    gate.set()


def test_the_window_goes_on_while_what_is_painted_is_linked(page, slow_links):
    paint_another_number(page)
    wait_until(lambda: page.editor.session.unlinked.objects)
    assert page.editor.is_linking
    assert labels_of(page)[3, 6, 10] == 44
    page.viewer.dims.set_current_step(0, 5)
    slow_links.set()
    rest(page)
    assert labels_of(page)[3, 6, 10] == 1
    assert said(page) == "What you changed is linked anew."
    agree(page)


def test_what_changes_while_something_is_linked_is_linked_too(page, slow_links):
    paint_another_number(page)
    wait_until(lambda: page.editor.session.unlinked.objects)
    labels_of(page)[4, 4:10, 8:14] = 45
    slow_links.set()
    rest(page)
    assert labels_of(page)[3, 6, 10] == labels_of(page)[4, 6, 10] == 1
    agree(page)


def test_labels_without_tracks_wait_for_a_word_and_get_a_layer(open_dock):
    viewer = ViewerModel()
    viewer.add_labels(film().astype(np.int64), name="objects")
    viewer.add_tracks(rows_of((film() > 0) * (10 - film())), name="of another image")
    dock = open_dock(viewer, "correct_tracks")
    assert dock.hint.text == "“objects” has no Tracks layer. Correct its tracks?"
    dock.hint.button.click()
    page = opened(dock)
    made = viewer.layers["objects tracks"]
    assert isinstance(made, Tracks) and page.editor.tracks is made
    assert "without divisions" in said(page)
    agree(page)
    page.editor.selection.select([1])
    press(page, "J", over=(6, 10), frame=3)
    agree(page)
    assert labels_of(page).dtype == np.int64


def test_a_tracks_layer_is_not_touched_before_something_is_corrected(open_dock):
    viewer = ViewerModel()
    viewer.add_labels(film(), name="objects")
    rows = np.vstack([[9, 0, 38, 50], rows_of(film())])  # one that no label has
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    tracks = viewer.add_tracks(rows, graph={**GRAPH, 9: [3]}, name="tracks")
    page = opened(open_dock(viewer, "correct_tracks"))
    assert page.editor.tracks is tracks
    np.testing.assert_array_equal(tracks.data, rows)
    assert said(page) == "Track 9 of the graph is not in the labels."
    press(page, "H", over=(22, 6), frame=2)
    agree(page)


def test_going_to_other_labels_and_back_keeps_what_can_be_undone(page):
    press(page, "H", over=(22, 6), frame=2)
    viewer, first = page.viewer, page.editor.layer
    viewer.add_labels((film() > 0) * (10 - film()), name="others")
    choose(page, viewer.layers["others"])
    assert page.editor.layer is None and said(page).startswith("“others” has no Tracks")
    choose(page, first)
    assert page.editor.layer is first
    press(page, "U")
    np.testing.assert_array_equal(labels_of(page), film())
    agree(page)


def choose(page, layer):
    """Choose labels at the top, as a user does."""
    look(page.dock)
    choice = page.dock.header.labels
    choice.choose(layer)
    choice.activated.emit(choice.currentIndex())
    rest(page)


def test_measures_of_a_tracks_layer_stay_with_their_objects(page):
    tracks = page.editor.tracks
    tracks.features = {"brightness": np.arange(len(tracks.data)) * 1.0}
    before = {
        tuple(row[1:]): value
        for row, value in zip(
            tracks.data.tolist(), tracks.features["brightness"], strict=True
        )
    }
    page.editor.selection.select([1])
    press(page, "J", over=(6, 10), frame=3)
    after = tracks.features["brightness"]
    for row, value in zip(tracks.data.tolist(), after, strict=True):
        assert before[tuple(row[1:])] == value


@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40)])
def test_what_is_no_film_is_a_message(open_dock, shape):
    viewer = ViewerModel()
    viewer.add_labels(np.ones(shape, int), name="one")
    dock = open_dock(viewer, "correct_tracks")
    assert dock.hint.text == "Track a film first, or open labels of one."
    assert not dock.shown.next_suspect.isEnabled()


def test_keys_are_given_back_and_none_is_napari_s(page):
    from napari.layers import Image, Labels, Points, Shapes, Surface, Vectors
    from napari.utils.action_manager import action_manager
    from napari.utils.shortcuts import default_shortcuts

    ours = {str(coerce_keybinding(one.key)) for one in keys_of("tracks")}
    assert len(ours) == len(keys_of("tracks"))
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    taken |= {str(key) for keys in action_manager._shortcuts.values() for key in keys}
    data = np.zeros((4, 4), int)
    mesh = (np.eye(3), np.array([[0, 1, 2]]))
    for target in (
        *(ViewerModel(), Image(data), Labels(data), Points(ndim=2), Shapes(ndim=2)),
        *(Surface(mesh), Tracks([[0, 0, 0, 0]]), Vectors(ndim=2)),
    ):
        handler = KeymapHandler()
        handler.keymap_providers = [target]
        taken |= {str(key) for key in handler.active_keymap}
    assert ours & taken == set()
    layer = page.editor.layer
    assert ours <= {str(key) for key in layer.keymap}
    page.dock.show_page("export")
    look(page.dock)
    assert not ours & {str(key) for key in layer.keymap}


def test_labels_that_are_removed_are_let_go(page):
    page.viewer.layers.remove(page.editor.layer)
    look(page.dock)
    assert page.editor.session is None and not page.buttons["cut"].isEnabled()
