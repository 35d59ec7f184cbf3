"""Make tests/data/sam_hq_reference.npz with SAM-HQ's own published code.

Not a test: it ran once, with segment-anything-hq 0.3 from PyPI::

    python tests/model/make_sam_hq_reference.py

in an environment that has it, with this repository and tests/support on PYTHONPATH. Of
what it imports, torchvision may be an empty stand-in: the networks use none of it.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from drawn_weights import drawn_weights
from segment_anything_hq.modeling import (
    ImageEncoderViT,
    MaskDecoderHQ,
    PromptEncoder,
    Sam,
    TinyViT,
    TwoWayTransformer,
)
from test_hq_mask_decoder import ANSWERS, BOXES, CASES, POINTS, frame_of, kept_of
from torch import nn


def _published_encoder(case):
    if case.is_tiny:
        return TinyViT(
            img_size=1024,
            num_classes=1000,
            embed_dims=[64, 128, 160, 320],
            depths=[2, 2, 6, 2],
            num_heads=[2, 4, 5, 10],
            window_sizes=[7, 7, 14, 7],
        )
    return ImageEncoderViT(
        depth=case.depth,
        embed_dim=case.width,
        img_size=case.frame_size,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=case.heads,
        patch_size=16,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=list(case.global_blocks),
        window_size=case.window,
        out_chans=256,
    )


def _published(case):
    grid = case.frame_size // 16
    transformer = TwoWayTransformer(
        depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8
    )
    return Sam(
        image_encoder=_published_encoder(case),
        prompt_encoder=PromptEncoder(
            embed_dim=256,
            image_embedding_size=(grid, grid),
            input_image_size=(case.frame_size, case.frame_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoderHQ(
            num_multimask_outputs=3,
            transformer=transformer,
            transformer_dim=256,
            vit_dim=160 if case.is_tiny else case.width,
        ),
    )


@torch.no_grad()
def main():
    found = {}
    for name, case in CASES.items():
        model = _published(case)
        shapes = {key: value.shape for key, value in model.state_dict().items()}
        model.load_state_dict(drawn_weights(shapes), strict=True)
        # Only now: eval() makes the attention biases from the weights.
        model.eval()
        features, early = model.image_encoder(frame_of(case))
        found[f"{name}_features"] = kept_of(features)
        for prompt, several in ANSWERS:
            points = None if prompt == "box" else (POINTS, torch.ones(2, 1))
            boxes = BOXES if prompt == "box" else None
            sparse, dense = model.prompt_encoder(points, boxes, None)
            position = model.prompt_encoder.get_dense_pe()
            masks, scores = model.mask_decoder(
                features, position, sparse, dense, several, False, early
            )
            found[f"{name}_{prompt}_{several}_masks"] = kept_of(masks)
            found[f"{name}_{prompt}_{several}_scores"] = scores.numpy()
    target = Path(__file__).parents[1] / "data" / "sam_hq_reference.npz"
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main()
