"""Measure how good a model is on images that are labelled already.

For whoever has to choose a model, or to say how far it can be trusted. A program clicks
in place of a person, and compares each outline with the label.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

# Simulated nuclei, less noisy from image to image. Put your own images in their place:
# folder/KIND/images/NAME.tif and folder/KIND/labels/NAME.tif.
folder = Path(tempfile.mkdtemp())
random = np.random.default_rng(3)
rows, columns = np.mgrid[:120, :120]
for number in range(3):
    labels = np.zeros((120, 120), np.uint16)
    for label, place in enumerate(np.ndindex(3, 3), 1):
        row, column = 20 + 40 * np.array(place) + random.uniform(-6, 6, 2)
        labels[np.hypot(rows - row, columns - column) < random.uniform(9, 18)] = label
    photons = ndimage.gaussian_filter(labels + 3.0 * (labels > 0) + 1, 2) * 3**number
    image = random.poisson(photons).astype(np.uint16)
    for name, array in ("images", image), ("labels", labels):
        (folder / "nuclei" / name).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / "nuclei" / name / f"{number}.tif", array)

# In a terminal: napari-sam evaluate --data FOLDER --gallery evaluate.png
command = [sys.executable, "-m", "napari_sam", "evaluate", "--data", folder]
command += ["--max-objects", "4", "--gallery", "evaluate.png", "--overwrite"]
subprocess.run(command, check=True)  # prints a table
