"""Click nuclei one by one, correct a click, and save the outlines.

For whoever wants a few objects, each outlined well. It is the annotator without its
window: the same clicks give the same outlines there. Positions are (row, column).
"""

import napari_sam

image = napari_sam.load_sample("nuclei_2d")[200:456, 100:356]
sam = napari_sam.load_model("cells")
session = napari_sam.AnnotationSession(image, model=sam, contrast_limits=(4, 160))
session.class_name = "nucleus"

# One click may mean several things, so there are up to three outlines to choose from.
session.add_point((221, 142))
print("how sure the model is of each outline:", session.candidates.scores.round(2))
session.commit()  # keep the first; session.cycle() goes on to the next one

# Two nuclei touch: a second click says what does not belong to the first one.
session.add_point((73, 131))
session.add_point((56, 152), positive=False)
session.commit()

# A box around a nucleus leaves less doubt than a click: (row, column) of two corners.
session.set_box((181, 200, 210, 235))
session.commit()

for row, column in [(154, 115), (137, 66), (56, 152)]:
    session.add_point((row, column))
    session.commit()

print(session.table()[["index", "class", "score", "points"]].to_string(index=False))
napari_sam.write_overlay("click_nuclei.png", image, session.labels, (4, 160))
# napari_sam.write_labels("labels.tif", session.labels) saves the labels themselves.
