"""How far CPV codes reach: what to keep with a thing, and what to ask for, so that an index finds its counterparts.

Two codes fit where one is the other or stands above it (regulation (EC) No 213/2008, annex I: the codes are a tree).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from shared.contracts.cpv import line


@dataclass(frozen=True)
class Reach:
    """Some CPV codes. What is found by them keeps two arrays: its own `codes`, and its `line`, which is its codes with
    all above them. Each is indexed by its elements, so a query touches only what fits.
    """

    codes: tuple[str, ...]

    @classmethod
    def of(cls, codes: Iterable[str | None]) -> "Reach":
        """The codes that there are, once each."""
        return cls(tuple(sorted({code for code in codes if code})))

    @property
    def line(self) -> tuple[str, ...]:
        """The codes and all above them, once each."""
        return tuple(sorted({above for code in self.codes for above in line(code)}))

    @property
    def tops(self) -> tuple[str, ...]:
        """The codes that none of the others stands above: whatever has one of them in its line fits."""
        return tuple(code for code in self.codes if not set(line(code)[1:]) & set(self.codes))

    @property
    def above(self) -> tuple[str, ...]:
        """All strictly above the tops: whatever has one of them among its own codes fits too, and nothing else does."""
        return tuple(sorted({above for code in self.tops for above in line(code)[1:]}))
