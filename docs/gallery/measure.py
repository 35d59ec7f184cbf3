"""Measure the size, shape and brightness of every nucleus, in micrometres.

For whoever needs numbers: a table with one row for each nucleus, which any spreadsheet
opens, and a picture in which the colour tells the size.
"""

import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np

import napari_sam

image = napari_sam.load_sample("nuclei_2d")[200:456, 200:456]
labels = napari_sam.segment(image, model="cells")

# A pixel of your image may be of another size: (height, width) in micrometres.
table = napari_sam.measure(labels, image, spacing=(0.5, 0.5))
file = Path(tempfile.mkdtemp()) / "nuclei.csv"
table.to_csv(file, index=False)

print(table[["label", "area [µm²]", "circularity", "intensity_mean"]].head().round(2))
print(
    f"{len(table)} nuclei of {table['area [µm²]'].mean():.0f} µm² in the mean: {file}"
)

# The picture: small nuclei are blue, large ones red.
size = np.zeros(labels.max() + 1)
size[table["label"]] = table["area [µm²]"].rank(pct=True)
red, gray = size[labels], np.clip(image / 160, 0, 1)
colour = np.dstack([red, 0.3 * (labels > 0), (labels > 0) - red])
picture = 128 * colour + 127 * gray[..., np.newaxis]
iio.imwrite("measure.png", picture.astype(np.uint8))
