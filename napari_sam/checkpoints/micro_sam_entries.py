"""The entries of micro-sam's models and of their instance decoders.

Addresses and hashes are those of micro-sam's own registry (`micro_sam/util.py` of
micro-sam 1.8.14), which gives version 4 of its models of light microscopy and EM.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam.checkpoints.checkpoint_spec import (
    DENSE_MODES,
    DENSE_VOLUMES,
    SIZE_TITLES,
    CheckpointSpec,
)

__all__ = ["MICRO_SAM_DECODERS", "MICRO_SAM_MODELS"]

_MICRO_SAM = (
    "Archit et al., Segment Anything for Microscopy, Nature Methods 22, 2025, "
    "doi:10.1038/s41592-024-02580-4"
)
_PATHO_SAM = "Griebel et al., Segment Anything for Histopathology, arXiv:2502.00408"
_MEDICO_SAM = (
    "Archit et al., MedicoSAM: Towards foundation models for medical image "
    "segmentation, arXiv:2501.11734"
)
_BIOIMAGE_IO = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io"
_OWNCLOUD = "https://owncloud.gwdg.de/index.php/s"
_CC_BY = "CC-BY-4.0"
_UNSTATED = "not stated with the file (published by the MIT-licensed micro-sam)"

# Bytes of float32 weights: these files' publishers state no size.
_MODEL_BYTES = {
    "vit_t": 40_700_000,
    "vit_b": 375_000_000,
    "vit_l": 1_249_500_000,
    "vit_h": 2_564_500_000,
}
_DECODER_BYTES = 40_000_000


@dataclass(frozen=True)
class _Family:
    """What the micro-sam models of one image domain share."""

    suffix: str
    title: str
    good_for: str
    licence: str
    citation: str
    has_instances: bool = True


_LM = _Family(
    "lm",
    "micro-sam light microscopy",
    "Cells and nuclei in light microscopy: fluorescence, phase contrast, label-free.",
    _CC_BY,
    _MICRO_SAM,
)
_EM = _Family(
    "em_organelles",
    "micro-sam EM organelles",
    "Mitochondria, nuclei and other roundish organelles in electron microscopy.",
    _CC_BY,
    _MICRO_SAM,
)
_HISTOPATHOLOGY = _Family(
    "histopathology",
    "PathoSAM histopathology",
    "Nuclei in stained tissue sections (H&E).",
    _UNSTATED,
    _PATHO_SAM,
)
_MEDICAL = _Family(
    "medical_imaging",
    "MedicoSAM medical imaging",
    "Organs and lesions in CT, MRI, ultrasound, endoscopy and other medical images.",
    _UNSTATED,
    _MEDICO_SAM,
    has_instances=False,  # micro-sam does not part objects by this decoder either
)

# family, architecture, model (url, xxh128), decoder (url, xxh128); version 4 of the
# models of light microscopy and EM, as listed in micro_sam/util.py of micro-sam 1.8.
_MICRO_SAM_FILES = (
    (
        _LM,
        "vit_t",
        f"{_BIOIMAGE_IO}/faithful-chicken/1.1/files/vit_t.pt",
        "72ec5074774761a6e5c05a08942f981e",
        f"{_BIOIMAGE_IO}/faithful-chicken/1.1/files/vit_t_decoder.pt",
        "3e914a5f397b0312cdd36813031f8823",
    ),
    (
        _LM,
        "vit_b",
        f"{_BIOIMAGE_IO}/diplomatic-bug/1.2/files/vit_b.pt",
        "fe9252a29f3f4ea53c15a06de471e186",
        f"{_BIOIMAGE_IO}/diplomatic-bug/1.2/files/vit_b_decoder.pt",
        "708b15ac620e235f90bb38612c4929ba",
    ),
    (
        _LM,
        "vit_l",
        f"{_BIOIMAGE_IO}/idealistic-rat/1.2/files/vit_l.pt",
        "017f20677997d628426dec80a8018f9d",
        f"{_BIOIMAGE_IO}/idealistic-rat/1.2/files/vit_l_decoder.pt",
        "2faeafa03819dfe03e7c46a44aaac64a",
    ),
    (
        _EM,
        "vit_t",
        f"{_BIOIMAGE_IO}/greedy-whale/1/files/vit_t.pt",
        "253474720c497cce605e57c9b1d18fd9",
        f"{_BIOIMAGE_IO}/greedy-whale/1/files/vit_t_decoder.pt",
        "8f897c7bb93174a4d1638827c4dd6f44",
    ),
    (
        _EM,
        "vit_b",
        f"{_BIOIMAGE_IO}/noisy-ox/1.2/files/vit_b.pt",
        "f3bf2ed83d691456bae2c3f9a05fb438",
        f"{_BIOIMAGE_IO}/noisy-ox/1.2/files/vit_b_decoder.pt",
        "bb6398956a6b0132c26b631c14f95ce2",
    ),
    (
        _EM,
        "vit_l",
        f"{_BIOIMAGE_IO}/humorous-crab/1.2/files/vit_l.pt",
        "810b084b6e51acdbf760a993d8619f2d",
        f"{_BIOIMAGE_IO}/humorous-crab/1.2/files/vit_l_decoder.pt",
        "334877640bfdaaabce533e3252a17294",
    ),
    (
        _HISTOPATHOLOGY,
        "vit_b",
        f"{_OWNCLOUD}/sBB4H8CTmIoBZsQ/download",
        "ffd1a2cd84570458b257bd95fdd8f974",
        f"{_OWNCLOUD}/KO9AWqynI7SFOBj/download",
        "6a66194dcb6e36199cbee2214ecf7213",
    ),
    (
        _HISTOPATHOLOGY,
        "vit_l",
        f"{_OWNCLOUD}/IZgnn1cpBq2PHod/download",
        "b591833c89754271023e901281dee3f2",
        f"{_OWNCLOUD}/oIs6VSmkOp7XrKF/download",
        "46aab7765d4400e039772d5a50b55c04",
    ),
    (
        _HISTOPATHOLOGY,
        "vit_h",
        f"{_OWNCLOUD}/L7AcvVz7DoWJ2RZ/download",
        "bd1856dafc156a43fb3aa705f1a6e92e",
        f"{_OWNCLOUD}/1qAKxy5H0jgwZvM/download",
        "3ed9f87e46ad5e16935bd8d722c8dc47",
    ),
    (
        _MEDICAL,
        "vit_b",
        f"{_OWNCLOUD}/f5Ol4FrjPQWfjUF/download",
        "40169f1e3c03a4b67bff58249c176d92",
        f"{_OWNCLOUD}/ahd3ZhZl2e0RIwz/download",
        "9e498b12f526f119b96c88be76e3b2ed",
    ),
)


def _micro_sam_pair(
    family: _Family,
    architecture: str,
    url: str,
    xxh128: str,
    decoder_url: str,
    decoder_xxh128: str,
) -> tuple[CheckpointSpec, CheckpointSpec]:
    """Make the entries of one micro-sam model and of its instance decoder."""
    name = f"{architecture}_{family.suffix}"
    title = f"{family.title} {SIZE_TITLES[architecture]}"
    model = CheckpointSpec(
        name=name,
        title=title,
        architecture=architecture,
        filename=f"{name}.pt",
        good_for=family.good_for,
        licence=family.licence,
        citation=family.citation,
        url=url,
        hash=f"xxh128:{xxh128}",
        size=_MODEL_BYTES[architecture],
        size_is_exact=False,
        decoder=f"{name}_decoder",
        everything=DENSE_MODES if family.has_instances else ("grid",),
        volumes=DENSE_VOLUMES if family.has_instances else ("follow", "planes"),
    )
    decoder = CheckpointSpec(
        name=f"{name}_decoder",
        title=f"{title}, instance decoder",
        architecture="unetr",
        filename=f"{name}_decoder.pt",
        good_for=f"Automatic instance segmentation with {name}.",
        licence=family.licence,
        citation=family.citation,
        url=decoder_url,
        hash=f"xxh128:{decoder_xxh128}",
        size=_DECODER_BYTES,
        size_is_exact=False,
        prompts=(),
        everything=(),
        volumes=(),
        trainable=False,
    )
    return model, decoder


_PAIRS = [_micro_sam_pair(*row) for row in _MICRO_SAM_FILES]

MICRO_SAM_MODELS = tuple(model for model, _ in _PAIRS)

MICRO_SAM_DECODERS = tuple(decoder for _, decoder in _PAIRS)
"""They belong to the models (see `CheckpointSpec.decoder`)."""
