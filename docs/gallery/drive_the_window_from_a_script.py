"""Open napari with the annotator, click in it from a script, and take a picture.

For whoever teaches, writes a protocol, or wants the window to begin in a known state:
an image that is open, a model that is loaded, objects that are there already.
"""

import napari
from qtpy.QtTest import QTest

from napari_sam.plugin.widgets.dock import open_dock


def wait_until(is_true):
    """Let the window work until something is true, for a minute at most."""
    for _ in range(3000):
        if is_true():
            return
        QTest.qWait(20)
    raise TimeoutError("the window did not answer")


viewer = napari.Viewer()
viewer.window.resize(1100, 700)
viewer.open_sample("napari-sam", "nuclei_2d")
annotator = open_dock(viewer).annotator
wait_until(lambda: annotator.session is not None)

for position in [(421, 242), (354, 215), (256, 252), (337, 166)]:  # (row, column)
    annotator.commit()  # keeps the last object, as the key N does
    annotator.layers.points.add(position)  # as a click does
    wait_until(lambda: annotator.is_settled and annotator.session.candidates)
print(f"{len(annotator.session.objects)} objects are kept, and one is in hand")

viewer.camera.center, viewer.camera.zoom = (345, 210), 2.4
QTest.qWait(500)  # until everything is drawn
viewer.screenshot("drive_the_window_from_a_script.png", canvas_only=False, flash=False)
viewer.close()  # napari.run() in place of this leaves the window to you
