"""One image -> embedding -> masks.

The predictor is pure: it has no current image. The same calls give the same masks
in a widget, a script and a worker, from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload
from uuid import uuid4

from napari_sam.inference.dense_maps import read_dense_head
from napari_sam.inference.image_scale import checked_scale, embed_with_tiles
from napari_sam.inference.plane_encoder import PlaneEncoder, free_frame_step
from napari_sam.inference.plane_views import PlaneView, whole_embedding
from napari_sam.inference.point_decoder import PointDecoder
from napari_sam.inference.preprocess import binary_to_logits
from napari_sam.inference.prompt_decoding import (
    check_frame,
    check_prompts,
    checked_mask,
    decode_prompts,
)
from napari_sam.inference.remote_model import RemoteModel, place_model
from napari_sam.inference.text_prompts import text_prompts
from napari_sam.inference.tiled_prediction import add_mask, predict_tiles
from napari_sam.model.dense_maps import DenseMaps
from napari_sam.ops.types import MaskPrediction, Multimask, Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.checkpoints.object_weights import LoadedObjectHead
    from napari_sam.configs.objects import DenseLevel
    from napari_sam.inference.embedding_cache import EmbeddingCache
    from napari_sam.inference.image_scale import ImageScale
    from napari_sam.inference.model_placement import Placement
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.text_tower import PhraseEmbedder
    from napari_sam.model.candidate_scorer import CandidateScorer
    from napari_sam.model.network import Network
    from napari_sam.ops.remote_device import RemoteDevice
    from napari_sam.ops.types import ImageEmbedding, IsCancelled

__all__ = ["Predictor"]


class Predictor:
    """A model on a device, asked with arrays.

    Parameters
    ----------
    model
        The network, in eval mode.
    name
        What to call it, in tables and messages.
    digest
        What identifies its weights; part of every embedding's key.
    device, dtype
        See `load_model`.
    cache
        Holds the latest embeddings; one of 512 MB if None.
    object_size
        Pixels across of the objects that it was fine-tuned on, where that is known.
    source
        By which name or path it was loaded, if it was.

    Attributes
    ----------
    encoder
        Embeds several planes together, and names embeddings.
    object_head, text_tower
        What embeds objects, and the words for them; None for those that ship. See
        `load_model`.
    instance_scorer
        What chooses its objects among candidates; None for the one that ships, where
        that has learned from this model, or none. See `load_model`.
    """

    def __init__(
        self,
        model: Network,
        *,
        name: str = "model",
        digest: str = "",
        device: str | torch.device | RemoteDevice = "auto",
        dtype: str = "auto",
        cache: EmbeddingCache | None = None,
        object_size: float | None = None,
        source: str | None = None,
    ) -> None:
        self.name = name
        self.source = source
        self.object_head: LoadedObjectHead | None = None
        self.text_tower: PhraseEmbedder | None = None
        self.object_size = object_size
        self.instance_scorer: CandidateScorer | None = None
        self.digest = digest or f"unnamed-{uuid4()}"
        self._placed = place_model(model, name, dtype, device, self.digest, source)
        self.encoder = PlaneEncoder(self._placed, name, self.digest, cache)

    @property
    def _at(self) -> Placement:
        return self._placed.at

    @property
    def cache(self) -> EmbeddingCache:
        """The latest embeddings, in memory and on disk."""
        return self.encoder.cache

    @property
    def model(self) -> Network:
        """The network; another one after a GPU had too little memory."""
        return self._at.model

    @property
    def device(self) -> torch.device:
        """Where the model computes; with workers, all but the image encoder."""
        return self._at.device

    @property
    def remote(self) -> RemoteModel | None:
        """How it stands with the workers that embed planes; None without any."""
        return self._placed if isinstance(self._placed, RemoteModel) else None

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the image encoder."""
        return self._at.dtype

    @property
    def frame_size(self) -> int:
        """Side of the square in which the model sees an image plane, in pixels."""
        return self.model.architecture.frame_size

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution logits."""
        return self.model.prompt_encoder.mask_size

    @overload
    def embed(
        self,
        image: ArrayLike,
        *,
        scale: Literal["whole"],
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> ImageEmbedding: ...

    @overload
    def embed(
        self,
        image: ArrayLike,
        *,
        scale: ImageScale = "auto",
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> PlaneEmbedding: ...

    def embed(
        self,
        image: ArrayLike,
        *,
        scale: ImageScale = "auto",
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> PlaneEmbedding:
        """Embed an image plane, or find it in the cache, in memory or on disk.

        Parameters
        ----------
        image
            (H, W) or (H, W, 1 to 4) of any real dtype; see
            `napari_sam.inference.preprocess.to_rgb`.
        scale
            How closely to look. "whole": the plane is seen as a whole, in one frame.
            A number: at so many frame pixels per pixel of the image; prompts are then
            answered from tiles, each of which is embedded when it is first asked
            about. "auto": as the size of the objects that the dense head sees wants
            it; without one, or with an instance decoder of micro-sam, as a whole.
        contrast_limits
            Intensities that become black and white; robust percentiles if None.
        is_cancelled
            Asked before each block of the encoder.

        Returns
        -------
        ImageEmbedding or PlaneView
            For `predict` and all else that takes an embedding. The latter where the
            scale asks for tiles.

        Raises
        ------
        ValueError
            If the image, the scale or the limits are not as described.
        Cancelled
            If `is_cancelled` answered True.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_sam
        >>> sam = napari_sam.load_model("cells")
        >>> embedding = sam.embed(np.eye(64), scale=12)
        >>> sam.predict(embedding, points=[(32, 32)]).view
        (0, 0, 42, 42)
        """
        scale = checked_scale(scale)
        if scale != "whole":
            view = PlaneView.of(image, self.frame_size, contrast_limits)
            wanted = None if isinstance(scale, str) else scale
            return embed_with_tiles(self, view, wanted, is_cancelled, self.cache)
        return self.encoder.embed(image, contrast_limits, is_cancelled)

    def predict(
        self,
        embedding: PlaneEmbedding,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: NDArray[Any] | None = None,
        *,
        previous: MaskPrediction | None = None,
        candidate: int = 0,
        text: str | None = None,
        multimask: Multimask = Multimask.AUTO,
        loose: bool = False,
    ) -> MaskPrediction:
        """Predict the masks of one object.

        Parameters
        ----------
        embedding
            From `embed`.
        points
            (N, 2) as (row, col) in pixels of the image plane.
        labels
            (N,) of 1 (object) and 0 (background); all 1 if None.
        box
            (row0, col0, row1, col1), half open: pixel i covers i to i + 1.
        mask
            (H, W) bool or integers: a rough mask of the object.
        previous, candidate
            An earlier answer about the object, and which of its candidates is to be
            refined.
        text
            Which object is meant, in English, such as "the nucleus, not the cell" or
            "the whole cell": it chooses among three candidates. Text alone proposes
            up to three objects of the plane; where it is wrong, a click beside it
            says where. See `napari_sam.read_text` for what is understood.
        multimask
            "auto": three candidates where the prompts are ambiguous, that is one point
            or one mask alone, else one. "three": always three.
        loose
            Whether the box is a guess, or drawn with much room; the bundled model
            fits a single mask to a box that is not.

        Returns
        -------
        MaskPrediction
            The candidates, the best predicted IoU first; with a text the one that
            goes best with it, and how well each does, as `matches`. Those of text
            alone have their matches as scores, and are none where nothing matches.

        Raises
        ------
        ValueError
            If nothing is prompted, a prompt does not fit the image plane, both a
            mask and an earlier answer are given, or nothing is understood of a text.

        Warns
        -----
        UserWarning
            If a part of the text is not understood, or the model does not know the
            kind of object that it names.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_sam
        >>> sam = napari_sam.load_model("cells")
        >>> embedding = sam.embed(np.eye(64), scale="whole")
        >>> sam.predict(embedding, points=[(32, 32)]).masks.shape
        (3, 64, 64)
        """
        prompts = Prompts.make(points, labels, box, loose=loose)
        if previous is None and candidate != 0:
            raise ValueError(f"candidate {candidate} of what? give previous= with it")
        if previous is not None:
            if mask is not None:
                raise ValueError("give a mask or an earlier answer to refine, not both")
            prompts = prompts.refining(previous, candidate)
        elif mask is not None:
            prompts = add_mask(self, embedding, prompts, checked_mask(mask))
        if text is not None:
            return text_prompts().answer_with_text(self, embedding, prompts, text)
        return self.predict_prompts(embedding, prompts, multimask)

    def predict_prompts(
        self,
        embedding: PlaneEmbedding,
        prompts: Prompts,
        multimask: Multimask = Multimask.AUTO,
    ) -> MaskPrediction:
        """Predict the masks of one object from checked prompts.

        See `predict`.
        """
        return self.predict_batch(embedding, [prompts], multimask)[0]

    def predict_batch(
        self,
        embedding: PlaneEmbedding,
        prompts: Sequence[Prompts],
        multimask: Multimask = Multimask.AUTO,
    ) -> list[MaskPrediction]:
        """Predict the masks of many objects of one image; see `predict_prompts`."""
        wanted = Multimask(multimask)
        for prompt in prompts:
            check_prompts(prompt, embedding.geometry, self.mask_size, self.name)
        if isinstance(embedding, PlaneView):
            return predict_tiles(self, embedding, prompts, wanted)
        check_frame(embedding, self.frame_size)
        return decode_prompts(self._at, embedding, prompts, wanted)

    def point_decoder(self, embedding: PlaneEmbedding) -> PointDecoder:
        """Prepare an image, seen as a whole, for many points; see `PointDecoder`."""
        whole, at = whole_embedding(embedding), self._at
        return PointDecoder(at.model, whole, at.position, at.device)

    @property
    def has_dense_head(self) -> bool:
        """Whether `dense_maps` can be asked for."""
        return self.model.dense_head is not None

    @property
    def has_quick_maps(self) -> bool:
        """Whether `dense_maps` costs little beside the embedding.

        Those of micro-sam's instance decoders cost as much as an embedding.
        """
        head = self.model.dense_head
        return head is not None and head.is_quick

    @property
    def map_frames(self) -> Sequence[int]:
        """Sides of the frames in which tiles can be seen well for `dense_maps`.

        An encoder without absolute positions sees in other frames than its own too;
        those that fit a plane have the fewest pixels to see twice.
        """
        step, own = free_frame_step(self.model), self.frame_size
        if step is None or not self.has_quick_maps:
            return (own,)
        return range(own // 2 // step * step, own * 3 // 2 + 1, step)

    @property
    def map_stride(self) -> float:
        """Frame pixels per pixel in which `dense_maps` are computed."""
        head = self.model.dense_head
        return DenseMaps.map_stride if head is None else head.map_stride

    def dense_maps(
        self, embedding: PlaneEmbedding, level: DenseLevel = "auto"
    ) -> NDArray[np.float32]:
        """Say of every pixel how likely and how deep it lies in an object.

        The image is seen as a whole.

        Parameters
        ----------
        embedding
            From `embed`.
        level
            Which objects, where cells are seen with their nuclei; a model whose head
            has one level knows no difference.

        Returns
        -------
        (3, H, W) float32 in [0, 1]
            Probability of foreground; distance to the object's centre; distance to
            its boundary, counted from the deepest point: 0 there and 1 at the
            boundary. Both distances are parts of the object's largest, and 1 outside.

        Raises
        ------
        ValueError
            If the model has no dense head.
        """
        return read_dense_head(self.model, whole_embedding(embedding), self.name, level)

    def mask_to_logits(
        self, embedding: ImageEmbedding, mask: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Turn a (H, W) mask of the image plane into a mask prompt.

        See `napari_sam.inference.preprocess.binary_to_logits`.
        """
        return binary_to_logits(mask, embedding.geometry, self.mask_size)
