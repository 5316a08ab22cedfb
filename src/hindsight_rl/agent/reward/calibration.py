"""The calibrated map from an embedding to a distribution over events, and its thresholds.

Each event is a Gaussian around the mean of its captions and phrasings; all events share one covariance. Its inverse
whitens the embedding. Directions in which phrasings of one event differ ("craft", "fashion", "put together") get a low
weight, and directions that separate events ("wood", "stone") a high one. The solution is in closed form, so the same
input gives the same map. All hyperparameters are chosen by cross-validation on the given phrasings.
"""

from dataclasses import dataclass

import numpy as np

SHRINKAGE = 0.3
"""Shrinkage of the covariance towards a sphere. Values from .2 to .5 made no difference in cross-validation."""
TARGET_PRECISION = 0.97
"""Precision that the threshold must reach in cross-validation. It is above the goal of .95, because other people use
other words."""
FOLDS = 8
_TEMPERATURES = (4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 32.0, 48.0)
_FEWEST = 50  # minimum phrasings for cross-validation; with fewer, the defaults of `Reading` are used


@dataclass(frozen=True)
class Reading:
    """From embedding to distribution over classes: the events in order, then "none of them".

    Attributes:
        weights: float32 [d, classes].
        bias: float32 [classes]; vectors @ weights + bias are the log-densities, shared terms dropped.
        temperature: divides the logits, so that the probabilities are calibrated.
        delta: minimum probability at which a text counts as asking for an event.
        floor: minimum cosine with a known phrasing of that event; far away, the map only extrapolates.
    """

    weights: np.ndarray
    bias: np.ndarray
    temperature: float = 20.0
    delta: float = 0.65
    floor: float = 0.5

    def probabilities(self, vectors: np.ndarray, temperature: float | None = None) -> np.ndarray:
        """float32 [n, classes], rows sum to 1."""
        return softmax((vectors @ self.weights + self.bias) / (temperature or self.temperature))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise, float32."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return (shifted / shifted.sum(1, keepdims=True)).astype(np.float32)


def fit_reading(vectors: np.ndarray, labels: np.ndarray, classes: int, fixed: int) -> Reading:
    """Fit the map, its temperature and its thresholds.

    Args:
        vectors: float32 [n, d], unit rows: the captions, then the phrasings.
        labels: int [n], class of each; the last class is "none of the events".
        classes: number of classes.
        fixed: number of rows at the start (the captions) that are in the fitting part of every fold.
    """
    weights, bias = _gaussians(vectors, labels, classes)
    if len(vectors) - fixed < _FEWEST:
        return Reading(weights, bias)
    logits = _cross_validate(vectors, labels, classes, fixed)
    truth = labels[fixed:]
    temperature = min(_TEMPERATURES, key=lambda t: _surprise(softmax(logits / t), truth))
    floor = _floor(vectors, labels, classes)
    delta = _threshold(softmax(logits / temperature), truth)
    return Reading(weights, bias, temperature, delta, floor)


def _gaussians(vectors: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    vectors = vectors.astype(np.float64)
    empty = np.bincount(labels, minlength=classes) == 0
    means = np.stack([np.zeros(vectors.shape[1]) if empty[c] else vectors[labels == c].mean(0) for c in range(classes)])
    rest = vectors - means[labels]
    covariance = rest.T @ rest / len(vectors)
    spread = max(float(np.trace(covariance)) / len(covariance), 1e-6)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, means.T)
    bias = -0.5 * (means.T * weights).sum(0)
    bias[empty] = -1e9
    return weights.astype(np.float32), bias.astype(np.float32)


def _cross_validate(vectors: np.ndarray, labels: np.ndarray, classes: int, fixed: int) -> np.ndarray:
    """Logits of each phrasing from a map that was fitted without it: float32 [n - fixed, classes]."""
    turn = np.zeros(classes, int)
    fold = np.full(len(labels), -1)
    for row in np.random.default_rng(0).permutation(np.arange(fixed, len(labels))):
        fold[row] = turn[labels[row]] % FOLDS
        turn[labels[row]] += 1
    logits = np.zeros((len(labels), classes), np.float32)
    for part in range(FOLDS):
        out = fold == part
        weights, bias = _gaussians(vectors[~out], labels[~out], classes)
        logits[out] = vectors[out] @ weights + bias
    return logits[fixed:]


def _surprise(probability: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(probability[np.arange(len(truth)), truth] + 1e-12).mean())


def _threshold(probability: np.ndarray, truth: np.ndarray) -> float:
    """The lowest threshold, in hundredths, with a high enough precision at it and above it."""
    none = probability.shape[1] - 1
    best, height = probability.argmax(1), probability.max(1)
    for delta in np.arange(0.3, 0.96, 0.01):
        fired = (best != none) & (height >= delta)
        if fired.any() and (best == truth)[fired].mean() >= TARGET_PRECISION:
            return round(float(delta), 2)
    return 0.95


def _floor(vectors: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """The cosine with another phrasing of the same event that 199 of 200 phrasings exceed.

    An event with only one phrasing is ignored.
    """
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -1.0)
    cosine[labels[:, None] != labels[None, :]] = -1.0
    events = (labels != classes - 1) & (np.bincount(labels, minlength=classes)[labels] > 1)
    if not events.any():
        return Reading.floor
    return round(float(np.quantile(cosine[events].max(1), 0.005)), 2)


def best_global(cosines: np.ndarray, truth: np.ndarray) -> float:
    """The single cosine threshold with the best F1, in hundredths.

    Args:
        cosines: float32 [n_texts, n_events].
        truth: bool [n_texts, n_events].
    """
    deltas = np.round(np.arange(0.2, 0.96, 0.01), 2)
    scores = []
    for delta in deltas:
        fired = cosines >= delta
        hits = (fired & truth).sum()
        scores.append(2 * hits / max(fired.sum() + truth.sum(), 1))
    return float(deltas[int(np.argmax(scores))])
