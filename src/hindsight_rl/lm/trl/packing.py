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
    live: [N, T], whether a row has a token there.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: Tensor
    places: Tensor
    live: Tensor

    def rows(self, values: Tensor) -> Tensor:
        """Values of the sequences' labels [S, L - 1], the first label left out, as rows [N, T]; 0 without a token."""
        # The first place of a sequence is part of a prompt, so the column that is put before it is never read.
        flat = torch.nn.functional.pad(values, (1, 0)).reshape(-1)
        return torch.where(self.live, flat[self.places], torch.zeros((), dtype=values.dtype, device=values.device))


def pack(ids: Tensor, mask: Tensor, width: int, pad: int, attention: float = 0.0) -> Packed:
    """The rows of a batch as packed sequences; a row whose completion has no token is left out.

    Sequences hold as many responses as makes them cheapest: more of them save prompts, but attention grows with the
    square of the length.

    Args:
        ids: prompts, padded left, then completions, padded right; [N, P + T].
        mask: 1 for tokens, 0 for padding; [N, P + T].
        width: of the completions, T.
        pad: the token that fills the sequences.
        attention: what attention to a pair of tokens costs, over what a token costs elsewhere in the model.
    """
    before = ids.size(1) - width
    lengths: list[int] = mask[:, before:].sum(1).tolist()
    known = prompt_groups(ids[:, :before], mask[:, :before])
    groups = []
    for prompt, rows in known:
        own = sorted((row for row in rows if lengths[row]), key=lengths.__getitem__)
        count = _responses(len(prompt), [lengths[row] for row in own], attention)
        groups += [(prompt, own[at : at + count]) for at in range(0, len(own), count)]
    # Without any token the first prompt stands for all: every process has to pass something through the model.
    groups = groups or [([*known[0][0], pad, pad], [])]
    sizes = [len(prompt) - 1 + sum(lengths[row] + 1 for row in rows) for prompt, rows in groups]
    sequences = _together(sizes)
    shape = len(sequences), max(sizes)
    tokens, positions = torch.full(shape, pad), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    group_of, row_of = torch.full(shape, -1), torch.full(shape, -1)
    places = torch.zeros(ids.size(0), width, dtype=torch.long)
    tokens_of = ids.cpu()
    for at, sequence in enumerate(sequences):
        end = 0
        for number in sequence:
            prompt, rows = groups[number]
            shared = len(prompt) - 1
            here = slice(end, end + shared)
            tokens[at, here], positions[at, here] = torch.tensor(prompt[:-1]), torch.arange(shared)
            group_of[at, here] = number
            end += shared
            for row in rows:
                # The prompt's last token predicts the first of the response, so every response has its own copy of it.
                size = lengths[row] + 1
                here, response = slice(end, end + size), tokens_of[row, before : before + lengths[row]]
                tokens[at, end], tokens[at, end + 1 : end + size] = prompt[-1], response
                positions[at, here] = torch.arange(shared, shared + size)
                labels[at, end + 1 : end + size] = response
                group_of[at, here], row_of[at, here] = number, row
                places[row, : lengths[row]] = at * shape[1] + torch.arange(end + 1, end + size)
                end += size
    order = torch.arange(shape[1])
    seen = order[:, None] >= order
    seen = seen & (group_of[:, :, None] == group_of[:, None, :])
    seen = seen & ((row_of[:, None, :] == -1) | (row_of[:, :, None] == row_of[:, None, :]))
    live = torch.arange(width) < torch.tensor(lengths)[:, None]
    made = (tokens, positions, labels, seen[:, None], places, live)
    return Packed(*(each.to(ids.device) for each in made))


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


def _responses(prompt: int, lengths: Sequence[int], attention: float) -> int:
    """How many responses of a group a sequence should hold; prompt: the tokens of the prompt."""

    def cost(count: int) -> float:
        parts = [lengths[at : at + count] for at in range(0, len(lengths), count)]
        sizes = [prompt - 1 + sum(part) + len(part) for part in parts]
        return sum(size + attention * size**2 for size in sizes)

    return min(range(1, len(lengths) + 1), key=cost, default=1)


def _together(sizes: Sequence[int]) -> list[list[int]]:
    """Groups in sequences, none longer than the longest group: each in the first sequence with room, longest first."""
    most = max(sizes)
    made: list[list[int]] = []
    for number in sorted(range(len(sizes)), key=lambda at: -sizes[at]):
        for sequence in made:
            if sum(sizes[each] for each in sequence) + sizes[number] <= most:
                sequence.append(number)
                break
        else:
            made.append([number])
    return made
