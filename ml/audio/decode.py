"""Recordings of any format the contract names → samples at 8 kHz.

The content decides what a file is; its name is asked only where the content cannot say it (raw
G.711 has no header). FFmpeg, inside PyAV's wheel, does the decoding and the resampling.
"""

from __future__ import annotations

import io
import mmap
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import AudioFrame

ANALYSIS_RATE = 8000
"""Hz; what a telephone carries. Every file is brought to it, so that models see one world."""

Samples = NDArray[np.int16]
Signal = NDArray[np.float32]

# Raw formats have no header, so the extension names them: extension → (FFmpeg format, codec name).
_HEADERLESS = {
    "ulaw": ("mulaw", "pcm_mulaw"),
    "ul": ("mulaw", "pcm_mulaw"),
    "pcmu": ("mulaw", "pcm_mulaw"),
    "mulaw": ("mulaw", "pcm_mulaw"),
    "alaw": ("alaw", "pcm_alaw"),
    "al": ("alaw", "pcm_alaw"),
    "pcma": ("alaw", "pcm_alaw"),
    "gsm": ("gsm", "gsm"),
}
_GSM_FRAME_BYTES = 33  # ETSI EN 300 961: 260 bits in 33 bytes, whose first nibble is 0xD
_BLOCK = 60 * ANALYSIS_RATE  # what is gone through at a time
# 15 minutes (29 MB of two channels); what is longer lies in a temporary file, so that memory does
# not grow with the length of a call.
_LONGEST_IN_MEMORY = 15 * 60 * ANALYSIS_RATE
_FAULT_BYTES = 1 << 16  # Linux maps this much of a file around a byte that is read
# Bytes of one 8-bit law read as the other jump about; neighbouring samples of the right one agree.
# 1 − their correlation is 1.6 to 4.7 times as large under the wrong law on speech and tones, and
# the same on white noise, of which nothing is said.
_WAV_PACKET_BYTES = 1 << 16
_JUNK_BYTES = 1 << 16  # of something else at most before the sound
_MPEG_FRAMES = 4  # so many in a row are no chance
_HIGHEST_RATE = 384_000  # Hz; no recorder goes beyond
_HEAD_BYTES = 1 << 19  # of the content, by which it is recognised: a minute of G.711
_LAW_RATIO = 1.3
_LAW_CORRELATION = 0.5
_IDENTICAL_DB = -40.0  # what is left after subtracting one channel from the other


class UnreadableAudioError(ValueError):
    """The file holds no sound that can be decoded; `str()` gives the reason for a person."""


UnreadableAudio = UnreadableAudioError
"""The shorter name under which callers know it."""


@dataclass(frozen=True)
class Recording:
    """Decoded sound at 8 kHz.

    `samples` is int16 of shape (channels, samples), not to be written to. Channel 0 is the agent, 1
    the customer; one row means that both (or one speaker) are in it. Those of a long recording
    lie in a temporary file: any part of them, such as `samples[1, a:b]`, is read from there.
    """

    samples: Samples
    codec: str
    source_sampling_rate: int
    """Hz, as the file says."""
    source_channels: int
    notes: tuple[str, ...] = ()
    sampling_rate: int = ANALYSIS_RATE

    @property
    def signal(self) -> Signal:
        """float32 of shape (channels, samples), full scale ±1: all of it, in memory."""
        signal: Signal = self.samples.astype(np.float32)
        signal *= np.float32(1 / 32768)
        return signal

    @property
    def duration_seconds(self) -> float:
        return float(self.samples.shape[1]) / self.sampling_rate

    def peak(self, channel: int) -> int:
        """Largest distance from 0 in a channel, 0–32768."""
        highest = 0
        for start in range(0, self.samples.shape[1], _BLOCK):
            block = self.samples[channel, start : start + _BLOCK]
            highest = max(highest, int(block.max()), -int(block.min()))
        return highest

    @property
    def sides(self) -> list[str]:
        """What each row of `samples` is: `["agent", "customer"]` or `["mixed"]`."""
        return ["agent", "customer"] if self.samples.shape[0] == 2 else ["mixed"]


def decode(source: str | Path | bytes, extension: str | None = None) -> Recording:
    """Decode one file, given as a path or as its bytes, to 8 kHz.

    `extension` (with or without dot) is needed for bytes of raw G.711 only; a path brings its
    own. More than two channels are cut to the first two. Two channels that carry the same sound
    become one row, with a note.

    Raises `UnreadableAudioError` for what is no sound, `OSError` for a path that cannot be read.
    """
    opener: Callable[[], io.BytesIO | io.FileIO]
    if isinstance(source, bytes):
        head, size = source[:_HEAD_BYTES], len(source)
        suffix = (extension or "").lower().lstrip(".")
        opener = partial(io.BytesIO, source)
    else:
        path = Path(source)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        size = path.stat().st_size
        suffix = (extension or path.suffix).lower().lstrip(".")
        # An open file, never a name: FFmpeg takes some names for addresses and commands.
        opener = partial(io.FileIO, path, "r")
    if not head:
        raise UnreadableAudioError("the file is empty")
    notes: list[str] = []
    skipped = _find_start(head)
    if skipped:
        head = head[skipped:]
        notes.append(f"{skipped} bytes before the sound were passed over")
    container, codec_name = _recognise(head, suffix, notes)
    try:
        found = _decode_frames(opener, skipped, head, container, notes)
    except UnreadableAudioError:
        law = None if container or _is_known(head) else _guess_law(head)
        if law is None:
            raise
        notes.append(f"named .{suffix}, its content is raw {law}")
        codec_name = f"pcm_{law}"
        found = _decode_frames(opener, skipped, head, law, notes)
    if found.samples.shape[1] == 0:
        raise UnreadableAudioError(f"a header ({size} bytes in all) and no sample")
    if found.source_channels > 2:
        notes.append(f"{found.source_channels} channels; the first two were used")
    if _are_identical(found):
        found = _first_row(found)
        notes.append("both channels carry the same sound: taken as one")
    return replace(found, codec=codec_name or found.codec, notes=tuple(notes))


def merge(agent: Recording, customer: Recording) -> Recording:
    """One recording of two sides from the two-file form; the shorter one is filled with silence."""
    lengths = (agent.samples.shape[1], customer.samples.shape[1])
    held = _Samples(2, max(lengths))
    for start in range(0, max(lengths), _BLOCK):
        rows = np.zeros((2, min(_BLOCK, max(lengths) - start)), dtype=np.int16)
        for row, side in zip(rows, (agent, customer), strict=True):
            block = side.samples[:, start : start + _BLOCK]
            row[: block.shape[1]] = block[0] if len(block) == 1 else block.mean(axis=0)
        held.append(rows)
    notes = [f"agent: {note}" for note in agent.notes]
    notes += [f"customer: {note}" for note in customer.notes]
    difference = abs(lengths[0] - lengths[1]) / ANALYSIS_RATE
    if difference > 0.5:
        notes.append(f"the two files differ in length by {difference:.1f} s")
    codec = agent.codec if agent.codec == customer.codec else f"{agent.codec}+{customer.codec}"
    merged = held.recording(codec, agent.source_sampling_rate, 2)
    if _are_identical(merged):
        merged = _first_row(merged)
        notes.append("both files carry the same sound: taken as one")
    return replace(merged, notes=tuple(notes))


def _find_start(head: bytes) -> int:
    """How many bytes of something else (a web server's header, padding) stand before the sound.

    Only marks that nothing else bears are looked for, and only near the start.
    """
    if _is_known(head):
        return 0
    marks = [head.find(mark, 0, _JUNK_BYTES) for mark in (b"OggS\0\2", b"fLaC\0\0\0\x22")]
    riff = head.find(b"RIFF", 0, _JUNK_BYTES)
    if riff > 0 and head[riff + 8 : riff + 12] == b"WAVE":
        marks.append(riff)
    chain = _find_mpeg_frames(head)
    if chain is not None:
        marks.append(chain)
    return min((at for at in marks if at > 0), default=0)


def _find_mpeg_frames(head: bytes) -> int | None:
    """Where a run of MPEG audio frames begins near the start: its first one may be cut or broken."""
    at = head.find(b"\xff", 0, _JUNK_BYTES)
    while at >= 0:
        place = at
        for _ in range(_MPEG_FRAMES):
            length = _mpeg_frame_bytes(head[place : place + 4])
            place += length
            if not length or place + 4 > len(head):
                break
        else:
            return at
        at = head.find(b"\xff", at + 1, _JUNK_BYTES)
    return None


def _is_known(head: bytes) -> bool:
    """Whether the first bytes are those of a container that is read."""
    return (
        head[:4] in (b"RIFF", b"RF64", b"OggS", b"fLaC")
        or head[4:8] == b"ftyp"
        or head[:3] == b"ID3"
        or _is_mpeg_audio(head)
    )


def _recognise(data: bytes, suffix: str, notes: list[str]) -> tuple[str | None, str | None]:
    """FFmpeg format to force and codec name to report; (None, None) leaves both to FFmpeg."""
    head = data[:16]
    found: str | None = None
    if head[:4] == b"RIFX":
        raise UnreadableAudioError("a WAV of big-endian samples (RIFX) is not read")
    if head[:4] in (b"RIFF", b"RF64"):
        found = "wav"
    elif head[:4] == b"OggS":
        found = "ogg"
    elif head[:4] == b"fLaC":
        found = "flac"
    elif head[4:8] == b"ftyp":
        found = "m4a"
    elif head[:3] == b"ID3" or _is_mpeg_audio(data):
        found = "mp3"
    if found is not None:
        expected = {"opus": "ogg", "oga": "ogg", "mp4": "m4a", "aac": "m4a"}.get(suffix, suffix)
        if expected and expected != found:
            notes.append(f"named .{suffix}, its content is {found}")
        return None, None
    if _is_text(data):
        raise UnreadableAudioError("the file holds text, not sound")
    if _is_gsm(data):
        if suffix != "gsm":
            notes.append(f"named .{suffix}, its content is raw GSM 6.10")
        return "gsm", "gsm"
    law = _guess_law(data)
    if suffix in _HEADERLESS and suffix != "gsm":
        container, codec = _HEADERLESS[suffix]
        if law is not None and law != container:
            notes.append(f"named .{suffix}, its content is raw {law}")
            return law, f"pcm_{law}"
        return container, codec
    return None, None


def _is_mpeg_audio(data: bytes) -> bool:
    """Two MPEG frame headers, the second where the first says that it must be."""
    length = _mpeg_frame_bytes(data[:4])
    if not length:
        return False
    following = data[length : length + 2]
    return len(following) < 2 or (following[0] == 0xFF and following[1] & 0xE0 == 0xE0)


def _mpeg_frame_bytes(header: bytes) -> int:
    """Length of the layer III frame that begins with these four bytes (ISO 11172-3); 0: none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (header[1] >> 3) & 3, (header[1] >> 1) & 3
    bitrate_index, rate_index = header[2] >> 4, (header[2] >> 2) & 3
    if version == 1 or layer != 1 or bitrate_index in (0, 15) or rate_index == 3:
        return 0
    rate = (44100, 48000, 32000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    table = (
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        if version == 3
        else (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    )
    samples = 144 if version == 3 else 72
    return samples * table[bitrate_index] * 1000 // rate + ((header[2] >> 1) & 1)


def _is_text(data: bytes) -> bool:
    """Nearly everything at the beginning is printable text (also in UTF-8 or UTF-16)."""
    sample = data[:4096]
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff") and len(sample) % 2 == 0:
        try:
            decoded = sample.decode("utf-16")
        except UnicodeDecodeError:
            return False
        return sum(c.isprintable() or c.isspace() for c in decoded) > 0.98 * len(decoded)
    codes = np.frombuffer(sample, dtype=np.uint8)
    printable = ((codes >= 32) & (codes < 127)) | ((codes >= 9) & (codes <= 13))
    # Raw G.711 is never plain ASCII for long: both laws code quiet sound with the high bit set
    # or near 0x55/0xD5, half the samples with either sign.
    if printable.mean() > 0.98:
        return np.unique(codes).size > 4 or len(data) < 64
    try:
        decoded = (
            sample[: len(sample) - 4].decode("utf-8") if len(sample) == 4096 else sample.decode()
        )
    except UnicodeDecodeError:
        return False
    return sum(c.isprintable() or c.isspace() for c in decoded) > 0.98 * max(1, len(decoded))


def _is_gsm(data: bytes) -> bool:
    """Every 33rd byte starts with the nibble 0xD, and there are enough of them to be sure."""
    marks = np.frombuffer(data, dtype=np.uint8)[::_GSM_FRAME_BYTES]
    return marks.size >= 5 and bool(np.mean(marks[:-1] >> 4 == 0xD) > 0.99)


def _guess_law(data: bytes) -> str | None:
    """`mulaw` or `alaw` when one of them gives a clearly smoother wave, else None."""
    codes = np.frombuffer(data[: 60 * ANALYSIS_RATE], dtype=np.uint8)
    smoothness = {}
    for law, table in (("mulaw", _mulaw_table()), ("alaw", _alaw_table())):
        wave = table[codes]
        energy = float(np.dot(wave, wave))
        smoothness[law] = float(np.dot(wave[1:], wave[:-1])) / energy if energy else 0.0
    best = max(smoothness, key=lambda law: smoothness[law])
    other = "alaw" if best == "mulaw" else "mulaw"
    is_clear = 1 - smoothness[other] > _LAW_RATIO * (1 - smoothness[best])
    return best if smoothness[best] > _LAW_CORRELATION and is_clear else None


def _mulaw_table() -> NDArray[np.float32]:
    """ITU-T G.711 µ-law: code → amplitude."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84) << ((code & 0x70) >> 4)
    return np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.float32)


def _alaw_table() -> NDArray[np.float32]:
    """ITU-T G.711 A-law: code → amplitude."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = (code & 0x70) >> 4
    mantissa = (code & 0x0F).astype(np.int32) << 4
    magnitude = np.where(
        exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent, 1) - 1
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float32)


def _decode_frames(
    opener: Callable[[], io.BytesIO | io.FileIO],
    skipped: int,
    head: bytes,
    container: str | None,
    notes: list[str],
) -> Recording:
    """All frames that decode, at 8 kHz; what is amiss goes to `notes`."""
    import av
    from av.audio.resampler import AudioResampler
    from av.container import InputContainer

    options: dict[str, str] = {}
    if container in ("mulaw", "alaw"):
        options = {"sample_rate": str(ANALYSIS_RATE), "ch_layout": "mono"}
    if head[:4] == b"RIFF":
        # By itself FFmpeg hands out a tenth of a second at a time, and it searches PCM for hidden
        # DTS sound: with these packets that took 0.1 s a file.
        options = {"max_size": str(_WAV_PACKET_BYTES), "probesize": "32"}
        if _goes_on(opener, skipped, head):
            options["ignore_length"] = "1"
            notes.append("the sound goes on after the end that the header gives")
    if skipped:
        options["skip_initial_bytes"] = str(skipped)
        container = {b"RI": "wav", b"Og": "ogg", b"fL": "flac"}.get(head[:2], "mp3")
    held: _Samples | None = None
    broken = 0
    codec, rate, channels, promised = "", 0, 1, 0.0
    try:
        with (
            opener() as file,
            av.open(file, mode="r", format=container, options=options) as media,
        ):
            if not isinstance(media, InputContainer) or not media.streams.audio:
                raise UnreadableAudioError("the file has no audio stream")
            stream = media.streams.audio[0]
            context = stream.codec_context
            if context is None or context.format is None:
                raise UnreadableAudioError("there is no decoder for its kind of sound")
            codec, rate, channels = context.name, int(stream.rate or 0), int(context.channels)
            if rate > _HIGHEST_RATE:
                raise UnreadableAudioError(f"its header says {rate} samples a second")
            if stream.duration and stream.time_base:
                promised = float(stream.duration * stream.time_base)
            # Most recordings are 8 kHz and 16 bits once decoded: they need no resampler.
            is_ready = rate == ANALYSIS_RATE and context.format.name in ("s16", "s16p")
            resampler = AudioResampler(
                format="s16p", layout="mono" if channels == 1 else None, rate=ANALYSIS_RATE
            )
            for packet in media.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    broken += 1
                    continue
                for frame in frames:
                    for piece in [frame] if is_ready else resampler.resample(frame):
                        if held is None:
                            held = _Samples(min(channels, 2), round(promised * ANALYSIS_RATE))
                        held.append(_rows(piece, channels))
            if held is not None and not is_ready:
                for piece in resampler.resample(None):
                    held.append(_rows(piece, channels))
    except UnreadableAudioError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        if held is None:
            raise UnreadableAudioError(f"no decoder understands it ({error})") from error
        notes.append(f"decoding stopped early ({error})")
    if broken:
        notes.append(f"{broken} damaged pieces were left out")
    recording = (held or _Samples(1, 0)).recording(codec, rate, channels)
    if head[:4] == b"RIFF":
        promised = max(promised, _promised_wav_seconds(head))
    seconds = recording.duration_seconds
    if seconds and promised > seconds + 0.5:
        notes.append(f"cut short: {seconds:.1f} s of {promised:.1f} s are there")
    return recording


class _Samples:
    """Rows of samples that grow: in memory, or in a temporary file where they are many.

    `expected`: how many a row the file promises. A header may promise anything, so that no more
    is made of it than room at the start.
    """

    def __init__(self, rows: int, expected: int) -> None:
        self._count = 0
        self._file: io.BufferedWriter | None = None
        self._store: Samples = np.empty(
            (rows, min(expected + ANALYSIS_RATE, _LONGEST_IN_MEMORY)), dtype=np.int16
        )

    def append(self, rows: Samples) -> None:
        needed = self._count + rows.shape[1]
        if self._file is None and needed > self._store.shape[1]:
            self._grow(needed)
        if self._file is None:
            self._store[:, self._count : needed] = rows
        else:
            self._file.write(np.ascontiguousarray(rows.T).data)
        self._count = needed

    def _grow(self, needed: int) -> None:
        held = self._store[:, : self._count]
        if needed > _LONGEST_IN_MEMORY:
            descriptor, name = tempfile.mkstemp(prefix="callmart-")
            Path(name).unlink()  # without a name nothing is left behind, whatever happens
            self._file = io.BufferedWriter(io.FileIO(descriptor, "w"))
            self._file.write(np.ascontiguousarray(held.T).data)
            self._store = held[:, :0]
            return
        self._store = np.empty((len(held), max(needed, held.shape[1] * 3 // 2)), dtype=np.int16)
        self._store[:, : self._count] = held

    def recording(self, codec: str, rate: int, channels: int) -> Recording:
        """What was gathered."""
        if self._file is None:
            return Recording(self._store[:, : self._count], codec, rate, channels)
        with self._file as file:
            file.flush()
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return Recording(_Mapped.over(mapping, len(self._store)), codec, rate, channels)


class _Mapped(np.ndarray[Any, np.dtype[np.int16]]):
    """Samples in a file, shape (channels, samples) or (samples,).

    Cut in time they are copied, and the memory that the file's pages took is given back at once:
    it does not add up while one goes through a recording. All else is a view.
    """

    _mapping: mmap.mmap | None = None

    @classmethod
    def over(cls, mapping: mmap.mmap, rows: int) -> Samples:
        """All that is mapped; the file holds one sample of every row, then the next."""
        samples = np.frombuffer(mapping, dtype=np.int16).reshape(-1, rows).T.view(cls)
        samples._mapping = mapping
        return samples

    def __array_finalize__(self, parent: Any) -> None:
        self._mapping = getattr(parent, "_mapping", None)

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        mapping = self._mapping
        if mapping is None or not isinstance(part, _Mapped):
            return part
        if part.size == 0 or part.shape[-1] == self.shape[-1]:
            return part
        address = np.frombuffer(mapping, dtype=np.int8).__array_interface__["data"][0]
        first, last = (bound - address for bound in byte_bounds(part))
        if first < 0 or last > len(mapping):
            return part  # what was computed from samples lies in memory of its own
        copied = np.array(part, subok=False)
        first -= first % _FAULT_BYTES
        mapping.madvise(mmap.MADV_DONTNEED, first, min(last + _FAULT_BYTES, len(mapping)) - first)
        return copied


def _rows(frame: AudioFrame, channels: int) -> Samples:
    """At most two channels of a 16-bit frame, planar or not, shape (channels, samples)."""
    if not frame.format.is_planar:
        content = bytes(frame.planes[0])
        packed = np.frombuffer(content, dtype=np.int16, count=frame.samples * channels)
        return packed.reshape(-1, channels).T[:2]
    rows = np.empty((min(channels, 2), frame.samples), dtype=np.int16)
    for row, plane in zip(rows, frame.planes, strict=False):
        row[:] = np.frombuffer(bytes(plane), dtype=np.int16, count=frame.samples)
    return rows


def _goes_on(opener: Callable[[], io.BytesIO | io.FileIO], skipped: int, head: bytes) -> bool:
    """Whether a WAV's samples go on after their promised end: the header was never completed."""
    begin, size, _ = _wav_data(head)
    if not begin or not 0 < size < 0x7FFFFFFF:
        return False
    with opener() as file:
        file.seek(skipped + begin + size + (size & 1))
        after = file.read(8)
    # Another chunk has a name of letters; an end has nothing.
    return len(after) == 8 and not (after[:4].isascii() and after[:4].strip().isalnum())


def _promised_wav_seconds(data: bytes) -> float:
    """Length that a WAV header promises, in seconds; 0 where it says nothing usable."""
    _, size, byte_rate = _wav_data(data)
    # A writer that streams puts 0xFFFFFFFF or 0 here: that promises nothing.
    return size / byte_rate if byte_rate > 0 and size < 0x7FFFFFFF else 0.0


def _wav_data(data: bytes) -> tuple[int, int, int]:
    """Where a WAV's samples begin, their bytes as promised, and bytes a second; 0 for unknown."""
    at, byte_rate = 12, 0
    while at + 8 <= min(len(data), 1 << 16):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 20 <= len(data):
            byte_rate = int.from_bytes(data[at + 16 : at + 20], "little")
        if name == b"data":
            return at + 8, size, byte_rate
        at += 8 + size + (size & 1)
    return 0, 0, byte_rate


def _first_row(recording: Recording) -> Recording:
    """The recording's first channel alone."""
    alone = recording.samples[:1]
    # Half of what lies in memory can be freed; what lies in a file takes none.
    in_file = isinstance(alone, _Mapped)
    return replace(recording, samples=alone if in_file else alone.copy())


def _are_identical(recording: Recording) -> bool:
    """Whether two channels carry the same sound, at most scaled: mono in a stereo file."""
    if len(recording.samples) != 2:
        return False
    energy_left = energy_right = common = 0.0
    for start in range(0, recording.samples.shape[1], _BLOCK):
        left, right = recording.samples[:, start : start + _BLOCK].astype(np.float32)
        energy_left += float(np.dot(left, left))
        energy_right += float(np.dot(right, right))
        common += float(np.dot(left, right))
    if min(energy_left, energy_right) <= 0.0:
        return False
    residual = 1.0 - common * common / (energy_left * energy_right)
    gain_db = 10.0 * np.log10(energy_left / energy_right)
    return residual < 10 ** (_IDENTICAL_DB / 10) and abs(gain_db) < 6.0
