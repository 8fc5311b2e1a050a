"""Misspelt names: a long word that differs from a name by one letter - wrong, missing, added, or two neighbours swapped."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST = 7


def is_long(word: str) -> bool:
    """Whether a folded word is long enough that one letter's difference still says it is the same."""
    return len(word) >= SHORTEST and word.isascii() and word.isalpha()


def cuts_of(words: Iterable[str]) -> frozenset[str]:
    """The long ones of these words, and each with any one letter left out: what a near word shares with them."""
    return frozenset(cut for word in words if is_long(word) for cut in _cuts(word))


def is_near(word: str, cuts: frozenset[str]) -> bool:
    """Whether a folded word shares a cut with one of the words that the cuts were made of.

    That holds for every word one letter away, and for some two away (a letter moved within the word), which are meant too.
    """
    if not cuts or not is_long(word):
        return False
    return word in cuts or any(_cut(word, place) in cuts for place in range(len(word)))


def _cuts(word: str) -> Iterable[str]:
    return (word, *(_cut(word, place) for place in range(len(word))))


def _cut(word: str, place: int) -> str:
    return word[:place] + word[place + 1 :]
