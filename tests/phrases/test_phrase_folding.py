"""Folding: what vanishes, what stays, and that every place maps back."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.phrases import folding

any_text = st.text(max_size=60)


def fold_turn(text: str) -> folding.Folded:
    """A turn as it stands in a buffer: a line feed follows."""
    return folding.fold(text + "\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("ABC", "abc"),
        ("ÉCOLE", "école"),
        ("擔保收益", "担保收益"),
        ("後來發現裡面", "后来发现里面"),
        ("保 证　收\t益\n", "保证收益"),
        ("保\u200b证\ufeff收\u2060益\u00ad", "保证收益"),
        ("保👍证👨‍👩‍👧收🇨🇳益❤️", "保证收益"),
        ("1️⃣2", "12"),
        ("保，证、收；益：“好”（吗）《书》—…", "保证收益好吗书"),
        ("保-证/收·益~", "保证收益"),
        ("好。坏！对？yes! no?", "好。坏!对?yes!no?"),
        ("３０％　＋　￥１００ $5 €6 £7", "30%+¥100$5€6£7"),
        ("Go. Stop", "go.stop"),
        ("3.5", "35"),
        ("Go.", "go."),
        ("Go．　Stop", "go.stop"),
        ("Go.\u200b Stop", "go.stop"),
        ("e.g. this", "eg.this"),
        ("好。", "好。"),
        ("｡", "。"),
        ("don’t", "dont"),
        ("e-mail", "email"),
        ("ﬁ", "ﬁ"),
        ("", ""),
        ("…，😀 ", ""),
        ("\ue000\uf8ff", ""),
    ],
)
def test_a_turn_folds(text: str, expected: str) -> None:
    assert fold_turn(text).text == expected


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("return.", "return"), ("Inc. offers", "inc.offers"), ("好。", "好。"), ("3.5%", "35%")],
)
def test_a_full_stop_ends_a_phrase_only_before_a_blank(phrase: str, expected: str) -> None:
    assert folding.fold(phrase).text == expected


@given(any_text)
def test_each_folded_character_comes_from_its_place(text: str) -> None:
    folded = fold_turn(text)
    assert len(folded.places) == len(folded.text) == len(folded.gaps) == len(folded.spaced)
    assert all(np.diff(folded.places) > 0)
    for place, char in zip(folded.places, folded.text, strict=True):
        alone = folding.fold(text[place]).text
        assert char == (alone or "."), "a lone full stop vanishes, one that ends a sentence stays"


@given(any_text)
def test_folding_twice_changes_no_letter(text: str) -> None:
    once = folding.fold(text).text.replace(".", "")
    assert folding.fold(once).text == once


@given(any_text)
def test_plain_text_is_as_long_as_the_delivered(text: str) -> None:
    plain = folding.plain(text)
    assert len(plain) == len(text)
    for given_char, char in zip(text, plain, strict=True):
        if given_char.isascii():
            assert char == given_char.lower()


@given(st.characters(categories=("L", "N")))
def test_letters_and_digits_never_vanish(char: str) -> None:
    invisible = {"\u115f", "\u1160", "\u3164", "\uffa0"}  # fillers that draw nothing
    if unicodedata.normalize("NFKC", char) not in invisible and char not in invisible:
        assert len(folding.fold(char).text) == 1


@pytest.mark.parametrize(
    ("text", "characters", "words"),
    [
        ("嗯", 1, 0),
        ("嗯，对。", 2, 0),
        ("ok then", 0, 2),
        ("don't know", 0, 2),
        ("30 percent", 0, 2),
        ("好的 ok", 2, 1),
        ("…😀", 0, 0),
        ("", 0, 0),
        ("e-mail", 0, 2),
    ],
)
def test_sizes_of_what_is_said(text: str, characters: int, words: int) -> None:
    found = folding.speech_sizes(["long before this", text, "after"])
    assert (found[0][1], found[1][1]) == (characters, words)
