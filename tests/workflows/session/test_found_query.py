"""What objects were found by is kept with them."""

import numpy as np
from fake_search import DISCS, disc_records

from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.label_canvas import make_canvas
from napari_sam.workflows.session.provenance import read_record

SHAPE = (60, 80)


def test_the_query_is_in_the_table_and_read_from_it():
    session = AnnotationSession(labels=np.zeros(SHAPE, np.int32), model_name="fake")
    text = "large round nuclei"
    labels = session.commit_found(disc_records(SHAPE), query=text)
    assert len(labels) == len(DISCS)
    rows = session.table().to_dict("records")
    canvas = make_canvas(None, session.labels, False)
    read = [read_record(row, canvas) for row in rows]
    assert [record.latest.query for record in read] == [text] * len(DISCS)
    session.undo()
    assert not session.labels.any()


def test_without_a_query_nothing_is_noted():
    session = AnnotationSession(labels=np.zeros(SHAPE, np.int32), model_name="fake")
    session.commit_found(disc_records(SHAPE))
    assert "query" not in session.table()["prompts"][0]
