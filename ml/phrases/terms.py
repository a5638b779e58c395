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


def quotation(query: str) -> tuple[str, tuple[str, ...]]:
    """What is asked for, in the same form: a part of the canonical text, and the terms wanted."""
    canonical, terms = searchable(query)
    bare = canonical.strip()
    if not bare:
        return "", ()
    spaced = folding.fold(bare).spaced
    return f"{' ' if spaced[0] else ''}{bare}{' ' if spaced[-1] else ''}", terms
