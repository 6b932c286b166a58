"""The learning problem: sort short texts by topic, where each node has seen few of the topics (non-iid data).

Texts are bags of words, drawn from the word frequencies of their topic; the model is multinomial logistic regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORDS = 2000
TOPICS = 32
LENGTH = 40  # words in a text
TEXTS = 192  # on each node
BATCH = 32
RATE = 6.0
DIRICHLET = 0.3  # smaller: nodes share fewer topics

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Dataset:
    """Rows of normalised word counts, and each one's topic."""

    rows: Array
    topics: NDArray[np.int64]


class Problem:
    """Draws data: the same problem for the same seed."""

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        common = self._random.dirichlet(np.full(WORDS, 0.3))
        own = self._random.dirichlet(np.full(WORDS, 0.02), size=TOPICS)
        self._frequencies = 0.6 * common + 0.4 * own
        self.test = self._draw(512, np.full(TOPICS, 1.0 / TOPICS))

    def node(self) -> Dataset:
        """Return one node's data, mostly of a few topics."""
        return self._draw(TEXTS, self._random.dirichlet(np.full(TOPICS, DIRICHLET)))

    def accuracy(self, weights: Array) -> float:
        """Return the share of test texts that the model sorts rightly."""
        return float(np.mean(np.argmax(self.test.rows @ weights, axis=1) == self.test.topics))

    def _draw(self, count: int, shares: NDArray[np.float64]) -> Dataset:
        topics = self._random.choice(TOPICS, size=count, p=shares)
        counts = np.stack([self._random.multinomial(LENGTH, self._frequencies[topic]) for topic in topics])
        rows = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return Dataset(rows.astype(np.float32), topics)


def blank() -> Array:
    """Return the model before any training."""
    return np.zeros((WORDS, TOPICS), np.float32)


def batches(data: Dataset, seed: int) -> Iterator[Dataset]:
    """Yield the data once in random batches."""
    order = np.random.default_rng(seed).permutation(len(data.topics))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield Dataset(data.rows[chosen], data.topics[chosen])


def gradient(weights: Array, batch: Dataset) -> Array:
    """Return the gradient of the mean cross-entropy."""
    scores = batch.rows @ weights
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    odds /= odds.sum(axis=1, keepdims=True)
    odds[np.arange(len(batch.topics)), batch.topics] -= 1.0
    return (batch.rows.T @ odds) / np.float32(len(batch.topics))


def train(weights: Array, data: Dataset, seed: int, correction: Array | None = None) -> tuple[Array, int]:
    """Run one epoch of stochastic gradient descent; return the new weights and the number of steps.

    `correction` is added to every gradient (SCAFFOLD).
    """
    weights = weights.copy()
    steps = 0
    for batch in batches(data, seed):
        step = gradient(weights, batch)
        if correction is not None:
            step += correction
        weights -= np.float32(RATE) * step
        steps += 1
    return weights, steps
