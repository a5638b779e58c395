"""Every format of the contract decodes to the same sound; what is no sound says why."""

from __future__ import annotations

import importlib
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scenes
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.audio import Recording, UnreadableAudio, decode, merge

SECONDS = 2.0
decoding = importlib.import_module("ml.audio.decode")  # the room's name for it is the function


def two_tones() -> scenes.Signal:
    return np.stack([scenes.tone((600.0,), SECONDS, -15.0), scenes.tone((1500.0,), SECONDS, -15.0)])


def strongest_hz(row: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(row * np.hanning(row.size)))
    return float(spectrum.argmax() * 8000 / row.size)


@pytest.mark.parametrize(
    ("codec", "reported"),
    [
        ("pcm16", "pcm_s16le"),
        ("pcm24", "pcm_s24le"),
        ("pcm8", "pcm_u8"),
        ("alaw", "pcm_alaw"),
        ("mulaw", "pcm_mulaw"),
        ("flac", "flac"),
        ("mp3", "mp3"),
        ("opus", "opus"),
        ("ogg", "vorbis"),
        ("m4a", "aac"),
    ],
)
def test_stereo_formats_keep_both_sides_apart(codec: str, reported: str) -> None:
    coded = scenes.encode(two_tones(), codec)
    recording = decode(coded.data, coded.extension)
    assert recording.codec.startswith(reported)
    assert recording.source_channels == 2
    assert recording.sides == ["agent", "customer"]
    assert recording.sampling_rate == 8000
    assert recording.duration_seconds == pytest.approx(SECONDS, abs=0.25)
    assert [strongest_hz(row) for row in recording.signal] == pytest.approx([600, 1500], abs=5)
    level = 10 * np.log10(np.mean(recording.signal[0] ** 2))
    assert level == pytest.approx(-15.0, abs=1.0)


@pytest.mark.parametrize(
    ("codec", "extension"), [("raw_mulaw", "ulaw"), ("raw_alaw", "alaw"), ("gsm", "wav")]
)
def test_mono_formats(codec: str, extension: str) -> None:
    coded = scenes.encode(scenes.tone((600.0,), SECONDS, -15.0)[None], codec)
    assert coded.extension == extension
    recording = decode(coded.data, coded.extension)
    assert recording.sides == ["mixed"]
    assert strongest_hz(recording.signal[0]) == pytest.approx(600, abs=5)
    assert recording.duration_seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("rate", [6000, 11025, 16000, 44100, 48000])
def test_any_rate_comes_down_to_8_khz(rate: int, tmp_path) -> None:
    import soundfile

    time = np.arange(rate * 2) / rate
    path = tmp_path / "call.wav"
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * 700 * time), rate)
    recording = decode(path)
    assert recording.source_sampling_rate == rate
    assert recording.duration_seconds == pytest.approx(2.0, abs=0.02)
    assert strongest_hz(recording.signal[0]) == pytest.approx(700, abs=3)


@pytest.mark.parametrize(
    ("data", "extension", "reason"),
    [
        (b"", "wav", "empty"),
        (b"Error 500: recording not found on this server\n" * 3, "wav", "text"),
        (b"Error 500: recording not found on this server\n" * 3, "ulaw", "text"),
        ("录音文件不存在，请联系管理员。".encode(), "mp3", "text"),
        ("not here".encode("utf-16"), "wav", "text"),
        (scenes.encode(np.zeros((2, 8), np.float32)).data[:44], "wav", "no sample"),
        (bytes(range(256)) * 20, "flac", "no decoder"),
    ],
)
def test_what_is_no_sound_says_why(data: bytes, extension: str, reason: str) -> None:
    with pytest.raises(UnreadableAudio, match=reason):
        decode(data, extension)


def test_a_missing_path_is_no_verdict(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "gone.wav")


def test_a_cut_wav_gives_what_is_there_and_a_note() -> None:
    whole = scenes.encode(two_tones()).data
    recording = decode(whole[: 44 + (len(whole) - 44) // 2 + 1], "wav")
    assert recording.duration_seconds == pytest.approx(SECONDS / 2, abs=0.01)
    assert any("cut short" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("codec", "named", "codec_found"),
    [
        ("mp3", "wav", "mp3"),
        ("pcm16", "mp3", "pcm_s16le"),
        ("flac", "ulaw", "flac"),
        ("m4a", "alaw", "aac"),
        ("raw_alaw", "ulaw", "pcm_alaw"),
        ("raw_mulaw", "alaw", "pcm_mulaw"),
        ("raw_mulaw", "wav", "pcm_mulaw"),
    ],
)
def test_content_overrules_the_name(codec: str, named: str, codec_found: str) -> None:
    sound = scenes.tone((440.0,), SECONDS, -15.0) + scenes.noise(SECONDS, -50.0, 1)
    recording = decode(scenes.encode(sound[None], codec).data, named)
    assert recording.codec.startswith(codec_found)
    assert strongest_hz(recording.signal[0]) == pytest.approx(440, abs=5)
    assert any(f"named .{named}" in note for note in recording.notes)


@pytest.mark.parametrize("codec", ["pcm16", "mulaw", "mp3"])
def test_identical_channels_are_one(codec: str) -> None:
    sound = scenes.tone((440.0,), SECONDS, -15.0) + scenes.noise(SECONDS, -40.0, 1)
    coded = scenes.encode(np.stack([sound, sound]), codec)
    recording = decode(coded.data, coded.extension)
    assert recording.sides == ["mixed"]
    assert recording.source_channels == 2
    assert any("same sound" in note for note in recording.notes)


def test_a_silent_side_is_still_a_side() -> None:
    sound = np.stack([np.zeros(16000, np.float32), scenes.tone((440.0,), 2.0, -15.0)])
    assert decode(scenes.encode(sound).data, "wav").sides == ["agent", "customer"]


def test_two_files_become_agent_and_customer() -> None:
    agent = decode(scenes.encode(scenes.tone((600.0,), 2.0)[None]).data, "wav")
    customer = decode(scenes.encode(scenes.tone((1500.0,), 3.0)[None], "alaw").data, "wav")
    both = merge(agent, customer)
    assert both.sides == ["agent", "customer"]
    assert both.duration_seconds == pytest.approx(3.0, abs=0.01)
    assert [strongest_hz(row[:16000]) for row in both.signal] == pytest.approx([600, 1500], abs=5)
    assert not both.samples[0, 16100:].any()
    assert any("differ in length" in note for note in both.notes)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=4000), st.sampled_from(["wav", "mp3", "ulaw", "gsm", "opus", "m4a"]))
def test_any_bytes_decode_or_say_why(data: bytes, extension: str) -> None:
    try:
        recording: Recording | None = decode(data, extension)
        reason = ""
    except UnreadableAudio as error:
        recording, reason = None, str(error)
    assert reason if recording is None else recording.samples.shape[1] > 0


def as_stored(monkeypatch: pytest.MonkeyPatch, data: bytes, extension: str) -> Recording:
    """Decoded as if it were too long for memory."""
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_LONGEST_IN_MEMORY", 3000)
        return decode(data, extension)


@pytest.mark.parametrize("codec", ["pcm16", "mulaw", "mp3", "opus"])
def test_a_long_recording_in_a_file_holds_the_same_samples(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = scenes.encode(two_tones(), codec)
    held = decode(coded.data, coded.extension)
    stored = as_stored(monkeypatch, coded.data, coded.extension)

    assert type(held.samples) is np.ndarray
    assert type(stored.samples) is not np.ndarray
    np.testing.assert_array_equal(stored.samples[:, 100:9000], held.samples[:, 100:9000])
    np.testing.assert_array_equal(stored.samples[::-1][1][-50:], held.samples[0, -50:])
    np.testing.assert_array_equal(stored.signal, held.signal)
    assert type(stored.samples[1, 5:9]) is np.ndarray
    assert stored.samples[0][7] == held.samples[0][7]
    assert stored.samples[:1].shape == (1, held.samples.shape[1])
    assert [stored.peak(0), stored.peak(1)] == np.abs(held.samples).max(axis=1).tolist()
    with pytest.raises(ValueError, match="read-only"):
        stored.samples[0, 0] = 1


def test_a_long_recording_leaves_no_file_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stored = as_stored(monkeypatch, scenes.encode(two_tones()).data, "wav")

    assert list(tmp_path.iterdir()) == []
    assert stored.samples[0, :8000].any()


def test_long_identical_channels_are_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = scenes.tone((440.0,), SECONDS, -15.0)
    stored = as_stored(monkeypatch, scenes.encode(np.stack([sound, sound])).data, "wav")

    assert stored.sides == ["mixed"]
    assert strongest_hz(stored.signal[0]) == pytest.approx(440, abs=5)


def test_two_long_files_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [scenes.encode(scenes.tone((hz,), SECONDS)[None]).data for hz in (600.0, 1500.0)]
    held = merge(*(decode(side, "wav") for side in sides))
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_LONGEST_IN_MEMORY", 3000)
        stored = merge(*(decode(side, "wav") for side in sides))

    assert type(stored.samples) is not np.ndarray
    np.testing.assert_array_equal(stored.signal, held.signal)


_PEAK = """
import resource, sys
from pathlib import Path
from ml.inspection import inspect_recording
report = inspect_recording(path=sys.argv[1]).report
status = Path("/proc/self/status")
if status.exists():
    # The process's own peak: `ru_maxrss` also counts what its parent held when it was started.
    peak = next(int(x.split()[1]) for x in status.read_text().splitlines() if x.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(report["duration_seconds"], peak / 1024)
"""


def test_two_hours_of_two_sides_fit_into_400_mb(tmp_path: Path) -> None:
    """The whole of `inspect`, the program's start included."""
    import soundfile

    time = np.arange(60 * 8000) / 8000
    # Vowel-like bursts that take turns, so that every stage has work.
    voice = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(2, 20))
    burst = (np.sin(2 * np.pi * 1.5 * time) > 0) * voice * 0.05
    agent, customer = burst * (time % 20 < 10), burst * (time % 20 >= 10)
    minute = np.round(np.stack([agent, customer], axis=1) * 32767).astype(np.int16)
    minute += np.random.default_rng(1).integers(-20, 20, minute.shape, dtype=np.int16)
    path = tmp_path / "two_hours.wav"
    with soundfile.SoundFile(path, "w", 8000, 2, "PCM_16") as file:
        for _ in range(120):
            file.write(minute)

    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
    )
    seconds, peak = map(float, done.stdout.split())
    assert seconds == 2 * 60 * 60
    assert peak < 400


def wav(
    data: bytes,
    form: int = 1,
    channels: int = 2,
    rate: int = 8000,
    bits: int = 16,
    extra: bytes = b"",
    align: int | None = None,
) -> bytes:
    """A WAV by hand, right or wrong."""
    width = channels * bits // 8 if align is None else align
    head = struct.pack("<HHIIHH", form, channels, rate, rate * width, width, bits) + extra
    chunks = b"WAVEfmt " + struct.pack("<I", len(head)) + head
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def extensible(form: int, bits: int) -> bytes:
    """The rest of a WAVE_FORMAT_EXTENSIBLE head: valid bits, front left and right, sub-format."""
    sub_format = struct.pack("<H", form) + bytes.fromhex("000000001000800000aa00389b71")
    return struct.pack("<HHI", 22, bits, 3) + sub_format


def with_length(data: bytes, length: int) -> bytes:
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", length) + data[at + 4 :]


PCM = (two_tones().T * 32767).astype("<i2")
WAV = wav(PCM.tobytes())
MULAW = scenes.encode(two_tones(), "mulaw").data
MULAW = MULAW[MULAW.index(b"data") + 8 :]
P24 = (two_tones().T * 8388607).astype("<i4", order="C").view("u1").reshape(-1, 4)[:, :3].tobytes()
MP3 = scenes.encode(two_tones(), "mp3").data
ODD = {
    "length 0": (with_length(WAV, 0), "wav", None),
    "length unknown": (with_length(WAV, 0xFFFFFFFF), "wav", None),
    "length never completed": (with_length(WAV, 800), "wav", "goes on"),
    "length of another file": (with_length(WAV, 5 * len(WAV)), "wav", "cut short"),
    "a chunk before the sound": (WAV[:36] + b"LIST\5\0\0\0abcde\0" + WAV[36:], "wav", None),
    "a chunk after the sound": (WAV + b"LIST\6\0\0\0abcdef", "wav", None),
    "odd end": (WAV[:-3], "wav", None),
    "extensible": (wav(PCM.tobytes(), 0xFFFE, extra=extensible(1, 16)), "wav", None),
    "extensible 24": (wav(P24, 0xFFFE, bits=24, extra=extensible(1, 24)), "wav", None),
    "extensible law": (wav(MULAW, 0xFFFE, bits=8, extra=extensible(7, 8)), "wav", None),
    "float": (wav(two_tones().T.astype("<f4").tobytes(), 3, bits=32), "wav", None),
    "wrong block size": (wav(PCM.tobytes(), align=1), "wav", "cut short"),
    "zeros before": (bytes(100) + WAV, "wav", "100 bytes before"),
    "a web server's head": (b"HTTP/1.1 200 OK\r\n\r\n" + WAV, "wav", "19 bytes before"),
    "three channels": (
        wav(np.hstack([PCM, 0 * PCM[:, :1]]).tobytes(), channels=3), "wav", "3 channels"
    ),
    "mp3 with a tag": (b"ID3\3\0\0\0\0\7\x76" + bytes(1014) + MP3, "mp3", None),
    "mp3, first frame broken": (b"\x12" * 300 + MP3[300:], "mp3", "bytes before"),
    "mp3 from its middle": (MP3[len(MP3) // 3 + 5 :], "mp3", "bytes before"),
    "mp3 after zeros": (bytes(5000) + MP3, "mp3", "bytes before"),
    "mp3, a half": (MP3[: len(MP3) // 2], "mp3", "cut short"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "extension", "note"), ODD.values(), ids=ODD.keys())
def test_odd_files_are_read(data: bytes, extension: str, note: str | None) -> None:
    recording = decode(data, extension)

    assert [strongest_hz(row) for row in recording.signal] == pytest.approx([600, 1500], abs=5)
    assert recording.duration_seconds > 0.9
    if note is None:
        assert recording.notes == ()
        assert recording.duration_seconds == pytest.approx(SECONDS, abs=0.15)
    else:
        assert note in " ".join(recording.notes)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wav(PCM.tobytes(), form=0x1234), "no decoder for its kind of sound"),
        (wav(PCM.tobytes(), channels=0, align=4), "no decoder for its kind of sound"),
        (wav(PCM.tobytes(), bits=0, align=4), "no decoder for its kind of sound"),
        (wav(PCM.tobytes(), rate=0), "no decoder"),
        (wav(PCM.tobytes(), rate=10**9), "1000000000 samples a second"),
        (b"RIFX" + WAV[4:], "big-endian"),
        (WAV[:44], "no sample"),
    ],
)
def test_impossible_heads_say_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableAudio, match=reason):
        decode(data, "wav")


def test_a_fifth_of_a_second_is_a_recording() -> None:
    assert decode(wav(PCM[:1600].tobytes()), "wav").duration_seconds == 0.2
