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


GOOD_ROW = "good.wav,s1,angry\nother.wav,s2,sad\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,speaker\ngood.wav,s1\n", "row 1: the header lacks label"),
        ("", "row 1: the header lacks path, speaker, label"),
        ("path,speaker,label\n", "row 2: no recording is named"),
        ("path,speaker,label\n" + GOOD_ROW + "good2.wav,s1,furious\n", "row 4: label 'furious'"),
        ("path,speaker,label\n" + GOOD_ROW + "gone.wav,s1,sad\n", "row 4: path gone.wav: no such"),
        ("path,speaker,label\n" + GOOD_ROW + "good.wav,s2,sad\n", "stands in row 2 already"),
        ("path,speaker,label\n" + GOOD_ROW + "good2.wav,,sad\n", "row 4: speaker must not be"),
        ("path,speaker,label\n" + GOOD_ROW + "good2.wav,s1,sad,x\n", "row 4: more fields"),
        ("path,speaker,label\n" + GOOD_ROW + "good2.wav\n", "row 4: speaker, label must not be"),
        ("path,speaker,label\ngood.wav,s1,sad\nother.wav,s2,sad\n", "label must take two values"),
        ("path,speaker,label\ngood.wav,s1,sad\nother.wav,s1,angry\n", "speaker must take two"),
    ],
)
def test_a_bad_manifest_is_refused_by_file_row_and_rule(
    content: str, message: str, tmp_path: Path
) -> None:
    for name in ("good.wav", "good2.wav", "other.wav"):
        soundfile.write(tmp_path / name, voice("neutral", 1, 1.0), 8000)
    manifest = tmp_path / "m.csv"
    manifest.write_text(content, encoding="utf-8")
    out, err = run("evaluate", "--manifest", manifest, "--json", code=1)
    assert out == ""
    assert str(manifest) in err
    assert message in err


def test_all_faults_of_a_manifest_are_said_at_once(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,speaker,label\na.wav,s1,joy\nb.wav,s2,sad\n", encoding="utf-8")
    _, err = run("train", "--manifest", manifest, "--out", tmp_path / "out", code=1)
    assert "row 2" in err
    assert "row 3" in err
    assert not (tmp_path / "out").exists()


def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_bytes("path,speaker,label\n录音.wav,甲,sad\n".encode("gb18030"))
    assert "not UTF-8" in run("evaluate", "--manifest", manifest, code=1)[1]


def test_unreadable_recordings_are_named_and_left_out(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 8000)
    lines = manifest.read_text(encoding="utf-8").splitlines()
    moved = [lines[0]] + [f"{manifest.parent}/{line}" for line in lines[1:]]
    spoilt = tmp_path / "spoilt.csv"
    extra = ["broken.wav,s0,sad", "silent.wav,s1,sad"]
    spoilt.write_text("\ufeff" + "\r\n".join(moved + extra) + "\r\n", encoding="utf-8")
    out, err = run("evaluate", "--manifest", spoilt, "--family", "pca", "--json")
    assert json.loads(out)["pca"]["n"] == 48
    assert "row 50: broken.wav: not readable" in err
    assert "row 51: silent.wav: no voice" in err


def test_wrong_usage_is_exit_2(manifest: Path) -> None:
    run("evaluate", "--manifest", manifest, "--family", "oracle", code=2)
    run("evaluate", "--manifest", manifest, "--groups", "label", code=2)
    run("evaluate", code=2)
