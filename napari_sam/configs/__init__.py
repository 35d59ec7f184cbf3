"""Parameters of every task, checked and described; light to import.

The choices of the commands, ``--set``, the forms of the window and the reference are
read from here; see `settings_of`.
"""

from napari_sam.configs.base_config import Config, Setting, read_pairs, settings_of
from napari_sam.configs.blocks import BlockConfig
from napari_sam.configs.corrections import (
    RefineLabelsConfig,
    SuspectConfig,
    TrackSuspectConfig,
)
from napari_sam.configs.export import ExportConfig
from napari_sam.configs.grids import PROPOSALS, EdgeConfig, GridConfig
from napari_sam.configs.objects import (
    MODES,
    ConceptConfig,
    InstanceConfig,
    Mode,
    PaintOrder,
    PromptConfig,
    RefineConfig,
    SegmentConfig,
    SelectionRule,
)
from napari_sam.configs.queries import FindConfig
from napari_sam.configs.segment_modes import check_mode, mode_settings, read_settings
from napari_sam.configs.stacks import (
    DIRECTIONS,
    Direction,
    GrowConfig,
    LinkConfig,
    PropagationConfig,
    TrackConfig,
)
from napari_sam.configs.training import AugmentConfig, TrainConfig, read_config
from napari_sam.configs.volumes import (
    VOLUME_MODES,
    FuseConfig,
    VolumeBlockConfig,
    VolumeConfig,
)

__all__ = [
    "DIRECTIONS",
    "MODES",
    "PROPOSALS",
    "VOLUME_MODES",
    "AugmentConfig",
    "BlockConfig",
    "ConceptConfig",
    "Config",
    "Direction",
    "EdgeConfig",
    "ExportConfig",
    "FindConfig",
    "FuseConfig",
    "GridConfig",
    "GrowConfig",
    "InstanceConfig",
    "LinkConfig",
    "Mode",
    "PaintOrder",
    "PromptConfig",
    "PropagationConfig",
    "RefineConfig",
    "RefineLabelsConfig",
    "SegmentConfig",
    "SelectionRule",
    "Setting",
    "SuspectConfig",
    "TrackConfig",
    "TrackSuspectConfig",
    "TrainConfig",
    "VolumeBlockConfig",
    "VolumeConfig",
    "check_mode",
    "mode_settings",
    "read_config",
    "read_pairs",
    "read_settings",
    "settings_of",
]
