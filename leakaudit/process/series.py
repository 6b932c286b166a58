"""A series of any length in bounded memory."""

from __future__ import annotations

from array import array

CAPACITY = 512


class Series:
    """Points (seconds, value); once full, neighbours are merged and each pair keeps its lowest and highest point.

    So low-water marks, peaks and cycles survive a day at one sample a second in 16 KiB, and a full series has 257 to
    512 cells. `first`, `last` and `largest` are exact.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._merged = 1  # samples to a cell
        self._in_last = 0
        # One column each for the moment and the value of a cell's lowest and highest point.
        self._low_at, self._low = array("d"), array("d")
        self._high_at, self._high = array("d"), array("d")
        self.samples = 0
        self.first = self.last = self.largest = 0.0

    def append(self, t: float, value: float) -> None:
        """Add a point that is not earlier than the last one."""
        self.first = self.first if self.samples else value
        self.largest = max(self.largest, value) if self.samples else value
        self.last = value
        self.samples += 1
        if self._in_last in (0, self._merged):
            self._open(t, value)
        else:
            self._join(t, value)

    def points(self) -> list[tuple[float, float]]:
        """Return what is kept, in order of time; a cell of one sample gives one point, a larger one two."""
        found = []
        for low_at, low, high_at, high in zip(
            self._low_at, self._low, self._high_at, self._high, strict=True
        ):
            if low_at == high_at:
                found.append((low_at, low))
            else:
                found += sorted(((low_at, low), (high_at, high)))
        return found

    def _open(self, t: float, value: float) -> None:
        if len(self._low) == self._capacity:
            self._halve()
        for column, item in zip(self._columns(), (t, value, t, value), strict=True):
            column.append(item)
        self._in_last = 1

    def _join(self, t: float, value: float) -> None:
        self._in_last += 1
        if value < self._low[-1]:
            self._low_at[-1], self._low[-1] = t, value
        elif value > self._high[-1]:
            self._high_at[-1], self._high[-1] = t, value

    def _halve(self) -> None:
        low_at, low, high_at, high = self._columns()
        for i in range(0, len(low), 2):
            j, k = i // 2, i + 1
            lowest = k if k < len(low) and low[k] < low[i] else i
            highest = k if k < len(high) and high[k] > high[i] else i
            low_at[j], low[j] = low_at[lowest], low[lowest]
            high_at[j], high[j] = high_at[highest], high[highest]
        for column in (low_at, low, high_at, high):
            del column[(len(column) + 1) // 2 :]
        self._merged *= 2

    def _columns(self) -> tuple[array[float], array[float], array[float], array[float]]:
        return self._low_at, self._low, self._high_at, self._high
