"""The entries of the registry: names, addresses, hashes, licences and features.

Hashes are the published ones. Meta gives no more than six digits of an MD5 in the
file names; the full SHA-256 sums below agree across many independent copies. The
micro-sam project publishes XXH128 sums, and of two files of SAM-HQ only an MD5 is
known. Both detect damage but, unlike SHA-256, do not protect against a file that was
forged on purpose: for these files the trust rests on https from their publisher, and
addresses of all files are https.
"""

from __future__ import annotations

from napari_sam.checkpoints.checkpoint_spec import (
    DENSE_MODES,
    DENSE_VOLUMES,
    SIZE_TITLES,
    CheckpointSpec,
)
from napari_sam.checkpoints.micro_sam_entries import (
    MICRO_SAM_DECODERS,
    MICRO_SAM_MODELS,
)
from napari_sam.checkpoints.sam2_entries import SAM2_MODELS
from napari_sam.checkpoints.sam3_entries import SAM3_MODELS

__all__ = ["DECODER_ENTRIES", "MODEL_ENTRIES"]

_SAM = "Kirillov et al., Segment Anything, ICCV 2023, arXiv:2304.02643"
_MOBILE_SAM = (
    "Zhang et al., Faster Segment Anything: Towards Lightweight SAM for Mobile "
    "Applications, 2023, arXiv:2306.14289"
)
_LITE_MEDSAM = (
    "Ma et al., Segment anything in medical images, Nature Communications 15, 2024, "
    "doi:10.1038/s41467-024-44824-z"
)

_SAM_HQ = "Ke et al., Segment Anything in High Quality, NeurIPS 2023, arXiv:2306.01567"

_META = "https://dl.fbaipublicfiles.com/segment_anything"
_HUB = "https://huggingface.co"

_HQ_BYTES = {"vit_b": 379_000_000, "vit_l": 1_255_000_000, "vit_t": 42_500_000}
_OFFICIAL = (
    CheckpointSpec(
        name="vit_b",
        title="SAM ViT-B",
        architecture="vit_b",
        filename="sam_vit_b_01ec64.pth",
        good_for="Natural images; clear objects of any kind; the lightest of SAM.",
        licence="Apache-2.0",
        citation=_SAM,
        url=f"{_META}/sam_vit_b_01ec64.pth",
        mirrors=(
            f"{_HUB}/ybelkada/segment-anything/resolve/main/checkpoints/"
            "sam_vit_b_01ec64.pth",
        ),
        hash="sha256:ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        size=375_042_383,
    ),
    CheckpointSpec(
        name="vit_l",
        title="SAM ViT-L",
        architecture="vit_l",
        filename="sam_vit_l_0b3195.pth",
        good_for="Natural images; close to ViT-H at half its cost.",
        licence="Apache-2.0",
        citation=_SAM,
        url=f"{_META}/sam_vit_l_0b3195.pth",
        mirrors=(f"{_HUB}/mashb1t/misc/resolve/main/sam_vit_l_0b3195.pth",),
        hash="sha256:3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        size=1_249_524_607,
    ),
    CheckpointSpec(
        name="vit_h",
        title="SAM ViT-H",
        architecture="vit_h",
        filename="sam_vit_h_4b8939.pth",
        good_for="Natural images; the best and slowest of SAM; wants a GPU.",
        licence="Apache-2.0",
        citation=_SAM,
        url=f"{_META}/sam_vit_h_4b8939.pth",
        mirrors=(f"{_HUB}/mashb1t/misc/resolve/main/sam_vit_h_4b8939.pth",),
        hash="sha256:a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        size=2_564_550_879,
    ),
    CheckpointSpec(
        name="vit_t",
        title="MobileSAM (ViT-T)",
        architecture="vit_t",
        filename="mobile_sam.pt",
        good_for="Natural images on a CPU: SAM's decoder on a small encoder.",
        licence="Apache-2.0",
        citation=_MOBILE_SAM,
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        mirrors=(f"{_HUB}/dhkim2810/MobileSAM/resolve/main/mobile_sam.pt",),
        hash="sha256:6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        size=40_728_226,
    ),
)

# architecture, file, hash, bytes, what it is good for
_HQ_FILES = (
    (
        "vit_b",
        "sam_hq_vit_b.pth",
        "md5:c6b8953247bcfdc8bb8ef91e36a6cacc",
        None,
        "Natural images; thin and branched objects, outlined closer than by vit_b.",
    ),
    (
        "vit_l",
        "sam_hq_vit_l.pth",
        "md5:08947267966e4264fb39523eccc33f86",
        None,
        "Natural images; thin and branched objects, outlined closer than by vit_l.",
    ),
    (
        "vit_h",
        "sam_hq_vit_h.pth",
        "sha256:a7ac14a085326d9fa6199c8c698c4f0e7280afdbb974d2c4660ec60877b45e35",
        2_570_940_653,
        "Natural images; thin and branched objects, outlined closer than by vit_h.",
    ),
    (
        "vit_t",
        "sam_hq_vit_tiny.pth",
        "sha256:0f32c075ccdd870ae54db2f7630e7a0878ede5a2b06d05d6fe02c65a82fb7196",
        None,
        "Natural images on a CPU; outlines closer than those of vit_t.",
    ),
)

_HIGH_QUALITY = tuple(
    CheckpointSpec(
        name=f"{architecture}_hq",
        title=f"SAM-HQ {SIZE_TITLES[architecture]}",
        architecture=architecture,
        filename=filename,
        good_for=good_for,
        licence="Apache-2.0",
        citation=_SAM_HQ,
        url=f"{_HUB}/lkeab/hq-sam/resolve/main/{filename}",
        hash=digest,
        size=size or _HQ_BYTES[architecture],
        size_is_exact=size is not None,
        is_high_quality=True,
    )
    for architecture, filename, digest, size, good_for in _HQ_FILES
)

_BUNDLED = CheckpointSpec(
    name="cells",
    title="Cells (bundled)",
    architecture="cells",
    filename="cells.safetensors",
    good_for="Cells and nuclei in light microscopy, on a CPU, with no download.",
    licence="Apache-2.0",
    citation=f"napari-sam; trained from LiteMedSAM: {_LITE_MEDSAM}",
    bundled=True,
    everything=DENSE_MODES,
    volumes=DENSE_VOLUMES,
    text=True,
)

MODEL_ENTRIES = (
    _BUNDLED,
    *_OFFICIAL,
    *_HIGH_QUALITY,
    *MICRO_SAM_MODELS,
    *SAM2_MODELS,
    *SAM3_MODELS,
)
"""Every model that can be loaded by name, the bundled one first."""

DECODER_ENTRIES = MICRO_SAM_DECODERS
"""Instance decoders that belong to models (see their `decoder`)."""
