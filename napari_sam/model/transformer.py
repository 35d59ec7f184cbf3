"""The two-way transformer of the mask decoder (SAM paper, appendix A)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.layers import MLPBlock

__all__ = ["TwoWayTransformer"]


class TwoWayTransformer(nn.Module):
    """Tokens attend to the image and the image to the tokens."""

    def __init__(self, depth: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, heads, hidden, first=i == 0) for i in range(depth)
        )
        self.final_attn_token_to_image = CrossAttention(width, heads, downsample=2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(
        self, image: Tensor, position: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let B sets of tokens and an image inform each other.

        Parameters
        ----------
        image
            (B or 1, N, C) image features with the dense prompt added. With batch
            1 the image is shared, and so is all that does not depend on a prompt.
        position
            (1, N, C) position of each image token.
        tokens
            (B, T, C) output and prompt tokens.

        Returns
        -------
        (B, T, C) tokens and (B, N, C) image features.
        """
        queries, keys = tokens, image
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, position)
        attended = self.final_attn_token_to_image.read(
            queries + tokens, keys + position, keys
        )
        return self.norm_final_attn(queries + attended), keys


class TwoWayBlock(nn.Module):
    """Self-attention, tokens to image, MLP, image to tokens; each then normed."""

    def __init__(self, width: int, heads: int, hidden: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = CrossAttention(width, heads, downsample=2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLPBlock(width, hidden, nn.ReLU)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = CrossAttention(width, heads, downsample=2)

    def forward(
        self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Map (B, T, C) queries and (B or 1, N, C) keys to (B, T, C), (B, N, C).

        `query_pe`, the original tokens, and `key_pe`, the image positions, are
        added again wherever a query or key is formed.
        """
        queries = self.among_tokens(queries, query_pe)
        placed = keys + key_pe
        q = queries + query_pe
        attended = self.cross_attn_token_to_image.read(q, placed, keys)
        queries = self.take_in(queries, attended)
        q = queries + query_pe
        keys = self.cross_attn_image_to_token.write(keys, placed, q, queries)
        return queries, self.norm4(keys)

    def among_tokens(self, queries: Tensor, query_pe: Tensor) -> Tensor:
        """Let the (B, T, C) tokens attend to each other."""
        if self.first:
            # No position and no residual here, as in the published weights.
            queries = self.self_attn(queries, queries, queries)
        else:
            q = queries + query_pe
            queries = queries + self.self_attn(q, q, queries)
        y: Tensor = self.norm1(queries)
        return y

    def take_in(self, queries: Tensor, attended: Tensor) -> Tensor:
        """Work what the (B, T, C) tokens saw in the image into them."""
        queries = self.norm2(queries + attended)
        y: Tensor = self.norm3(queries + self.mlp(queries))
        return y


class Attention(nn.Module):
    """Multi-head attention that may project to a narrower inner width."""

    def __init__(self, width: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        self.heads = heads
        inner = width // downsample
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from (B, Nq, C) to (B, Nk, C); a batch of 1 is shared by all."""
        q, k, v = self.q_proj(q), self.k_proj(k), self.v_proj(v)
        batch = max(q.shape[0], k.shape[0])
        q, k, v = (self._split(x).expand(batch, -1, -1, -1) for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v)
        z: Tensor = self.out_proj(y.transpose(1, 2).flatten(2))
        return z


class CrossAttention(Attention):
    """Attention between B sets of T tokens and an image of N positions.

    As long as tokens are few, the image is never projected: a projection of the
    image that meets a token is moved to the token, (W x) . q = x . (W' q), and what
    is summed over the image is projected after the sum. With T tokens and h heads
    each product then has h T columns in place of all inner channels.

    Attributes
    ----------
    moves_projections
        False: the image is always projected, whatever the number of tokens; for a
        graph that is to hold for any number of them.
    """

    moves_projections = True

    def read(self, q: Tensor, placed: Tensor, image: Tensor) -> Tensor:
        """Let (B, T, C) tokens `q` attend to the image.

        `placed`, the image with its positions, makes the keys and `image` the
        values; both (B or 1, N, C). Returns (B, T, C).
        """
        if not self._is_short(q):
            plain: Tensor = self(q, placed, image)
            return plain
        # The bias of the keys shifts all logits of a row alike: it has no effect.
        rows = self.rows_to_keys(self.queries_of(q))
        share = (rows @ _shared(placed).mT).softmax(-1)
        return self.from_values(share @ _shared(image))

    def write(self, image: Tensor, placed: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Add to the (B or 1, N, C) image what its positions see in the tokens.

        `placed`, the image with its positions, makes the queries, the (B, T, C)
        tokens `k` and `v` the keys and values. Returns (B, N, C).
        """
        if not self._is_short(k):
            plain: Tensor = image + self(placed, k, v)
            return plain
        keys = self.keys_of(k)
        shift = keys @ self.q_proj.bias.view(self.heads, -1, 1)
        logits = self.rows_to_queries(keys) @ _shared(placed).mT
        logits = logits.view(*keys.shape[:3], -1) + shift
        share = logits.softmax(2).flatten(1, 2)
        base = image.expand(len(k), -1, -1)
        return torch.baddbmm(base, share.mT, self.to_image(v))

    def queries_of(self, q: Tensor) -> Tensor:
        """Project and scale (B, T, C) tokens that read: (B, heads, T, d)."""
        x: Tensor = self.q_proj(q)
        return self._split(x) * self.scale

    def keys_of(self, k: Tensor) -> Tensor:
        """Project and scale (B, T, C) tokens that write: (B, heads, T, d)."""
        x: Tensor = self.k_proj(k)
        return self._split(x) * self.scale

    def rows_to_keys(self, queries: Tensor) -> Tensor:
        """Move the keys' projection to the queries: (B, heads * T, C)."""
        return (queries @ self.per_head(self.k_proj.weight)).flatten(1, 2)

    def rows_to_queries(self, keys: Tensor) -> Tensor:
        """Move the queries' projection to the keys: (B, heads * T, C)."""
        return (keys @ self.per_head(self.q_proj.weight)).flatten(1, 2)

    def from_values(self, seen: Tensor) -> Tensor:
        """Project the (B, heads * T, C) image as each head saw it: (B, T, C)."""
        values = self.per_head(self.v_proj.weight)
        by_head = seen.view(len(seen), self.heads, -1, seen.shape[-1])
        y = (by_head @ values.mT).transpose(1, 2).flatten(2)
        z: Tensor = self.out_proj(y + self.v_proj.bias)
        return z

    def to_image(self, v: Tensor) -> Tensor:
        """Project what each head of (B, T, C) tokens writes: (B, heads * T, C)."""
        back = self.out_proj.weight.T.reshape(self.heads, -1, v.shape[-1])
        written = self._split(self.v_proj(v)) @ back
        # Each head's shares sum to one, so that the bias may ride on the first.
        written = torch.cat([written[:, :1] + self.out_proj.bias, written[:, 1:]], 1)
        return written.flatten(1, 2)

    def per_head(self, weight: Tensor) -> Tensor:
        """View a (inner, C) projection as (heads, inner / heads, C)."""
        return weight.view(self.heads, -1, weight.shape[-1])

    @property
    def scale(self) -> float:
        """Factor on the products of queries and keys."""
        inner: int = self.q_proj.out_features
        return float((inner // self.heads) ** -0.5)

    def _is_short(self, tokens: Tensor) -> bool:
        return self.moves_projections and (
            self.heads * tokens.shape[1] < self.q_proj.out_features
        )


def _shared(image: Tensor) -> Tensor:
    """Drop a batch of one, so that one product serves all prompts."""
    return image[0] if len(image) == 1 else image
