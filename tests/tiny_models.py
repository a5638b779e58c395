"""Tiny speech models made on the spot: real files of the real formats that hear tones as words.

A tone of a known pitch is a word; silence is none. So what a model says shows whether its folder was
read, its sound came at the right rate and in the right order, and its answer went to the right piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 8000
TONES_HZ = (400, 800, 1500, 2600)
_MEL_BINS = 80


def tone(number: int, seconds: float = 0.4, level: float = 0.3) -> NDArray[np.float32]:
    """The tone that stands for a model's word of that number."""
    times = np.arange(round(seconds * RATE)) / RATE
    # Soft ends: a hard one sounds at every pitch for a moment.
    ends = np.clip(np.minimum(times, seconds - times) / 0.04, 0.0, 1.0)
    shape = level * (1.0 - np.cos(np.pi * ends)) / 2
    return (shape * np.sin(2 * np.pi * TONES_HZ[number] * times)).astype(np.float32)


def silence(seconds: float = 0.3) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE), np.float32)


def speak(*numbers: int) -> NDArray[np.float32]:
    """Tones with pauses around them."""
    parts = [silence()]
    for number in numbers:
        parts += [tone(number), silence()]
    return np.concatenate(parts)


def _mel(hertz: float) -> float:
    return 1127.0 * float(np.log1p(hertz / 700.0))


def _bin(hertz: float, highest: float) -> int:
    """The mel filter of 80 between 20 Hz and `highest` whose middle is nearest."""
    width = (_mel(highest) - _mel(20.0)) / (_MEL_BINS + 1)
    return round((_mel(hertz) - _mel(20.0)) / width) - 1


def _detector(
    places: dict[int, int], blank: int, tokens: int, stacked: int, highest: float, least: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias by which the loudest tone's token wins, or `blank` below `least`.

    places: number of the tone → token
    """
    weights = np.zeros((stacked * _MEL_BINS, tokens), np.float32)
    bias = np.full(tokens, -1000.0, np.float32)
    for number, token in places.items():
        for frame in range(stacked):
            weights[frame * _MEL_BINS + _bin(TONES_HZ[number], highest), token] = 1.0 / stacked
        bias[token] = 0.0
    bias[blank] = least
    return weights, bias


def _save(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, tuple[int, list[Any]]],
    constants: dict[str, NDArray[Any]],
    metadata: dict[str, Any],
) -> None:
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def _tokens(folder: Path, tokens: Sequence[str]) -> None:
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(tokens))
    (folder / "tokens.txt").write_text(lines, encoding="utf-8")


_STACKED = {
    "lfr_window_size": 7,
    "lfr_window_shift": 6,
    "neg_mean": ",".join(["0"] * 560),
    "inv_stddev": ",".join(["1"] * 560),
}
# Log mel energies of samples at full scale 32768: a tone of 0.3 has about 27, silence -16.
_LEAST_LOUD = 16.0


def make_sense_voice(
    folder: Path,
    words: Sequence[str] = ("您", "好", "保证", "收益"),
    english_tone: int = 3,
    **metadata: Any,
) -> Path:
    """A SenseVoice of four words; a piece that holds the tone `english_tone` is in English."""
    from onnx import TensorProto, helper

    marks = ["<|zh|>", "<|en|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>"]
    tokens = ["<blank>", *marks, *words]
    size = len(tokens)
    places = {number: len(marks) + 1 + number for number in range(len(words))}
    weights, bias = _detector(places, 0, size, 7, 8000.0, _LEAST_LOUD)
    language_weights, language_bias = _detector(
        {english_tone: 2}, 1, size, 7, 8000.0, _LEAST_LOUD + 6.0
    )
    # Who is told the language believes it: auto 0, zh 3, en 4.
    told = np.zeros((8, 1, size), np.float32)
    told[3, 0, 1] = told[4, 0, 2] = 500.0
    prefix = np.full((1, 3, size), -1000.0, np.float32)
    for place, token in enumerate((3, 4, 5)):
        prefix[0, place, token] = 1000.0
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["heard"]),
        helper.make_node("Add", ["heard", "bias"], ["said"]),
        helper.make_node("MatMul", ["x", "language_weights"], ["tongue"]),
        helper.make_node("Add", ["tongue", "language_bias"], ["tongues"]),
        helper.make_node("ReduceMax", ["tongues"], ["loudest"], axes=[1], keepdims=1),
        helper.make_node("Gather", ["told", "language"], ["belief"], axis=0),
        helper.make_node("Add", ["loudest", "belief"], ["first"]),
        helper.make_node("Mul", ["loudest", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "prefix"], ["marks"]),
        helper.make_node("Cast", ["text_norm"], ["norm"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["norm"], ["mean_norm"], keepdims=0),
        helper.make_node("Cast", ["x_length"], ["lengths"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["lengths"], ["mean_length"], keepdims=0),
        helper.make_node("Add", ["mean_norm", "mean_length"], ["unused"]),
        helper.make_node("Mul", ["unused", "zero"], ["none"]),
        helper.make_node("Concat", ["first", "marks", "said"], ["joined"], axis=1),
        helper.make_node("Add", ["joined", "none"], ["logits"]),
    ]
    _save(
        folder / "model.int8.onnx",
        nodes,
        {
            "x": (TensorProto.FLOAT, ["N", "T", 560]),
            "x_length": (TensorProto.INT32, ["N"]),
            "language": (TensorProto.INT32, ["N"]),
            "text_norm": (TensorProto.INT32, ["N"]),
        },
        {"logits": (TensorProto.FLOAT, ["N", "U", size])},
        {
            "weights": weights, "bias": bias, "language_weights": language_weights,
            "language_bias": language_bias, "told": told, "prefix": prefix,
            "zero": np.zeros((), np.float32),
        },
        {
            "model_type": "sense_voice_ctc", "comment": "tiny", "vocab_size": size,
            "normalize_samples": 0, "with_itn": 14, "without_itn": 15, "lang_auto": 0,
            "lang_zh": 3, "lang_en": 4, "lang_ja": 11, "lang_ko": 12, "lang_yue": 7,
            **_STACKED, **metadata,
        },
    )  # fmt: skip
    _tokens(folder, tokens)
    return folder


def make_paraformer(folder: Path, words: Sequence[str] = ("您", "好", "收", "益")) -> Path:
    """A Paraformer that writes a token every 60 ms of a tone and stops at the first silence."""
    from onnx import TensorProto, helper

    tokens = ["<blank>", "<s>", "</s>", *words]
    size = len(tokens)
    places = {number: 3 + number for number in range(len(words))}
    weights, bias = _detector(places, 2, size, 7, 8000.0, _LEAST_LOUD)
    nodes = [
        helper.make_node("MatMul", ["speech", "weights"], ["heard"]),
        helper.make_node("Add", ["heard", "bias"], ["logits"]),
        helper.make_node("Identity", ["speech_lengths"], ["token_num"]),
    ]
    _save(
        folder / "model.int8.onnx",
        nodes,
        {
            "speech": (TensorProto.FLOAT, ["N", "T", 560]),
            "speech_lengths": (TensorProto.INT32, ["N"]),
        },
        {
            "logits": (TensorProto.FLOAT, ["N", "T", size]),
            "token_num": (TensorProto.INT32, ["N"]),
        },
        {"weights": weights, "bias": bias},
        {"model_type": "paraformer", "vocab_size": size, **_STACKED},
    )
    _tokens(folder, tokens)
    return folder


def make_transducer(
    folder: Path,
    words: Sequence[str] = ("▁HELLO", "▁GUARAN", "TEED", "▁RETURN"),
    **metadata: Any,
) -> Path:
    """A Zipformer transducer of four tokens; it never writes one token twice in a row."""
    from onnx import TensorProto, helper

    tokens = ["<blk>", *words, "<unk>"]
    size = len(tokens)
    places = {number: 1 + number for number in range(len(words))}
    # Samples at full scale 1: 2 ln 32768 below those of SenseVoice; its filters end 400 Hz lower.
    weights, bias = _detector(places, 0, size, 1, 7600.0, _LEAST_LOUD - 20.8)
    _save(
        folder / "encoder-epoch-1-avg-1.int8.onnx",
        [
            helper.make_node("Slice", ["x", "start", "end", "axis", "step"], ["fourth"]),
            helper.make_node("MatMul", ["fourth", "weights"], ["heard"]),
            helper.make_node("Add", ["heard", "bias"], ["encoder_out"]),
            helper.make_node("Add", ["x_lens", "three"], ["more"]),
            helper.make_node("Div", ["more", "four"], ["encoder_out_lens"]),
        ],
        {
            "x": (TensorProto.FLOAT, ["N", "T", _MEL_BINS]),
            "x_lens": (TensorProto.INT64, ["N"]),
        },
        {
            "encoder_out": (TensorProto.FLOAT, ["N", "U", size]),
            "encoder_out_lens": (TensorProto.INT64, ["N"]),
        },
        {
            "weights": weights, "bias": bias, "start": np.array([0]), "end": np.array([2**31]),
            "axis": np.array([1]), "step": np.array([4]), "three": np.array([3]),
            "four": np.array([4]),
        },
        {"model_type": "zipformer2", "version": 1, "model_author": "k2-fsa"},
    )  # fmt: skip
    # What was written last is struck out, so that a long tone is one token.
    strike = np.diag(np.r_[0.0, np.full(size - 1, -1000.0)]).astype(np.float32)
    _save(
        folder / "decoder-epoch-1-avg-1.int8.onnx",
        [
            helper.make_node("Gather", ["y", "last"], ["newest"], axis=1),
            helper.make_node("Gather", ["strike", "newest"], ["decoder_out"], axis=0),
        ],
        {"y": (TensorProto.INT64, ["N", 2])},
        {"decoder_out": (TensorProto.FLOAT, ["N", size])},
        {"last": np.array(1), "strike": strike},
        {"vocab_size": size, "context_size": 2, **metadata},
    )
    _save(
        folder / "joiner-epoch-1-avg-1.int8.onnx",
        [helper.make_node("Add", ["encoder_out", "decoder_out"], ["logit"])],
        {
            "encoder_out": (TensorProto.FLOAT, ["N", size]),
            "decoder_out": (TensorProto.FLOAT, ["N", size]),
        },
        {"logit": (TensorProto.FLOAT, ["N", size])},
        {},
        {"joiner_dim": size},
    )
    _tokens(folder, tokens)
    return folder


# Channels of the tiny Whisper's one stream of numbers.
_HIGH, _LOW, _ONE, _AT = 0, 1, 2, 4
_WIDTH = 32


def _fill(spec: Any) -> None:
    """Zeros for every weight that is not set, ones for the gains; shapes of `_WIDTH`."""
    from ctranslate2.specs import model_spec

    for name, value in vars(spec).items():
        if isinstance(value, list):
            for item in value:
                _fill(item)
        elif isinstance(value, model_spec.LayerSpec):
            _fill(value)
        elif value is None and name in ("gamma", "beta"):
            setattr(spec, name, np.full(_WIDTH, float(name == "gamma"), np.float32))


def _linear(spec: Any, weight: NDArray[np.float32]) -> None:
    spec.weight = weight
    spec.bias = np.zeros(len(weight), np.float32)


def _layer(spec: Any, attends: bool) -> None:
    """A layer that passes on what it gets; one that attends adds the encoder's mean to it."""
    square = np.zeros((_WIDTH, _WIDTH), np.float32)
    _linear(spec.self_attention.linear[0], np.zeros((3 * _WIDTH, _WIDTH), np.float32))
    _linear(spec.self_attention.linear[1], square)
    _linear(spec.ffn.linear_0, np.zeros((4 * _WIDTH, _WIDTH), np.float32))
    _linear(spec.ffn.linear_1, np.zeros((_WIDTH, 4 * _WIDTH), np.float32))
    if attends:
        values = np.zeros((2 * _WIDTH, _WIDTH), np.float32)
        values[_WIDTH + _HIGH, _HIGH] = values[_WIDTH + _LOW, _LOW] = 1.0
        _linear(spec.attention.linear[0], square)
        _linear(spec.attention.linear[1], values)
        _linear(spec.attention.linear[2], np.eye(_WIDTH, dtype=np.float32))


def make_whisper(
    folder: Path,
    high: Sequence[str] = ("▁guaranteed", "▁return"),
    low: Sequence[str] = ("▁good", "▁morning"),
) -> Path:
    """A Whisper that says `high` of sound above 1 kHz and `low` of sound below.

    The language of the first is English, of the second Chinese. Which word comes is told by the
    place of it behind the prompt (start, language, task, no times: four tokens).
    """
    import tokenizers
    from ctranslate2.specs import WhisperSpec

    texts = [*high, *low]
    marks = [
        "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>",
        "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    ]  # fmt: skip
    # faster-whisper takes tokens below the end of text for text.
    times = [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    # CTranslate2 tells a model of many languages by the empty token, which Whisper's vocabulary of
    # English alone does not hold.
    vocabulary = ["<unk>", "▁-", "▁'", "", *texts, *marks]
    place = {token: number for number, token in enumerate(vocabulary)}
    size = len(vocabulary) + len(times)

    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({token: n for n, token in enumerate(vocabulary)}, "<unk>")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    tokenizer.decoder = tokenizers.decoders.Metaspace(prepend_scheme="never")
    tokenizer.add_special_tokens(marks)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))

    spec = WhisperSpec(1, 1, 1, 1)
    encoder, decoder = spec.encoder, spec.decoder
    # Ten bins above 1 kHz against ten below, as Whisper's 80 filters lie (0 to 8 kHz, Slaney).
    first = np.zeros((_WIDTH, _MEL_BINS, 3), np.float32)
    first[_HIGH, 32:56, 1], first[_LOW, 6:20, 1] = 1.0, 1.0
    encoder.conv1.weight, encoder.conv1.bias = first, np.zeros(_WIDTH, np.float32)
    encoder.conv1.bias[[_HIGH, _LOW]] = 10.0
    second = np.zeros((_WIDTH, _WIDTH, 3), np.float32)
    second[_HIGH, _HIGH, 1] = second[_LOW, _LOW, 1] = 1.0
    encoder.conv2.weight, encoder.conv2.bias = second, np.zeros(_WIDTH, np.float32)
    encoder.position_encodings.encodings = np.zeros((1500, _WIDTH), np.float32)
    _layer(encoder.layer[0], attends=False)
    _layer(decoder.layer[0], attends=True)
    decoder.embeddings.weight = np.zeros((size, _WIDTH), np.float32)
    positions = np.zeros((448, _WIDTH), np.float32)
    for step in range(448):
        positions[step, _AT + min(step, 12)] = 10.0
    decoder.position_encodings.encodings = positions
    logits = np.zeros((size, _WIDTH), np.float32)

    def says(token: str, step: int, sound: int | None) -> None:
        logits[place[token], _AT + step] += 40.0
        if sound is not None:
            other = _LOW if sound == _HIGH else _HIGH
            logits[place[token], sound] += 8.0
            logits[place[token], other] -= 8.0

    says("<|en|>", 0, _HIGH)
    says("<|zh|>", 0, _LOW)
    says("<|transcribe|>", 1, None)
    says("<|notimestamps|>", 2, None)
    for spoken, sound in ((high, _HIGH), (low, _LOW)):
        for number, token in enumerate(spoken):
            says(token, 3 + number, sound)
        says("<|endoftext|>", 3 + len(spoken), None)
    for step in range(4 + max(len(high), len(low)), 13):
        says("<|endoftext|>", step, None)
    decoder.projection.weight = logits
    _fill(spec)
    spec.register_vocabulary([*vocabulary, *times])
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [place["<|en|>"], place["<|zh|>"]]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    return folder


def alternates(text: str) -> list[str]:
    """Characters of a text, each run of one character once."""
    return [text[0], *(after for before, after in pairwise(text) if after != before)]
