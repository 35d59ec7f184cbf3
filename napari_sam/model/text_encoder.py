"""The text encoder: word pieces to one vector for a phrase (BERT, Devlin et al. 2019).

Laid out and named like BERT in Hugging Face's `transformers`, so that sentence encoders
of that family load as they are; MiniLM (Wang et al. 2020) is the one that ships. The
vector of a phrase is the mean over its word pieces, of length 1 (Reimers & Gurevych
2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["TextEncoder", "TextEncoderConfig"]

_EPSILON = 1e-12


@dataclass(frozen=True)
class TextEncoderConfig:
    """The measures of a text encoder.

    Attributes
    ----------
    vocabulary
        Word pieces that it knows.
    width
        Length of the vector of a word piece, and of a phrase.
    depth
        Layers.
    heads
        Heads of attention in each layer.
    hidden
        Units of the perceptron in each layer.
    positions
        Most word pieces of a phrase.
    """

    vocabulary: int = 30522
    width: int = 384
    depth: int = 6
    heads: int = 12
    hidden: int = 1536
    positions: int = 512


class TextEncoder(nn.Module):
    """Word pieces in, one vector of length 1 for each phrase out."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Layers(config)

    def forward(self, pieces: Tensor, is_real: Tensor) -> Tensor:
        """Encode phrases.

        Parameters
        ----------
        pieces
            (N, T) int64, numbers of word pieces.
        is_real
            (N, T) bool, False where a phrase is over.

        Returns
        -------
        (N, width) float32, each of length 1.
        """
        states = self.encoder(self.embeddings(pieces), is_real[:, None, None, :])
        weights = is_real[..., None].to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
        return F.normalize(mean, dim=-1)


class _Embeddings(nn.Module):
    """Word piece, place in the phrase and kind of sentence, added and normed."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.width)
        self.position_embeddings = nn.Embedding(config.positions, config.width)
        self.token_type_embeddings = nn.Embedding(2, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=_EPSILON)

    def forward(self, pieces: Tensor) -> Tensor:
        places = torch.arange(pieces.shape[1], device=pieces.device)
        states = self.word_embeddings(pieces) + self.position_embeddings(places)
        made: Tensor = self.LayerNorm(states + self.token_type_embeddings.weight[0])
        return made


class _Layers(nn.Module):
    """One layer after the other."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.depth))

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        for layer in self.layer:
            states = layer(states, seen)
        return states


class _Layer(nn.Module):
    """Self-attention and a perceptron, each added and then normed."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.attention = _Attention(config.width, config.heads)
        self.intermediate = _Dense(config.width, config.hidden)
        self.output = _Output(config.hidden, config.width)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        states = self.attention(states, seen)
        made: Tensor = self.output(F.gelu(self.intermediate(states)), states)
        return made


class _Attention(nn.Module):
    """Each word piece looks at the others of its phrase."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self = _Projections(width, heads)
        self.output = _Output(width, width)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        made: Tensor = self.output(self.self(states, seen), states)
        return made


class _Projections(nn.Module):
    """What is asked, what answers, and what is said."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        count, length, width = states.shape
        split = (count, length, self.heads, width // self.heads)
        query, key, value = (
            layer(states).view(split).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return attended.transpose(1, 2).reshape(count, length, width)


class _Dense(nn.Module):
    """A linear layer."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width_out)

    def forward(self, states: Tensor) -> Tensor:
        made: Tensor = self.dense(states)
        return made


class _Output(nn.Module):
    """A linear layer, added to what was before and normed."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, width_out)
        self.LayerNorm = nn.LayerNorm(width_out, eps=_EPSILON)

    def forward(self, states: Tensor, before: Tensor) -> Tensor:
        made: Tensor = self.LayerNorm(self.dense(states) + before)
        return made
