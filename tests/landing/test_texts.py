"""Encodings, compression and delimiters are found out from the content."""

from __future__ import annotations

import codecs
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmart.landing.errors import FileError
from callmart.landing.texts import find_delimiter, open_text

CHINESE = "customer_id,name\nC-1,张伟\nC-2,王秀英\n"
FOUR_BYTES = CHINESE + "C-3,㐂\n"  # U+3402 has no two-byte form
GERMAN = "customer_id,name\nC-1,Jürgen Müller\nC-2,Ingeborg Größe\n"


@pytest.mark.parametrize(
    ("data", "noted"),
    [
        (CHINESE.encode(), "utf-8"),
        (codecs.BOM_UTF8 + CHINESE.encode(), "utf-8 with BOM"),
        (CHINESE.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"), "utf-16"),
        (CHINESE.encode("utf-16-le"), "utf-16"),
        (CHINESE.encode("utf-16-be"), "utf-16"),
        (CHINESE.encode("cp936"), "cp936"),
        (FOUR_BYTES.encode("gb18030"), "gb18030"),
        (b"customer_id,name\nC-1,Smith\n", "utf-8"),
    ],
)
def test_encodings_of_the_contract(data: bytes, noted: str) -> None:
    for packed in (data, gzip.compress(data)):
        text = open_text(io.BytesIO(packed))
        assert text.encoding == noted
        assert text.compression == (None if packed is data else "gzip")
        decoded = text.file.read().decode()
        assert decoded.startswith("customer_id,name\nC-1,")
        assert "\ufeff" not in decoded


def test_the_whole_file_decides_not_its_beginning() -> None:
    lines = "".join(f"C-{n},plain ascii\n" for n in range(200_000))
    text = open_text(io.BytesIO((lines + "C-x,张伟\n").encode("gb18030")))
    assert text.encoding == "cp936"
    assert text.file.read().decode().endswith("张伟\n")


@settings(deadline=None)
@given(
    name=st.text(st.characters(codec="gb2312", min_codepoint=0x4E00), min_size=2, max_size=9),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
)
def test_chinese_names_come_through_whole(name: str, encoding: str) -> None:
    data = f"customer_id,name\nC-1,{name}氏\n".encode(encoding)
    assert open_text(io.BytesIO(data)).file.read().decode() == f"customer_id,name\nC-1,{name}氏\n"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_an_encoding_that_only_looks_like_gb18030_is_refused_with_a_hint(encoding: str) -> None:
    with pytest.raises(FileError, match=r"in a (source )?mapping") as caught:
        open_text(io.BytesIO(GERMAN.encode(encoding)))
    assert caught.value.rule == "encoding"


def test_a_mapping_may_name_the_encoding() -> None:
    text = open_text(io.BytesIO(GERMAN.encode("cp1252")), "cp1252")
    assert "Jürgen" in text.file.read().decode()
    with pytest.raises(FileError, match="not ascii"):
        open_text(io.BytesIO(GERMAN.encode("cp1252")), "ascii")


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_cut_gzip_stream_is_unreadable(keep: float) -> None:
    packed = gzip.compress(CHINESE.encode() * 50)
    with pytest.raises(FileError, match="unreadable"):
        open_text(io.BytesIO(packed[: int(len(packed) * keep)]))


@pytest.mark.parametrize(
    ("header", "known", "delimiter"),
    [
        ("campaign_id;name;product", ["campaign_id", "name"], ";"),
        ("call_id,direction", ["call_id", "direction"], ","),
        ("call_id\tdirection", ["call_id", "direction"], "\t"),
        ("call_id|direction", ["call_id", "direction"], "|"),
        ('call_id,"a;b;c;d"', ["call_id"], ","),
        ("x;y;z", [], ";"),
        ("agent_id", ["agent_id"], ","),
    ],
)
def test_delimiters(header: str, known: list[str], delimiter: str) -> None:
    assert find_delimiter(header, known) == delimiter
