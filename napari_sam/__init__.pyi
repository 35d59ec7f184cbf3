from napari_sam.inference.predictor import Predictor as Predictor
from napari_sam.inference.predictor import load_model as load_model
from napari_sam.inference.views import PlaneView as PlaneView
from napari_sam.ops.types import ImageEmbedding as ImageEmbedding
from napari_sam.ops.types import MaskPrediction as MaskPrediction
from napari_sam.ops.types import MaskRecord as MaskRecord
from napari_sam.ops.types import Multimask as Multimask
from napari_sam.ops.types import Prompts as Prompts
from napari_sam.workflows.objects.edges import detect_edges as detect_edges
from napari_sam.workflows.objects.from_prompts import segment_boxes as segment_boxes
from napari_sam.workflows.objects.from_prompts import segment_points as segment_points
from napari_sam.workflows.objects.grid_masks import AutomaticConfig as AutomaticConfig
from napari_sam.workflows.objects.grid_masks import generate_masks as generate_masks
from napari_sam.workflows.objects.proposals import propose as propose
from napari_sam.workflows.objects.segment import segment as segment
from napari_sam.workflows.session.annotation_session import (
    AnnotationSession as AnnotationSession,
)
from napari_sam.workflows.stacks.plane_following import (
    PropagationConfig as PropagationConfig,
)
from napari_sam.workflows.stacks.plane_linking import LinkConfig as LinkConfig
from napari_sam.workflows.stacks.propagation import propagate as propagate
from napari_sam.workflows.stacks.track_linking import TrackConfig as TrackConfig
from napari_sam.workflows.stacks.tracking import track as track
from napari_sam.workflows.stacks.volume import segment_volume as segment_volume

__version__: str
