"""Many prompts on one image: what does not depend on a prompt is computed once.

The two-way transformer of `napari_sam.model.transformer` in another order of work,
with the same result. The first block sees the image as it is: its projections are
shared by all prompts. From then on each prompt has an image of its own, and moving
it to and from memory costs more than the arithmetic. So the image goes through in
pieces that stay in the cache: what a block writes to a piece is normalised and read
by the next attention at once, whose softmax runs along (Milakov and Gimelshein 2018,
"Online normalizer calculation for softmax").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from napari_sam.model.transformer import (
        CrossAttention,
        TwoWayBlock,
        TwoWayTransformer,
    )

__all__ = ["BatchedTransformer"]

_PIXELS = 2048
"""Pixels, of all prompts together, that are worked on at one time on a CPU."""


class _Exchange(NamedTuple):
    """One side of an attention between B x T tokens and N pixels.

    Attributes
    ----------
    rows
        (B, heads * T, C) whose products with the image are logits, or None where
        the image's part is in `shared`.
    shared
        (heads, B, T, N) logits of what all prompts share: the positions, and the
        image itself where it is the same for all.
    """

    rows: Tensor | None
    shared: Tensor

    def logits(self, image: Tensor, part: slice) -> Tensor:
        """(B, heads, T, n) logits of the (B, n, C) pixels of a part."""
        shared = self.shared[..., part].transpose(0, 1)
        if self.rows is None:
            return shared
        return (self.rows @ image.mT).view(shared.shape) + shared


class BatchedTransformer:
    """An image that many sets of tokens attend to.

    Parameters
    ----------
    transformer
        Of two blocks, in eval mode.
    image, position
        (N, C) image features with the dense prompt added, and their positions.
    fine
        What masks are drawn on beside them, for a decoder that does.
    """

    def __init__(
        self,
        transformer: TwoWayTransformer,
        image: Tensor,
        position: Tensor,
        fine: Tensor | None = None,
    ) -> None:
        first, second = cast("Sequence[TwoWayBlock]", list(transformer.layers))
        self._blocks = (first, second)
        self._final = transformer.final_attn_token_to_image
        self._norm = transformer.norm_final_attn
        self.image = image
        self.fine = fine
        self._memory = image.new_empty(0)
        placed = image + position
        read, write = first.cross_attn_token_to_image, first.cross_attn_image_to_token
        self._first_keys = _by_head(read, read.k_proj(placed)).mT.contiguous()
        self._first_values = _by_head(read, read.v_proj(image)).contiguous()
        self._first_queries = _by_head(write, write.q_proj(placed)).mT.contiguous()
        read, write = second.cross_attn_token_to_image, second.cross_attn_image_to_token
        self._second_keys = _position_keys(read, position)
        self._second_queries = _by_head(write, write.q_proj(position)).mT.contiguous()
        self._final_keys = _position_keys(self._final, position)

    def attend(self, tokens: Tensor, wanted: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Let B sets of tokens and the image inform each other.

        Parameters
        ----------
        tokens
            (B, T, C) output and prompt tokens.
        wanted
            Which of the T tokens are returned; the last attention is for them alone.

        Returns
        -------
        (B, W, C) tokens, and (B, N, C) image features that the next call overwrites.
        """
        first, second = self._blocks
        queries = first.among_tokens(tokens, tokens)
        queries = first.take_in(queries, self._first_read(queries + tokens))
        writer = first.cross_attn_image_to_token
        keys = writer.keys_of(queries + tokens)
        write = _Exchange(None, _heads_first(keys, self._first_queries))
        written = writer.to_image(queries)

        queries = second.among_tokens(queries, tokens)
        reader = second.cross_attn_token_to_image
        read = _reading(reader, queries + tokens, self._second_keys)
        image = self._room(len(tokens))
        seen = _exchange(self.image[None], write, written, first.norm4, read, out=image)
        queries = second.take_in(queries, reader.from_values(seen))

        writer = second.cross_attn_image_to_token
        keys = writer.keys_of(queries + tokens)
        shared = _heads_first(keys, self._second_queries)
        write = _Exchange(writer.rows_to_queries(keys), shared)
        written = writer.to_image(queries)
        asked = queries[:, wanted]
        read = _reading(self._final, asked + tokens[:, wanted], self._final_keys)
        seen = _exchange(image, write, written, second.norm4, read, out=image)
        return self._norm(asked + self._final.from_values(seen)), image

    def _room(self, batch: int) -> Tensor:
        """Return (B, N, C) memory; to take it anew for each call costs much."""
        if len(self._memory) < batch:
            self._memory = self.image.new_empty(batch, *self.image.shape)
        return self._memory[:batch]

    def _first_read(self, q: Tensor) -> Tensor:
        """Let the tokens read the image that all share."""
        reader = self._blocks[0].cross_attn_token_to_image
        logits = _heads_first(reader.queries_of(q), self._first_keys)
        share = logits.softmax(-1).flatten(1, 2)
        seen = (share @ self._first_values).view(*logits.shape[:3], -1)
        y: Tensor = reader.out_proj(seen.permute(1, 2, 0, 3).flatten(2))
        return y


def _by_head(attention: CrossAttention, projected: Tensor) -> Tensor:
    """View (N, inner) as (heads, N, inner / heads)."""
    return projected.view(len(projected), attention.heads, -1).transpose(0, 1)


def _position_keys(attention: CrossAttention, position: Tensor) -> Tensor:
    """Project positions as keys, without the bias, which has no effect."""
    projected = F.linear(position, attention.k_proj.weight)
    return _by_head(attention, projected).mT.contiguous()


def _heads_first(tokens: Tensor, image: Tensor) -> Tensor:
    """(B, heads, T, d) times (heads, d, N): (heads, B, T, N), in one product a head."""
    batch, heads, count, _ = tokens.shape
    rows = tokens.transpose(0, 1).reshape(heads, batch * count, -1)
    return (rows @ image).view(heads, batch, count, -1)


def _reading(reader: CrossAttention, q: Tensor, position: Tensor) -> _Exchange:
    queries = reader.queries_of(q)
    return _Exchange(reader.rows_to_keys(queries), _heads_first(queries, position))


def _exchange(
    image: Tensor,
    write: _Exchange,
    written: Tensor,
    norm: nn.Module,
    read: _Exchange,
    out: Tensor,
) -> Tensor:
    """Write to the image, normalise it, and read it, piece by piece.

    Parameters
    ----------
    image
        (B or 1, N, C)
    write, written
        Logits of the tokens that write, and (B, heads * T, C), what they write.
    norm
        Of the pixels, after it was written.
    read
        Logits of the tokens that read.
    out
        (B, N, C), gets the new image; may be `image`.

    Returns
    -------
    (B, heads * T', C) mean of the new image that each reader saw.
    """
    batch, count = len(written), image.shape[1]
    step = max(1, _PIXELS // batch) if image.device.type == "cpu" else count
    rows = read.shared.shape[0] * read.shared.shape[2]
    top = torch.full((batch, rows, 1), -torch.inf, device=image.device)
    total = torch.zeros_like(top)
    seen = torch.zeros(batch, rows, image.shape[2], device=image.device)
    for start in range(0, count, step):
        part = slice(start, start + step)
        here = image[:, part].expand(batch, -1, -1)
        share = write.logits(here, part).softmax(2).flatten(1, 2)
        here = norm(torch.baddbmm(here, share.mT, written))
        out[:, part] = here
        logits = read.logits(here, part).flatten(1, 2).float()
        peak = torch.maximum(top, logits.amax(-1, keepdim=True))
        weights = (logits - peak).exp_()
        fade = (top - peak).exp_()
        total = total * fade + weights.sum(-1, keepdim=True)
        seen = seen * fade + weights.to(here.dtype) @ here
        top = peak
    return (seen / total).to(image.dtype)
