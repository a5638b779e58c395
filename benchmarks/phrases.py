"""Phrase rules: text searched a second, against a loop over compiled regexes.

Data: made here from a seed. Chinese text of the words that pypinyin lists, English text of made
words with the frequencies of speech (Zipf), both in calls of turns of 12 words; phrases of two to
four such words, one to a rule, so that they look like the text and some are said. The text counts
in bytes of UTF-8.
Measure: bytes a second of processor time through `Matcher.find`, from a transcript in memory to its
hits, on one core, best of `rounds`; the time to make the rules ready is given apart.
Peer: for each phrase one regex compiled beforehand and searched in each turn, in the same run (on
less text, since its cost by the byte does not depend on how much text there is).
Goal: 20 MB/s with 10 000 phrases without homophones, 5 MB/s with; a curve that stays flat.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks._words import chinese_words, draw, english_words
from ml.phrases import Matcher, Rule
from ml.transcripts import Role, Segment, Transcript

OPTIONS = {
    "megabytes": "text searched at each point, in MB of UTF-8 (default 4)",
    "phrases": "the sizes of the curve, separated by / (default 10/100/1000/10000)",
    "calls_kb": "text of one call in kB (default 100)",
    "rounds": "how often each point is measured; the best counts (default 3)",
}
_SEED = 20_261_122
_WORDS_A_TURN = 12
_SAID = 0.02  # of the turns hold a phrase of the longest list
_PEER_SECONDS = 1.0
_GOAL_MB_S = 20.0
_GOAL_HOMOPHONES_MB_S = 5.0


def run(options: dict[str, str]) -> dict[str, Any]:
    """Measure the curve in both languages, and 10 000 phrases with homophones."""
    size = float(options.get("megabytes", "4")) * 1e6
    counts = [int(count) for count in options.get("phrases", "10/100/1000/10000").split("/")]
    call_size = float(options.get("calls_kb", "100")) * 1e3
    rounds = int(options.get("rounds", "3"))
    started = time.perf_counter()
    curve: list[dict[str, Any]] = []
    sounding: dict[str, float] = {}
    for language, words in (("en", english_words()), ("zh", chinese_words())):
        dice = random.Random(f"{_SEED} {language}")
        phrases = _phrases(dice, words, language, max(counts))
        calls = _calls(dice, words, phrases, language, size, call_size)
        volume = sum(len(s.text.encode()) for call in calls for s in call.segments)
        for count in counts:
            chosen = phrases[:count]
            ready_at = time.perf_counter()
            matcher = Matcher(_rules(chosen))
            ready = time.perf_counter() - ready_at
            seconds, hits = _best(rounds, calls, matcher)
            naive = _naive_bytes_a_second(chosen, calls)
            curve.append(
                {
                    "language": language,
                    "phrases": count,
                    "mb_per_second": volume / seconds / 1e6,
                    "hits": hits,
                    "ready_seconds": ready,
                    "regex_loop_mb_per_second": naive / 1e6,
                    "ratio": volume / seconds / naive,
                }
            )
        matcher = Matcher(_rules(phrases, homophones="strict"))
        seconds, _ = _best(rounds, calls, matcher)
        sounding[language] = volume / seconds / 1e6
    largest = [point for point in curve if point["phrases"] == max(counts)]
    slowest = min(largest, key=lambda point: point["mb_per_second"])
    smallest = next(
        p for p in curve if p["language"] == slowest["language"] and p["phrases"] == min(counts)
    )
    return {
        "name": "phrases",
        "n": max(counts),
        "seconds": time.perf_counter() - started,
        "mb_per_second": slowest["mb_per_second"],
        "mb_per_second_homophones": min(sounding.values()),
        "homophones_by_language": sounding,
        "slowdown_over_the_curve": smallest["mb_per_second"] / slowest["mb_per_second"],
        "curve": curve,
        "peer": "a loop over compiled regexes (re)",
        "ratio": slowest["ratio"],
        "goal": f"≥ {_GOAL_MB_S:g} MB/s, with homophones ≥ {_GOAL_HOMOPHONES_MB_S:g} MB/s",
    }


def _calls(
    dice: random.Random,
    words: Sequence[str],
    phrases: Sequence[str],
    language: str,
    size: float,
    call_size: float,
) -> list[Transcript]:
    joint = " " if language == "en" else ""
    calls: list[Transcript] = []
    done = 0
    while done < size:
        segments: list[Segment] = []
        said = 0
        while said < call_size and done + said < size:
            role: Role = "customer" if len(segments) % 2 else "agent"
            start = len(segments) * 4000
            spoken = draw(dice, words, _WORDS_A_TURN)
            if dice.random() < _SAID:
                spoken.insert(dice.randrange(_WORDS_A_TURN), dice.choice(phrases))
            text = joint.join(spoken) + ("." if joint else "。")
            segments.append(Segment(len(segments), role, start, start + 3000, text))
            said += len(text.encode())
        calls.append(Transcript(str(len(calls)), language, None, "callmart", tuple(segments)))
        done += said
    return calls


def _phrases(dice: random.Random, words: Sequence[str], language: str, count: int) -> list[str]:
    joint = " " if language == "en" else ""
    found: dict[str, None] = {}
    while len(found) < count:
        parts = dice.sample(words[100:], dice.randint(2, 4))
        found[joint.join(parts)] = None
    return list(found)


def _rules(phrases: Sequence[str], homophones: Any = "no") -> list[Rule]:
    return [
        Rule(id=str(n), severity="minor", points=1.0, any=(phrase,), homophones=homophones)
        for n, phrase in enumerate(phrases)
    ]


def _best(rounds: int, calls: Sequence[Transcript], matcher: Matcher) -> tuple[float, int]:
    """Seconds of the best round, and hits."""
    hits = sum(len(matcher.find(call)) for call in calls[:1])

    def search() -> None:
        nonlocal hits
        hits = sum(len(matcher.find(call)) for call in calls)

    return min(_seconds(search) for _ in range(rounds)), hits


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _naive_bytes_a_second(phrases: Sequence[str], calls: Sequence[Transcript]) -> float:
    """The peer: every pattern on every turn, for about a second."""
    patterns = [re.compile(rf"(?<!\w){re.escape(p)}(?!\w)", re.IGNORECASE) for p in phrases]
    start = time.process_time()
    done = 0
    for call in calls:
        for segment in call.segments:
            for pattern in patterns:
                list(pattern.finditer(segment.text))
            done += len(segment.text.encode())
            if time.process_time() - start > _PEER_SECONDS:
                return done / (time.process_time() - start)
    return done / (time.process_time() - start)
