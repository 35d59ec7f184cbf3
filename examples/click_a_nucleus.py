"""Click a nucleus, look at the candidates, keep one, and save the labels.

Run it with ``python examples/click_a_nucleus.py [FOLDER]``.
"""

import sys
from pathlib import Path

import napari_sam
from napari_sam.io.label_images import write_overlay


def main(folder: Path) -> None:
    image = napari_sam.load_sample("nuclei_2d")
    session = napari_sam.AnnotationSession(napari_sam.load_model("cells"), image)

    # One click is ambiguous, so the model answers with ranked candidates.
    session.add_point((421, 242))
    scores = ", ".join(f"{score:.2f}" for score in session.candidates.scores)
    print(f"candidates with predicted IoU {scores}; keeping the first")
    session.commit()

    # Two nuclei touch: a second click says where the neighbour begins.
    session.add_point((273, 231))
    session.add_point((256, 252), positive=False)
    session.commit()

    print(session.table()[["index", "score", "points"]].to_string(index=False))
    print(napari_sam.write_labels(folder / "labels.tif", session.labels))
    print(write_overlay(folder / "overlay.png", image, session.labels))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
