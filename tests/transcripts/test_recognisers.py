"""Each engine loads a model from its folder and understands it; broken folders say what is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models as tiny

from ml.transcripts import Word
from ml.transcripts.recognisers import (
    RecogniserError,
    find_models,
    known_models,
    load_recogniser,
    missing_package,
)
from ml.transcripts.recognisers.sherpa import words_of


def only_model(folder: Path) -> Any:
    models, faults = find_models(folder)
    assert not faults
    assert len(models) == 1
    return models[0]


def reason(folder: Path) -> str:
    models, faults = find_models(folder)
    assert models == []
    assert len(faults) == 1
    return faults[0].reason


def test_sense_voice_writes_chinese_with_times_and_tells_the_language(tmp_path: Path) -> None:
    tiny.make_sense_voice(tmp_path / "sense")
    model = only_model(tmp_path)
    assert (model.kind, model.languages) == ("sense_voice", ("zh", "en", "yue", "ja", "ko"))
    recogniser = load_recogniser(model)
    assert recogniser.finds_language

    # Pieces of other lengths in one batch: the shorter ones are padded and must not notice.
    first, second, third = recogniser.transcribe(
        [tiny.speak(0, 1, 2, 3), tiny.speak(1), tiny.silence(1.0)], None
    )

    assert first.text == "您好保证收益"
    assert [word.text for word in first.words] == ["您", "好", "保证", "收益"]
    for number, word in enumerate(first.words):
        # A tone of 0.4 s every 0.7 s; SenseVoice steps by 60 ms and looks 70 ms at once.
        assert word.start_ms == pytest.approx(300 + 700 * number, abs=90)
        assert word.end_ms is not None
        assert word.start_ms is not None
        assert word.end_ms > word.start_ms
    assert second.text == "好"
    assert third.text == ""
    assert third.words == ()
    assert [first.language, second.language] == ["en", "zh"]
    assert recogniser.find_language([tiny.speak(0, 1), tiny.speak(3)]) == "zh"
    assert recogniser.find_language([tiny.speak(3, 3), tiny.speak(1)]) == "en"
    # Told a language, it believes it.
    assert recogniser.transcribe([tiny.speak(3)], "zh")[0].language == "zh"


def test_paraformer_writes_every_step_of_a_tone(tmp_path: Path) -> None:
    tiny.make_paraformer(tmp_path / "paraformer-zh")
    model = only_model(tmp_path)
    assert (model.kind, model.languages) == ("paraformer", ("zh",))
    recogniser = load_recogniser(model)
    assert not recogniser.finds_language

    sound = np.concatenate([tiny.tone(0), tiny.tone(2), tiny.tone(3)])
    long, short = recogniser.transcribe([sound, tiny.tone(1)], "zh")

    assert tiny.alternates(long.text) == ["您", "收", "益"]
    assert set(short.text) == {"好"}
    assert long.words == ()  # this model gives no peaks, and so no times


def test_a_zipformer_transducer_joins_pieces_of_words(tmp_path: Path) -> None:
    tiny.make_transducer(tmp_path / "zipformer-en-tiny")
    model = only_model(tmp_path)
    assert (model.kind, model.languages) == ("transducer", ("en",))
    recogniser = load_recogniser(model)

    said, other, nothing = recogniser.transcribe(
        [tiny.speak(0, 1, 2, 3), tiny.speak(3), tiny.silence(0.1)], "en"
    )

    assert said.text == "HELLO GUARANTEED RETURN"
    assert [word.text for word in said.words] == ["HELLO", "GUARANTEED", "RETURN"]
    starts = [word.start_ms for word in said.words]
    assert starts == [pytest.approx(at, abs=60) for at in (300, 1000, 2400)]
    assert other.text == "RETURN"
    assert nothing.text == ""


def test_whisper_hears_pieces_of_a_batch_and_the_language(tmp_path: Path) -> None:
    tiny.make_whisper(tmp_path / "faster-whisper-tiny")
    model = only_model(tmp_path)
    assert (model.kind, model.languages) == ("whisper", ("*",))
    assert model.speaks("fr")
    recogniser = load_recogniser(model)

    low, high, again = recogniser.transcribe(
        [tiny.speak(0, 0), tiny.speak(3, 3, 3, 3), tiny.speak(0)], "en"
    )

    assert low.text == "good morning"
    assert high.text == "guaranteed return"
    assert again.text == "good morning"
    assert [word.text for word in high.words] == ["guaranteed", "return"]
    assert all(0 < (word.confidence or 0) <= 1 for word in high.words)
    assert all(0 <= (word.start_ms or 0) <= (word.end_ms or 0) <= 3100 for word in high.words)
    assert recogniser.find_language([tiny.speak(3)]) == "en"
    assert recogniser.find_language([tiny.speak(0)]) == "zh"
    assert recogniser.transcribe([], "en") == []
    # Without a language it asks for it itself.
    assert recogniser.transcribe([tiny.speak(0)], None)[0].language == "zh"


@pytest.mark.parametrize("make", [tiny.make_sense_voice, tiny.make_paraformer, tiny.make_whisper])
def test_an_engine_says_who_it_is(make: Callable[[Path], Path], tmp_path: Path) -> None:
    make(tmp_path / "small")
    model = only_model(tmp_path)
    recogniser = load_recogniser(model)
    engine, version, name, digest = recogniser.engine.split()
    assert engine in ("sherpa-onnx", "faster-whisper")
    assert version[0].isdigit()
    assert (name, digest) == ("small", model.version)


def test_a_version_changes_with_the_files_alone(tmp_path: Path) -> None:
    first = tiny.make_sense_voice(tmp_path / "a" / "model")
    same = tiny.make_sense_voice(tmp_path / "b" / "model")
    other = tiny.make_sense_voice(tmp_path / "c" / "model", words=("您", "好", "保证", "收意"))
    versions = [only_model(folder.parent).version for folder in (first, same, other)]
    assert versions[0] == versions[1] != versions[2]
    (first / "README.md").write_text("words about the model")
    assert only_model(first.parent).version == versions[0]


def test_eight_bit_weights_are_taken_before_others(tmp_path: Path) -> None:
    folder = tiny.make_paraformer(tmp_path / "paraformer")
    (folder / "model.onnx").write_bytes(b"not read")
    assert only_model(tmp_path).files["model"].name == "model.int8.onnx"


def test_folders_of_other_things_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_text("nothing of a model")
    (tmp_path / "model.onnx").write_bytes(b"not in a folder of its own")
    assert find_models(tmp_path) == ([], [])


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecogniserError, match="missing is not a folder"):
        find_models(tmp_path / "missing")


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str, size: int) -> Callable[[Path], None]:
    def shorten(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:size])

    return shorten


def text(name: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(content, encoding="utf-8")

    return write


BROKEN: list[tuple[str, Callable[..., Path], Callable[[Path], None], str]] = [
    ("sense", tiny.make_sense_voice, without("tokens.txt"), "tokens.txt is missing"),
    ("sense", tiny.make_sense_voice, cut("model.int8.onnx", 3000), "is not a whole ONNX file"),
    ("sense", tiny.make_sense_voice, text("tokens.txt", "<blank> 0\n"), "has 1 tokens, the model"),
    ("sense", tiny.make_sense_voice, text("model.int8.onnx", "<html>"), "is not a whole ONNX file"),
    (
        "odd",
        lambda folder: tiny.make_sense_voice(folder, neg_mean=""),
        lambda folder: None,
        "model.int8.onnx does not say neg_mean",
    ),
    (
        "zip-en",
        lambda folder: tiny.make_transducer(folder, context_size=""),
        lambda folder: None,
        "does not say context_size",
    ),
    ("zip-en", tiny.make_transducer, without("joiner-epoch-1-avg-1.int8.onnx"), "no joiner"),
    ("zipformer", tiny.make_transducer, lambda folder: None, "which languages it understands"),
    ("streaming-zip-en", tiny.make_transducer, lambda folder: None, "a streaming model"),
    ("zip-en", tiny.make_transducer, text("callmart.yaml", "languages: en"), "not a list like"),
    ("zip-en", tiny.make_transducer, text("callmart.yaml", "a: ["), "callmart.yaml: "),
    ("w", tiny.make_whisper, without("tokenizer.json"), "tokenizer.json is missing"),
    ("w", tiny.make_whisper, without("vocabulary.json"), "vocabulary.json is missing"),
    ("w", tiny.make_whisper, text("tokenizer.json", "[]"), "tokenizer.json is not a tokenizer"),
]


@pytest.mark.parametrize(("name", "make", "break_it", "said"), BROKEN)
def test_a_broken_folder_says_what_is_wrong(
    name: str,
    make: Callable[..., Path],
    break_it: Callable[[Path], None],
    said: str,
    tmp_path: Path,
) -> None:
    make(tmp_path / name)
    break_it(tmp_path / name)
    assert said in reason(tmp_path)


def test_a_model_of_another_kind_is_named(tmp_path: Path) -> None:
    folder = tiny.make_transducer(tmp_path / "other")
    (folder / "joiner-epoch-1-avg-1.int8.onnx").rename(folder / "model.onnx")
    (folder / "encoder-epoch-1-avg-1.int8.onnx").unlink()
    assert "neither SenseVoice nor Paraformer" in reason(tmp_path)


def test_weights_that_are_cut_off_are_refused_when_loaded(tmp_path: Path) -> None:
    folder = tiny.make_whisper(tmp_path / "whisper")
    cut("model.bin", 1000)(folder)
    with pytest.raises(RecogniserError, match="cannot be loaded"):
        load_recogniser(only_model(tmp_path))


def test_languages_of_ones_own_model(tmp_path: Path) -> None:
    folder = tiny.make_transducer(tmp_path / "ours")
    text("callmart.yaml", "languages: [nan, zh]\n")(folder)
    assert only_model(tmp_path).languages == ("nan", "zh")


def test_whisper_of_english_alone_is_known_by_its_name(tmp_path: Path) -> None:
    tiny.make_whisper(tmp_path / "faster-whisper-small.en")
    assert only_model(tmp_path).languages == ("en",)


def test_a_missing_engine_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.make_paraformer(tmp_path / "paraformer")
    model = only_model(tmp_path)
    assert missing_package(model) is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RecogniserError, match="sherpa-onnx is not installed: make setup-speech"):
        load_recogniser(model)


@pytest.mark.parametrize("model", known_models(), ids=lambda model: str(model.folder))
def test_the_catalogue_says_what_a_person_must_know(model: Any) -> None:
    assert model.kind in ("sense_voice", "paraformer", "transducer", "whisper")
    assert model.languages
    assert len(model.files) >= 2
    assert 10 < model.megabytes < 4000
    assert model.licence
    assert model.source
    assert "://" not in model.source


W = Word


@pytest.mark.parametrize(
    ("tokens", "times", "expected"),
    [
        ([], [], ()),
        (["你"], [], ()),
        (["你", "好"], [0.1, 0.3], (W("你", 100, 300), W("好", 300, 1800))),
        ([" he", "llo", " you"], [0, 0.2, 1], (W("hello", 0, 1000), W("you", 1000, 2000))),
        (["▁he", "llo"], [0.5, 0.6], (W("hello", 500, 2000),)),
        ([" gua@@", " ran@@", " tee"], [0, 0.1, 0.2], (W("guarantee", 0, 1500),)),
        (["好", "，", "ok"], [0, 0.1, 0.5], (W("好，", 0, 500), W("ok", 500, 2000))),
        (["ok", "好"], [0, 0.5], (W("ok", 0, 500), W("好", 500, 2000))),
    ],
)
def test_words_of_tokens(tokens: list[str], times: list[float], expected: tuple[Word, ...]) -> None:
    assert words_of(tokens, times, 2000) == expected


def test_the_tiny_models_are_files_of_the_real_formats(tmp_path: Path) -> None:
    import onnx

    folder = tiny.make_sense_voice(tmp_path / "sense")
    onnx.checker.check_model(onnx.load(folder / "model.int8.onnx"), full_check=True)
    whisper = tiny.make_whisper(tmp_path / "whisper")
    assert json.loads((whisper / "config.json").read_text())["alignment_heads"] == [[0, 0]]
    assert hashlib.sha256((whisper / "model.bin").read_bytes()).digest()


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "compression", "made_up"),
    [
        (0.1, -0.2, 1.2, False),
        (0.9, -0.2, 1.2, False),  # sure of the words in spite of it
        (0.1, -1.5, 1.2, False),
        (0.9, -1.5, 1.2, True),
        (0.1, -0.2, 3.0, True),  # the same words again and again
    ],
)
def test_what_whisper_makes_up_of_noise_is_dropped(
    no_speech: float, log_probability: float, compression: float, made_up: bool
) -> None:
    from types import SimpleNamespace

    from ml.transcripts.recognisers.whisper import _is_made_up

    segment = SimpleNamespace(
        no_speech_prob=no_speech, avg_logprob=log_probability, compression_ratio=compression
    )
    assert _is_made_up(segment) is made_up
