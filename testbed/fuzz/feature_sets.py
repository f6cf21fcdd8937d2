# SPDX-License-Identifier: GPL-2.0-only
"""Sets of features. A run shows ten thousand, a corpus has a thousand such sets, and each of them
is compared with all others: features have numbers, and a set is an integer with a bit for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from testbed.fuzz.reading import Feature


class Numbers:
    """Of features, from 0 on, in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[Feature, int] = {}
        self.features: list[Feature] = []

    def of(self, features: Iterable[Feature] = ()) -> FeatureSet:
        """A set of them; what came for the first time has a number then."""
        numbers = self._numbers
        found = [numbers.setdefault(one, len(numbers)) for one in features]
        self.features.extend(islice(numbers, len(self.features), None))
        digits = bytearray(b"0") * (len(numbers) or 1)
        last = len(digits) - 1
        for number in found:
            digits[last - number] = ord("1")
        return FeatureSet(self, int(digits, 2))


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """A set of features, as :meth:`Numbers.of` makes it; two of the same numbers go together.

    :ivar bits: bit n is set: the feature of number n is in it.
    """

    numbers: Numbers
    bits: int

    def __and__(self, other: FeatureSet) -> FeatureSet:
        return FeatureSet(self.numbers, self.bits & other.bits)

    def __or__(self, other: FeatureSet) -> FeatureSet:
        return FeatureSet(self.numbers, self.bits | other.bits)

    def __sub__(self, other: FeatureSet) -> FeatureSet:
        return FeatureSet(self.numbers, self.bits & ~other.bits)

    def __bool__(self) -> bool:
        return bool(self.bits)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __iter__(self) -> Iterator[Feature]:
        features = self.numbers.features
        digits = bin(self.bits)[:1:-1]  # from the last one to the b of 0b
        at = digits.find("1")
        while at >= 0:
            yield features[at]
            at = digits.find("1", at + 1)
