"""Rows of a batch as packed sequences in which a prompt stands once, before several responses to it.

Read row by row, a model reads the prompt of a group once per response; in a packed sequence it reads it once. A
response attends to its prompt and to itself, never to another response, and has the positions that it has in its own
row, so that log-probabilities and gradients are those of separate rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
"""The label of a token that is not scored."""


@dataclass(frozen=True)
class Packed:
    """Sequences as the model takes them, and where the rows are in them.

    ids, positions, labels: [S, L], padded right. mask: [S, 1, L, L], whether a token attends to another. places: for
    each token of each completion, its place in the flattened [S x L] sequences, [N, T]; 0 where a row has no token.
    live: [N, T], whether a row has a token there. mixed: [N], whether another response is in the row's sequence.
    shares: whether any two responses share a prompt.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: Tensor
    places: Tensor
    live: Tensor
    mixed: Tensor
    shares: bool

    def rows(self, values: Tensor) -> Tensor:
        """Values of the sequences' labels [S, L - 1], the first label left out, as rows [N, T]; 0 without a token."""
        # The first place of a sequence is part of a prompt, so the column that is put before it is never read.
        flat = torch.nn.functional.pad(values, (1, 0)).reshape(-1)
        return torch.where(self.live, flat[self.places], torch.zeros((), dtype=values.dtype, device=values.device))


@dataclass(frozen=True)
class _Piece:
    """A prompt and some of the rows that have it; size: tokens of both."""

    prompt: list[int]
    rows: list[int]
    size: int


def pack(ids: Tensor, mask: Tensor, width: int, pad: int, attention: float = 0.0) -> Packed:
    """The rows of a batch as packed sequences; a row whose completion has no token is left out.

    Args:
        ids: prompts, padded left, then completions, padded right; [N, P + T].
        mask: 1 for tokens, 0 for padding; [N, P + T].
        width: of the completions, T.
        pad: the token that fills the sequences.
        attention: what attention to a pair of tokens costs, over what a token costs elsewhere in the model. Long
            sequences save prompts and padding, but attention grows with the square of their length.
    """
    before = ids.size(1) - width
    lengths: list[int] = mask[:, before:].sum(1).tolist()
    known = prompt_groups(ids[:, :before], mask[:, :before])
    sequences = _cheapest(known, lengths, attention)
    if not sequences:  # every process has to pass something through the model
        sequences = [[_Piece([*known[0][0], pad, pad], [], len(known[0][0]) + 1)]]
    shape = len(sequences), max(sum(piece.size for piece in each) for each in sequences)
    tokens, positions = torch.full(shape, pad), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    piece_of, row_of = torch.full(shape, -1), torch.full(shape, -1)
    places = torch.zeros(ids.size(0), width, dtype=torch.long)
    mixed = torch.zeros(ids.size(0), dtype=torch.bool)
    tokens_of = ids.cpu()
    for at, sequence in enumerate(sequences):
        mixed[[row for piece in sequence for row in piece.rows]] = sum(len(piece.rows) for piece in sequence) > 1
        end = 0
        for number, piece in enumerate(sequence):
            shared = len(piece.prompt) - 1
            here = slice(end, end + shared)
            tokens[at, here], positions[at, here] = torch.tensor(piece.prompt[:-1]), torch.arange(shared)
            piece_of[at, here] = number
            end += shared
            for row in piece.rows:
                # The prompt's last token predicts the first of the response, so every response has its own copy of it.
                size = lengths[row] + 1
                here, response = slice(end, end + size), tokens_of[row, before : before + lengths[row]]
                tokens[at, end], tokens[at, end + 1 : end + size] = piece.prompt[-1], response
                positions[at, here] = torch.arange(shared, shared + size)
                labels[at, end + 1 : end + size] = response
                piece_of[at, here], row_of[at, here] = number, row
                places[row, : lengths[row]] = at * shape[1] + torch.arange(end + 1, end + size)
                end += size
    order = torch.arange(shape[1])
    seen = order[:, None] >= order
    seen = seen & (piece_of[:, :, None] == piece_of[:, None, :])
    seen = seen & ((row_of[:, None, :] == -1) | (row_of[:, :, None] == row_of[:, None, :]))
    live = torch.arange(width) < torch.tensor(lengths)[:, None]
    shares = any(len(piece.rows) > 1 for sequence in sequences for piece in sequence)
    device = ids.device
    return Packed(
        ids=tokens.to(device),
        positions=positions.to(device),
        labels=labels.to(device),
        mask=seen[:, None].to(device),
        places=places.to(device),
        live=live.to(device),
        mixed=mixed.to(device),
        shares=shares,
    )


def prompt_groups(ids: Tensor, mask: Tensor) -> list[tuple[list[int], list[int]]]:
    """The prompts of a batch, each once, with the rows that have it.

    ids, mask: prompts and where their tokens are; [N, P], padded left.
    """
    found: dict[tuple[int, ...], list[int]] = {}
    for row, (tokens, size) in enumerate(zip(ids.tolist(), mask.sum(1).tolist(), strict=True)):
        found.setdefault(tuple(tokens[len(tokens) - size :]), []).append(row)
    return [(list(prompt), rows) for prompt, rows in found.items()]


def deal(groups: Sequence[tuple[list[int], list[int]]], parts: int, most: int) -> list[list[int]]:
    """Rows in parts of at most `most` rows; a group stays together as long as a part has room for it.

    groups: those of :func:`prompt_groups`. There must be room for all rows in `parts` times `most` places.
    """
    made: list[list[int]] = [[] for _ in range(parts)]
    for group in sorted((rows for _, rows in groups), key=len, reverse=True):
        left = list(group)
        while left:
            room = [most - len(part) for part in made]
            fits = [at for at, free in enumerate(room) if free >= len(left)]
            # The smallest room that is enough; without one the largest, and the rest of the group goes elsewhere.
            at = min(fits, key=room.__getitem__) if fits else max(range(parts), key=room.__getitem__)
            made[at] += left[: room[at]]
            left = left[room[at] :]
    return made


def _cheapest(
    groups: Sequence[tuple[list[int], list[int]]], lengths: Sequence[int], attention: float
) -> list[list[_Piece]]:
    """The pieces of each sequence, in the cheapest of several arrangements; the model reads padding, too.

    groups: those of :func:`prompt_groups`. lengths: tokens of each row's completion.
    """
    live = [(prompt, sorted((row for row in rows if lengths[row]), key=lengths.__getitem__)) for prompt, rows in groups]
    found: list[tuple[float, list[list[_Piece]]]] = []
    for count in _doubled(max(len(rows) for _, rows in live)):
        pieces = [
            _Piece(prompt, part, len(prompt) - 1 + sum(lengths[row] + 1 for row in part))
            for prompt, rows in live
            for part in (rows[at : at + count] for at in range(0, len(rows), count))
        ]
        total, longest = sum(piece.size for piece in pieces), max(piece.size for piece in pieces)
        for parts in _doubled(len(pieces)):
            sequences = _fitted(pieces, max(longest, -(-total // parts)))
            size = max(sum(piece.size for piece in sequence) for sequence in sequences)
            found.append((len(sequences) * (size + attention * size**2), sequences))
    return min(found, key=lambda each: each[0])[1] if found else []


def _doubled(most: int) -> list[int]:
    """1, 2, 4, ... and `most`."""
    return sorted({*(2**power for power in range(most.bit_length())), most} - {0})


def _fitted(pieces: Sequence[_Piece], most: int) -> list[list[_Piece]]:
    """Pieces in sequences of at most `most` tokens: each in the first one with room, the longest first."""
    made: list[tuple[int, list[_Piece]]] = []
    for piece in sorted(pieces, key=lambda each: -each.size):
        for at, (size, sequence) in enumerate(made):
            if size + piece.size <= most:
                made[at] = (size + piece.size, [*sequence, piece])
                break
        else:
            made.append((piece.size, [piece]))
    return [sequence for _, sequence in made]
