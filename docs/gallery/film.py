"""Follow nuclei through a film, and find the one that divides.

For whoever has a time lapse and wants to know where each cell goes and whose daughter
it is. The film is simulated; put your own (time, y, x) array in its place.
"""

import numpy as np
from scipy import ndimage

import napari_sam

FRAMES = 6
random = np.random.default_rng(1)
film = np.zeros((FRAMES, 120, 120))
rows, columns = np.mgrid[:120, :120]


def draw(time, row, column, radius):
    """Draw a round nucleus into a frame of the film."""
    film[time] += 100 * (np.hypot(rows - row, columns - column) < radius)


for time in range(FRAMES):
    draw(time, 30 + 3 * time, 30, 10)
    draw(time, 35, 85 - 3 * time, 11)
    draw(time, 95 - 2 * time, 25 + 3 * time, 9)
    if time < 3:
        draw(time, 85, 90, 11)
    else:  # it has divided, and its daughters move apart
        draw(time, 85, 90 - 8 - 2 * (time - 3), 8)
        draw(time, 85, 90 + 8 + 2 * (time - 3), 8)
film = ndimage.gaussian_filter(film, (0, 1.5, 1.5)) + random.normal(10, 4, film.shape)

found = napari_sam.track(film, model="cells")
for daughter, (parent,) in found.graph.items():
    print(f"nucleus {daughter} is a daughter of nucleus {parent}")

# The picture: the frames side by side, each nucleus in its own colour.
napari_sam.write_overlay("film.png", np.hstack(film), np.hstack(found.labels))
# viewer.add_tracks(found.tracks, graph=found.graph) shows the paths in napari.
