"""Find every nucleus in a folder of images, and count them.

For whoever has many images of one kind. Put your own folder in place of the one that
is made here. `napari-sam segment FOLDER --out LABELS` does the same without Python.
"""

import tempfile
from pathlib import Path

import numpy as np
import tifffile

import napari_sam

folder = Path(tempfile.mkdtemp())  # folder = Path("my images")
sample = napari_sam.load_sample("nuclei_2d")
places = [(100, 300), (200, 200), (330, 300), (230, 330)]
for number, (row, column) in enumerate(places, 1):
    field = sample[row : row + 150, column : column + 150]
    tifffile.imwrite(folder / f"field_{number}.tif", field)

# Leave out what is smaller than 60 pixels; lower the number if small cells are missed.
nuclei = napari_sam.InstanceConfig(min_area=60)
config = napari_sam.SegmentConfig(instances=nuclei)

images, found = [], []
for path in sorted(folder.glob("field_*.tif")):
    image = napari_sam.read_image(path)
    labels = napari_sam.segment(image, model="cells", config=config)
    napari_sam.write_labels(path.with_name(f"{path.stem}_labels.tif"), labels)
    print(f"{path.name}: {labels.max()} nuclei")
    images.append(image)
    found.append(labels)

napari_sam.write_overlay(
    "segment_a_folder.png", np.hstack(images), np.hstack(found), (4, 160)
)
