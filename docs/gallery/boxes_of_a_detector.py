"""Turn the boxes of an object detector into outlines.

For whoever has a program that finds objects but does not outline them. The detector
here is a threshold; yours may be a neural network, or boxes that were drawn by hand.
"""

import numpy as np
from scipy import ndimage

import napari_sam

image = napari_sam.load_sample("coins")[:225]

# The detector: what is brighter than its surroundings, and not too small.
values = image.astype(float)
smooth = ndimage.gaussian_filter(values, 3)
bright, _ = ndimage.label(smooth > ndimage.gaussian_filter(values, 40) + 5)
boxes = [
    (rows.start, columns.start, rows.stop, columns.stop)
    for rows, columns in ndimage.find_objects(bright)
    if rows.stop - rows.start > 25
]

# A box is (first row, first column, last row + 1, last column + 1), in pixels.
labels = napari_sam.segment_boxes(image, boxes, model="cells")
print(f"{len(boxes)} boxes, {len(np.unique(labels)) - 1} objects")

# The picture: the boxes in yellow, and what was outlined in each.
picture = np.dstack([image, image, image])
for row0, column0, row1, column1 in boxes:
    picture[[row0, row1 - 1], column0:column1] = (255, 220, 0)
    picture[row0:row1, [column0, column1 - 1]] = (255, 220, 0)
napari_sam.write_overlay("boxes_of_a_detector.png", picture, labels)
