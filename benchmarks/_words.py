"""Words that benchmarks on text are made of."""

from __future__ import annotations

import random
from collections.abc import Sequence

_SEED = 20_261_122


def chinese_words() -> list[str]:
    """The words of two and three characters that pypinyin lists, sorted."""
    from pypinyin.phrases_dict import phrases_dict

    return sorted(word for word in phrases_dict if 2 <= len(word) <= 3)


def english_words() -> list[str]:
    """Made words of two to four syllables, and the short ones that speech is full of."""
    dice = random.Random(_SEED)
    short = ["the", "of", "and", "to", "a", "in", "is", "you", "that", "it", "he", "was", "for"]
    made: set[str] = set()
    while len(made) < 20_000:
        made.add(
            "".join(
                dice.choice("bcdfghklmnprstvw") + dice.choice(["a", "e", "i", "o", "u", "en", "er"])
                for _ in range(dice.randint(2, 4))
            )
        )
    return short + sorted(made, key=lambda word: (len(word), word))


def draw(dice: random.Random, words: Sequence[str], count: int) -> list[str]:
    """Words by Zipf's law: the n-th is said 1/n as often as the first."""
    return [words[int(len(words) ** dice.random()) - 1] for _ in range(count)]
