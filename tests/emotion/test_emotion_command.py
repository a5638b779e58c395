"""`callmart emotion`: what it prints, saves and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from synthetic_voices import voice

from callmart.cli import main
from ml.emotion import FAMILIES

EVALUATION_KEYS = {
    "uar",
    "uar_speaker_baseline",
    "accuracy",
    "confusion",
    "labels",
    "n",
    "groups",
    "features_realtime_factor",
}


def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
    """Standard output and standard error of `callmart emotion …`."""
    result = CliRunner().invoke(main, ["emotion", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_evaluate_prints_the_contract(manifest: Path) -> None:
    out, _ = run("evaluate", "--manifest", manifest, "--groups", "speaker", "--json")
    results = json.loads(out)
    assert list(results) == list(FAMILIES)
    for result in results.values():
        assert set(result) == EVALUATION_KEYS
        assert result["labels"] == ["angry", "happy", "neutral", "sad"]
        assert result["n"] == 48
        assert result["groups"] == 4
        confusion = np.array(result["confusion"])
        assert confusion.sum(axis=1).tolist() == [12, 12, 12, 12]
        recalls = np.diag(confusion) / 12
        assert result["uar"] == pytest.approx(recalls.mean(), abs=1e-3)
        assert result["accuracy"] == pytest.approx(np.diag(confusion).sum() / 48, abs=1e-3)
        assert result["features_realtime_factor"] > 0


def test_train_saves_models_that_predict_uses(manifest: Path, tmp_path: Path) -> None:
    out, _ = run("train", "--manifest", manifest, "--out", tmp_path, "--family", "pca", "--json")
    assert list(json.loads(out)) == ["pca"]
    assert json.loads((tmp_path / "evaluation.json").read_text()) == json.loads(out)
    page = (tmp_path / "COMPARISON.md").read_text(encoding="utf-8")
    assert "callmart emotion train" in page
    assert "Known failings" in page
    gate = json.loads((tmp_path / "gate.json").read_text())["pca"]
    assert gate["rows"] == 48
    card = json.loads((tmp_path / "pca.json").read_text())
    assert str(manifest.parent.parent) not in json.dumps(card)  # the same card on any machine
    recording = tmp_path / "call.wav"
    soundfile.write(recording, voice("sad", 77, 6.0), 8000)
    out, _ = run("predict", recording, "--family", "pca", "--models", tmp_path, "--json")
    (item,) = json.loads(out)
    verdict = item["emotion"]["pca"]["mixed"]
    assert verdict["label"] == "sad"
    assert verdict["model_version"] == card["model_version"]
    run("predict", recording, "--family", "gmm", "--models", tmp_path, code=1)  # not trained


def test_predict_goes_on_after_a_bad_file(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.wav", tmp_path / "good.wav"
    bad.write_bytes(b"RIFF")
    soundfile.write(good, voice("neutral", 5, 5.0), 16000)
    out, err = run("predict", bad, good, "--json", code=1)
    first, second = json.loads(out)
    assert first["path"] == str(bad)
    assert first["error"]
    assert set(second["emotion"]) == set(FAMILIES)
    assert str(bad) in err
    text, _ = run("predict", good)
    assert text.count(str(good)) == len(FAMILIES)


def test_any_sampling_rate_is_taken_down_to_8_khz(tmp_path: Path) -> None:
    import librosa

    signal = voice("neutral", 6, 5.0)
    for rate in (8000, 16000, 44100):
        raised = librosa.resample(signal, orig_sr=8000, target_sr=rate)
        soundfile.write(tmp_path / f"{rate}.wav", raised, rate)
    files = [tmp_path / f"{rate}.wav" for rate in (8000, 16000, 44100)]
    items = json.loads(run("predict", *files, "--family", "pca", "--json")[0])
    shares = [list(i["emotion"]["pca"]["mixed"]["probabilities"].values()) for i in items]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.05)
    np.testing.assert_allclose(shares[2], shares[0], atol=0.05)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,speaker\ngood.wav,s1\n", "row 1: the header lacks label"),
        ("", "row 1: the header lacks path, speaker, label"),
        ("path,speaker,label\n", "row 2: no recording is named"),
        ("path,speaker,label\ngood.wav,s1,sad\nother.wav,s2,sad\n", "label must take two values"),
        ("path,speaker,label\ngood.wav,s1,sad\nother.wav,s1,angry\n", "speaker must take two"),
        ("path,speaker,label\ngood.wav,s1,joy\ngone.wav,s2,sad\n", "row 3: path gone.wav: no such"),
    ],
)
def test_a_manifest_that_teaches_nothing_is_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    for name in ("good.wav", "other.wav"):
        soundfile.write(tmp_path / name, voice("neutral", 1, 1.0), 8000)
    manifest = tmp_path / "m.csv"
    manifest.write_text(content, encoding="utf-8")
    out, err = run("evaluate", "--manifest", manifest, "--json", code=1)
    assert out == ""
    assert str(manifest) in err
    assert message in err
    run("train", "--manifest", manifest, "--out", tmp_path / "out", code=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("s0_sad_0.wav,s1,furious", "row 50: label 'furious' is none of angry, happy"),
        ("gone.wav,s1,sad", "row 50: path gone.wav: no such file"),
        ("s0_sad_0.wav,s2,sad", "row 50: path s0_sad_0.wav stands in row 11 already"),
        ("extra.wav,,sad", "row 50: speaker must not be empty"),
        ("extra.wav,s1,sad,x", "row 50: more fields"),
        ("extra.wav", "row 50: speaker, label must not be"),
        ("broken.wav,s1,sad", "row 50: broken.wav: not readable"),
        ("silent.wav,s1,sad", "row 50: silent.wav: no voice"),
        ("hiss.wav,s1,sad", None),  # whispered or hoarse: labelled speech all the same
    ],
)
def test_a_row_at_fault_is_named_and_left_out(
    line: str, rule: str | None, manifest: Path, tmp_path: Path
) -> None:
    for recording in manifest.parent.glob("*.wav"):
        (tmp_path / recording.name).symlink_to(recording)
    soundfile.write(tmp_path / "extra.wav", voice("neutral", 1, 1.0), 8000)
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 8000)
    noise = np.random.default_rng(1).normal(size=16000) * 0.1
    soundfile.write(tmp_path / "hiss.wav", noise, 8000)
    spoilt = tmp_path / "spoilt.csv"
    spoilt.write_text(manifest.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    out, err = run("evaluate", "--manifest", spoilt, "--family", "pca", "--json")
    assert json.loads(out)["pca"]["n"] == (48 if rule else 49)
    if rule:
        assert f"left out: {spoilt}: {rule}" in err
    else:
        assert err == ""


def test_other_words_for_a_label_are_understood(manifest: Path, tmp_path: Path) -> None:
    text = manifest.read_text(encoding="utf-8").replace(",angry", ",Anger").replace(",sad", ",悲伤")
    lines = text.splitlines()
    moved = [lines[0]] + [f"{manifest.parent}/{line}" for line in lines[1:]]  # absolute paths too
    other = tmp_path / "words.csv"
    other.write_text("\ufeff" + "\r\n".join(moved) + "\r\n", encoding="utf-8")
    wanted, _ = run("evaluate", "--manifest", manifest, "--family", "pca", "--json")
    got, err = run("evaluate", "--manifest", other, "--family", "pca", "--json")
    drop = {"features_realtime_factor"}
    assert {k: v for k, v in json.loads(got)["pca"].items() if k not in drop} == {
        k: v for k, v in json.loads(wanted)["pca"].items() if k not in drop
    }
    assert err == ""


def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_bytes("path,speaker,label\n录音.wav,甲,sad\n".encode("gb18030"))
    assert "not UTF-8" in run("evaluate", "--manifest", manifest, code=1)[1]


def test_recordings_of_any_form_are_learnt_from(manifest: Path, tmp_path: Path) -> None:
    """Stereo, other rates, other containers, channels that cancel each other out."""
    lines = manifest.read_text(encoding="utf-8").splitlines()
    rows = [lines[0]]
    for place, line in enumerate(lines[1:]):
        name, speaker, label = line.split(",")
        signal, rate = soundfile.read(manifest.parent / name)
        both = np.stack([signal, signal * (-1 if place % 2 else 0.5)], axis=1)
        kind = ("flac", "mp3", "ogg")[place % 3]
        soundfile.write(tmp_path / f"{place}.{kind}", both, rate)
        rows.append(f"{place}.{kind},{speaker},{label}")
    other = tmp_path / "forms.csv"
    other.write_text("\n".join(rows) + "\n", encoding="utf-8")
    out, _ = run("evaluate", "--manifest", other, "--family", "pca", "--json")
    result = json.loads(out)["pca"]
    assert result["n"] == 48
    assert result["uar"] > 0.7


def test_evaluate_says_it_for_a_person(manifest: Path) -> None:
    out, _ = run("evaluate", "--manifest", manifest, "--family", "pca")
    assert "48 recordings by 4 speakers" in out
    assert "Guessing gives UAR 0.250" in out
    for word in ("recall of angry", "calibration error", "UAR with each speaker's baseline"):
        assert word in out


def test_wrong_usage_is_exit_2(manifest: Path) -> None:
    run("evaluate", "--manifest", manifest, "--family", "oracle", code=2)
    run("evaluate", "--manifest", manifest, "--groups", "label", code=2)
    run("evaluate", code=2)
