"""Find every nucleus of a z-stack, each with one number through all its planes.

For whoever has a stack from a confocal or light-sheet microscope. The model looks at
one plane after the other; what overlaps from plane to plane is one object.
"""

import numpy as np

import napari_sam

volume = napari_sam.load_sample("nuclei_3d")[8:15]  # (planes, rows, columns)

# An object counts if it is seen on three planes or more, and overlaps itself by 0.3
# (IoU) from plane to plane. If your planes lie far apart, lower both numbers.
link = napari_sam.LinkConfig(min_length=3, min_overlap=0.3)
config = napari_sam.VolumeConfig(link=link)
labels = napari_sam.segment_volume(volume, model="cells", config=config)

numbers, voxels = np.unique(labels[labels > 0], return_counts=True)
print(f"{len(numbers)} nuclei of {voxels.min()} to {voxels.max()} voxels")

# The picture: every second plane, enlarged. A nucleus has one colour on all of them.
large, gap = np.ones((3, 3), int), ((0, 0), (0, 0), (0, 1))
picture, found = (
    np.hstack(np.pad(one[1::2], gap, "minimum")) for one in (volume, labels)
)
napari_sam.write_overlay("volume.png", np.kron(picture, large), np.kron(found, large))
