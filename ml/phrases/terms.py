"""Text made ready for full-text search in Chinese and English, and what is asked likewise.

Chinese is cut into pairs of neighbours (bigrams), which need no dictionary and miss nothing; English
into words as they stand. Both are folded as for the phrase rules.
"""

from __future__ import annotations

import re

from ml.phrases import folding
from ml.phrases.spelling import token_bounds


def searchable(text: str) -> tuple[str, tuple[str, ...]]:
    """A text in the form that is searched: canonical text, terms.

    Canonical text: folded, a blank on both sides of a word of letters or digits and where a sentence
    ends; a quotation is in a text where its canonical form is part of the text's. Terms: words,
    ideographs and pairs of neighbouring ideographs, each once, sorted. Both are empty for a text in
    which nothing is said.
    """
    folded = folding.fold(text)
    parts: list[str] = []
    terms: set[str] = set()
    before = ""
    for start, end in zip(*token_bounds(folded), strict=True):
        token = folded.text[start:end]
        if folded.spaced[start]:
            parts.append(f" {token} ")
            terms.add(token)
            before = ""
        elif token.isalnum():
            parts.append(token)
            terms.update((token, before + token) if before else (token,))
            before = token
        else:
            parts.append(" ")
            before = ""
    return re.sub(" +", " ", "".join(parts)), tuple(sorted(terms))


def character_ranges() -> list[tuple[int, int, int, str]]:
    """The folding as a table, for a search engine that folds what is asked by itself.

    Returns (first, last, shift, kind) of each run of code points that fold alike, in order: shift
    is added to a code point; kind is spaced (a letter or digit of a script with blanks between
    words), word (of one without), sign (kept, but not said), or how it vanishes: blank, mark
    (punctuation), stop (a full stop, kept where a blank follows), unseen (zero width), symbol.
    """
    ranges: list[tuple[int, int, int, str]] = []
    for code, (folded, kind) in enumerate(folding.characters()):
        if 0xD800 <= code < 0xE000:  # surrogates are no characters
            continue
        shift = folded - code if folded else 0
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2:] == (shift, kind):
            ranges[-1] = (ranges[-1][0], code, shift, kind)
        else:
            ranges.append((code, code, shift, kind))
    return ranges
