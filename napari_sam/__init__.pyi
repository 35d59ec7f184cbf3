from napari_sam.inference.predictor import Predictor as Predictor
from napari_sam.inference.predictor import load_model as load_model
from napari_sam.ops.types import ImageEmbedding as ImageEmbedding
from napari_sam.ops.types import MaskPrediction as MaskPrediction
from napari_sam.ops.types import MaskRecord as MaskRecord
from napari_sam.ops.types import Prompts as Prompts
from napari_sam.workflows.automatic import AutomaticConfig as AutomaticConfig
from napari_sam.workflows.automatic import generate_masks as generate_masks
from napari_sam.workflows.interactive import AnnotationSession as AnnotationSession

__version__: str
