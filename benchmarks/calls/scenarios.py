"""What happens in a call: one function a scenario, each lays sounds on a `Board` and tells the truth.

The truth follows from the construction and not from listening: the scenario decides when somebody
lifts the receiver, and puts nothing of the called side before that but the network's own sounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.calls import sounds
from benchmarks.calls.sounds import RATE, Random, Signal
from benchmarks.calls.speech import Clip, SpeechSource

AGENT, CUSTOMER = 0, 1


@dataclass(frozen=True)
class Truth:
    """What became of a call. None: the sound cannot tell, and it is not scored."""

    outcome: str
    is_answered: bool | None
    is_connected: bool | None
    answered_at: float | None = None
    ring_seconds: float | None = 0.0
    also_acceptable: tuple[str, ...] = ()


@dataclass
class Board:
    """A recording in the making. Times in seconds from its start.

    Attributes:
        parts: (side, start, signal) laid so far.
        answered_at: when the far end lifted; its room is heard from then on.
        ended_at: when the far end was gone again.
        first_sound: where the far end is first heard.
    """

    random: Random
    speech: SpeechSource
    country: str
    language: str
    has_country: bool
    agent_voice: str
    customer_voice: str
    agent_level: float
    customer_level: float
    machine_level: float
    parts: list[tuple[int, float, Signal]] = field(default_factory=list)
    now: float = 0.0
    answered_at: float | None = None
    ended_at: float | None = None
    first_sound: float | None = None
    is_real: bool = False
    is_synthetic: bool = False
    spoken: set[int] = field(default_factory=set)
    """Hashes of the utterances used: nobody says a thing twice in the very same way."""

    # -- laying sounds

    def put(self, side: int, signal: Signal, start: float | None = None) -> float:
        """Lay a sound (now, unless `start` says when); returns where it ends."""
        at = self.now if start is None else max(0.0, start)
        self.parts.append((side, at, signal))
        if side == CUSTOMER and self.answered_at is not None and self.first_sound is None:
            self.first_sound = at
        return at + len(signal) / RATE

    def wait(self, least: float, most: float) -> None:
        self.now += float(self.random.uniform(least, most))

    def take(self, kind: str, side: int) -> Clip:
        """A person's utterance at that side's level."""
        voice = self.agent_voice if side == AGENT else self.customer_voice
        for _ in range(4):
            clip = self.speech.clip(kind, self.language, voice, self.random)
            print_of = hash(clip.signal.tobytes())
            if print_of not in self.spoken:
                break
        self.spoken.add(print_of)
        # A person's pace and pitch are never the same; the prompts of a machine are.
        varied = sounds.shifted(clip.signal, float(self.random.uniform(0.95, 1.05)))
        level = self.agent_level if side == AGENT else self.customer_level
        return self._noted(replace(clip, signal=varied), level + self.random.normal(0, 1.5))

    def machine(self, kind: str) -> Clip:
        clip = self.speech.clip(kind, self.language, self.customer_voice, self.random)
        return self._noted(clip, self.machine_level)

    def _noted(self, clip: Clip, level: float) -> Clip:
        self.is_real |= clip.is_real
        self.is_synthetic |= not clip.is_real
        return Clip(sounds.at_level(clip.signal, level), clip.is_real, clip.outcome)

    def say(self, kind: str, side: int) -> None:
        """An utterance now; time moves to its end."""
        self.now = self.put(side, self.take(kind, side).signal)

    # -- what calls are made of

    def ring(self, least: float, most: float) -> float:
        """Ringback for some seconds, cut off wherever it is; returns how long."""
        self.wait(0, 3)
        seconds = float(self.random.uniform(least, most))
        tone = sounds.progress_tone(self.country, "ringback", seconds, self.random)
        self.now = self.put(CUSTOMER, tone)
        return seconds

    def colour_ring(self, least: float, most: float, with_words: bool = False) -> float:
        """Music of the called side before any answer; returns how long."""
        self.wait(0, 3)
        seconds = float(self.random.uniform(least, most))
        level = float(self.random.uniform(-32, -16))
        piece = sounds.at_level(self.speech.music(seconds, self.random), level)
        if with_words:
            words = self.machine("advert").signal[: round(max(0.5, seconds - 1) * RATE)]
            place = round(self.random.uniform(0, max(0.0, seconds - len(words) / RATE)) * RATE)
            piece[place : place + len(words)] += words[: len(piece) - place]
        self.now = self.put(CUSTOMER, piece)
        return seconds

    def lift(self) -> float:
        """The far end answers now: its room is heard from here on, often with a click or a knock."""
        self.answered_at = self.now
        draw = self.random.random()
        if draw < 0.35:
            level = float(self.random.uniform(-40, -18))
            self.parts.append(
                (CUSTOMER, self.now, sounds.at_peak(sounds.line_click(self.random), level))
            )
        elif draw < 0.5:
            level = float(self.random.uniform(-38, -20))
            start = self.now + float(self.random.uniform(0.0, 0.15))
            self.parts.append((CUSTOMER, start, sounds.at_peak(sounds.knock(self.random), level)))
        return self.now

    def hang_up(self) -> None:
        """The far end is gone; some networks then give busy tone, the rest nothing."""
        self.ended_at = self.now
        if self.random.random() < 0.4:
            self.now += 0.2
            seconds = float(self.random.uniform(1.5, 6))
            self.now = self.put(
                CUSTOMER, sounds.progress_tone(self.country, "busy", seconds, self.random)
            )

    def talk(self, turns: int, customer_first: bool = True) -> None:
        """A dialogue: gaps from −0.4 to 1.4 s, back-channels into the other's turn, pauses."""
        side = CUSTOMER if customer_first else AGENT
        for _ in range(turns):
            clip = self.take("customer" if side == CUSTOMER else "agent", side)
            start = max(0.0, self.now + float(self.random.normal(0.35, 0.45)))
            start = max(start, self.answered_at or 0.0)
            self.now = self.put(side, clip.signal, start)
            length = len(clip.signal) / RATE
            if length > 2.5 and self.random.random() < 0.35:
                other = AGENT if side == CUSTOMER else CUSTOMER
                self.put(
                    other,
                    self.take("word", other).signal,
                    start + float(self.random.uniform(0.4, 0.9)) * length,
                )
            if self.random.random() < 0.08:
                self.wait(1.5, 5.0)
            if self.random.random() < 0.85:
                side = AGENT if side == CUSTOMER else CUSTOMER

    def pick_up_and_greet(self) -> None:
        """A person answers and says the first word after 0.1 to 1.6 s."""
        self.lift()
        self.wait(0.1, 1.6)
        self.say("word" if self.random.random() < 0.6 else "greeting", CUSTOMER)

    def ringing_or_not(self) -> float:
        """What is heard before an answer, in the usual shares; returns its length."""
        draw = self.random.random()
        if draw < 0.62:
            return self.ring(1.5, 22)
        if draw < 0.82:
            return self.colour_ring(3, 25)
        return 0.0

    def until(self, least: float, most: float) -> None:
        """The recording runs on for a while."""
        self.wait(least, most)

    def human(self, ring: float | None, also: tuple[str, ...] = ()) -> Truth:
        return Truth("human", True, True, self.answered_at, ring, also)

    def look_alikes(self, outcome: str) -> tuple[str, ...]:
        if self.has_country:
            return ()
        return tuple(sounds.tables()["look_alikes"].get(self.country, {}).get(outcome, ()))


Scenario = Callable[[Board], Truth]


# -- never answered


def _tone(board: Board, outcome: str, name: str | None = None) -> Truth:
    board.wait(0, 3)
    seconds = float(board.random.uniform(4, 25))
    board.now = board.put(
        CUSTOMER, sounds.progress_tone(board.country, name or outcome, seconds, board.random)
    )
    return Truth(outcome, False, False, also_acceptable=board.look_alikes(outcome))


def busy(board: Board) -> Truth:
    return _tone(board, "busy")


def congestion(board: Board) -> Truth:
    return _tone(board, "congestion")


def vacant(board: Board) -> Truth:
    board.country = "CN"
    return _tone(board, "invalid_number")


def no_answer(board: Board) -> Truth:
    return Truth("no_answer", False, False, None, board.ring(12, 60))


def dropped_in_first_ring(board: Board) -> Truth:
    """We gave up before the first ring was over: too little of it to name a tone is allowed."""
    on = sounds.tables()["countries"][board.country]["ringback"]["ms"][0] / 1000
    board.wait(0.0, 2)
    seconds = float(board.random.uniform(0.3, 0.95)) * on
    tone = sounds.progress_tone(board.country, "ringback", seconds, board.random)
    board.now = board.put(CUSTOMER, tone)
    return Truth("no_answer", False, False, None, seconds, ("unknown",))


def ring_then_nothing(board: Board) -> Truth:
    """Ringing stops and nothing follows: given up by the network or lifted without a sound."""
    ring = board.ring(5, 25)
    board.until(9, 25)
    return Truth("no_answer", None, False, None, ring, ("silence",))


def ring_then_busy(board: Board) -> Truth:
    """Rung, then refused or given up by the network: busy tone."""
    ring = board.ring(4, 30)
    board.now += float(board.random.uniform(0.05, 1.0))
    tone = sounds.progress_tone(
        board.country, "busy", float(board.random.uniform(3, 12)), board.random
    )
    board.now = board.put(CUSTOMER, tone)
    also = ("rejected", "no_answer", *board.look_alikes("busy"))
    return Truth("busy", False, False, None, ring, also)


def colour_ring_no_answer(board: Board) -> Truth:
    """Music until the end: by the sound alone the music of a called party that never lifted."""
    seconds = board.colour_ring(18, 55, with_words=board.random.random() < 0.25)
    return Truth("no_answer", None, False, None, seconds, ("music", "ivr"))


def information_tone(board: Board) -> Truth:
    board.wait(0, 3)
    tone, outcome = sounds.information_tone(board.random)
    for _ in range(int(board.random.integers(1, 4))):
        board.now = board.put(CUSTOMER, tone)
        board.wait(0.3, 2.5)
    # The US segments say more than the bare rise of frequencies.
    other = "congestion" if outcome == "invalid_number" else "invalid_number"
    return Truth(
        outcome, False, False, also_acceptable=(other, "network_failure", "out_of_service")
    )


_WORDS = (
    "ivr",
    "unknown",
    "congestion",
    "no_answer",
    "busy",
    "invalid_number",
    "unreachable",
    "switched_off",
    "out_of_service",
    "network_failure",
    "rejected",
)


def information_tone_with_words(board: Board) -> Truth:
    board.wait(0, 2)
    tone, outcome = sounds.information_tone(board.random)
    announcement = board.machine("announcement")
    for _ in range(int(board.random.integers(1, 3))):
        board.now = board.put(CUSTOMER, tone)
        board.wait(0.1, 0.8)
        board.now = board.put(CUSTOMER, announcement.signal)
        board.wait(0.5, 2)
    return Truth(
        outcome, False, False, also_acceptable=tuple(w for w in _WORDS if w not in ("ivr", outcome))
    )


def _announced(board: Board, times: int) -> str:
    announcement = board.machine("announcement")
    pause = float(board.random.uniform(0.6, 2.5))
    for _ in range(times):
        board.now = board.put(CUSTOMER, announcement.signal) + pause
    return announcement.outcome or "unknown"


def announcement(board: Board) -> Truth:
    """The network's words in place of an answer, repeated; what they mean only words can tell."""
    ring = board.ring(4, 30) if board.random.random() < 0.4 else 0.0
    board.wait(0.2, 2)
    outcome = _announced(board, int(board.random.integers(2, 5)))
    also = tuple(word for word in _WORDS if word != outcome)
    return Truth(outcome, None, False, None, None if ring else 0.0, also)


def announcement_then_busy(board: Board) -> Truth:
    board.wait(0.2, 3)
    outcome = _announced(board, int(board.random.integers(1, 4)))
    tone = sounds.progress_tone(
        board.country, "busy", float(board.random.uniform(3, 10)), board.random
    )
    board.now = board.put(CUSTOMER, tone)
    also = tuple(word for word in _WORDS if word != outcome)
    return Truth(outcome, None, False, None, 0.0, also)


# -- answered by a machine


def _machine(board: Board, outcome: str, ring: float | None, also: Sequence[str] = ()) -> Truth:
    return Truth(outcome, True, False, board.answered_at, ring, tuple(also))


def _greeted(board: Board, kind: str) -> float:
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1.5)
    board.now = board.put(CUSTOMER, board.machine(kind).signal)
    return ring


def _beep(board: Board) -> None:
    board.wait(0.1, 1.3)
    board.now = board.put(CUSTOMER, sounds.voicemail_beep(board.random))


def voicemail_with_beep(board: Board) -> Truth:
    ring = _greeted(board, "voicemail")
    _beep(board)
    board.until(0.5, 6)
    return _machine(board, "voicemail", ring)


def voicemail_without_beep(board: Board) -> Truth:
    """Hung up before the beep: a spoken greeting of a machine and no more."""
    ring = _greeted(board, "carrier" if board.random.random() < 0.6 else "voicemail")
    board.until(0.2, 1)
    return _machine(board, "voicemail", ring, ("ivr",))


def voicemail_of_the_carrier(board: Board) -> Truth:
    ring = _greeted(board, "carrier")
    _beep(board)
    board.until(0.5, 5)
    return _machine(board, "voicemail", ring)


def voicemail_with_message(board: Board) -> Truth:
    """The agent speaks on the tape after the beep."""
    ring = _greeted(board, "voicemail")
    _beep(board)
    board.wait(0.4, 2)
    for _ in range(int(board.random.integers(1, 5))):
        board.say("agent", AGENT)
        board.wait(0.2, 1.0)
    if board.random.random() < 0.2:
        _beep(board)
    return _machine(board, "voicemail", ring)


def menu(board: Board) -> Truth:
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1.2)
    for _ in range(int(board.random.integers(1, 4))):
        board.now = board.put(CUSTOMER, board.machine("ivr").signal)
        board.wait(0.6, 4)
        if board.random.random() < 0.4:
            keys = str(board.random.choice(list("0123456789*#")))
            board.now = board.put(AGENT, sounds.dialled_keys(keys, board.random))
            board.wait(0.3, 1.5)
    return _machine(board, "ivr", ring)


def menu_repeated(board: Board) -> Truth:
    """The same prompt again and again."""
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1.2)
    prompt = board.machine("ivr").signal
    pause = float(board.random.uniform(1, 5))
    for _ in range(int(board.random.integers(2, 5))):
        board.now = board.put(CUSTOMER, prompt) + pause
    return _machine(board, "ivr", ring)


def _music(board: Board, seconds: float) -> None:
    level = float(board.random.uniform(-34, -16))
    piece = sounds.at_level(board.speech.music(seconds, board.random), level)
    board.now = board.put(CUSTOMER, piece)


def queue(board: Board) -> Truth:
    """Waiting music with announcements between."""
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1)
    board.now = board.put(CUSTOMER, board.machine("queue").signal)
    for _ in range(int(board.random.integers(1, 4))):
        board.wait(0.1, 0.6)
        _music(board, float(board.random.uniform(6, 20)))
        board.wait(0.1, 0.6)
        board.now = board.put(CUSTOMER, board.machine("queue").signal)
    return _machine(board, "ivr", ring, ("music",))


def hold_music(board: Board) -> Truth:
    """Music and nothing else after pick-up."""
    ring = board.ring(2, 20)
    board.lift()
    board.wait(0.0, 1)
    _music(board, float(board.random.uniform(15, 60)))
    return _machine(board, "music", ring)


def fax_answering(board: Board) -> Truth:
    """The answering tone of a fax: 2100 Hz for 2.6 to 4 s (ITU-T T.30), perhaps the carrier after."""
    ring = board.ring(2, 15) if board.random.random() < 0.7 else 0.0
    board.lift()
    board.wait(0.2, 2)
    hz = 2100 * board.random.uniform(0.98, 1.02)
    level = float(board.random.uniform(-35, -8))
    tone = sounds.tone([hz], float(board.random.uniform(2.6, 4)))
    board.now = board.put(CUSTOMER, sounds.at_peak(tone, level))
    if board.random.random() < 0.5:
        board.now += 0.075
        carrier = sounds.noise("white", float(board.random.uniform(1, 4)), board.random)
        board.now = board.put(
            CUSTOMER, sounds.at_level(sounds.band_limit(carrier, 1200, 2400), level - 3)
        )
    board.until(0.5, 4)
    return _machine(board, "fax", ring)


def fax_calling(board: Board) -> Truth:
    """A fax that calls: 1100 Hz, 0.5 s on and 3 s off."""
    board.lift()
    board.wait(0.2, 2)
    pitch, pace = board.random.uniform(0.98, 1.02), board.random.uniform(0.9, 1.1)
    seconds = float(board.random.uniform(8, 20))
    tone = sounds.cadence([1100 * pitch], [500 * pace, 3000 * pace], seconds)
    board.now = board.put(CUSTOMER, sounds.at_peak(tone, float(board.random.uniform(-35, -8))))
    return _machine(board, "fax", 0.0)


def dead_air(board: Board) -> Truth:
    """Lifted, and nobody says anything on either side."""
    ring = board.ring(2, 15) if board.random.random() < 0.5 else 0.0
    board.lift()
    board.until(8, 30)
    return _machine(board, "silence", ring, ("no_answer",) if ring else ())


def dead_air_while_the_agent_asks(board: Board) -> Truth:
    """The agent says hello into a line on which nothing lives."""
    ring = board.ring(2, 15) if board.random.random() < 0.5 else 0.0
    board.lift()
    board.wait(0.5, 2.5)
    for _ in range(int(board.random.integers(2, 5))):
        board.say("hello", AGENT)
        board.wait(1.5, 4)
    return _machine(board, "silence", ring)


# -- answered by a person


def dialogue(board: Board) -> Truth:
    ring = board.ring(1.5, 28)
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(3, 14)), customer_first=False)
    if board.random.random() < 0.3:
        board.hang_up()
    return board.human(ring)


def dialogue_without_ringing(board: Board) -> Truth:
    """The recorder starts at the answer."""
    board.lift()
    if board.random.random() < 0.75:
        board.wait(0.1, 1.5)
        board.say("word" if board.random.random() < 0.6 else "greeting", CUSTOMER)
        board.talk(int(board.random.integers(3, 14)), customer_first=False)
    else:
        board.wait(0.3, 1.5)
        board.talk(int(board.random.integers(4, 14)), customer_first=False)
    return board.human(0.0)


def excerpt(board: Board) -> Truth:
    """Cut from the middle of a conversation."""
    board.answered_at = 0.0
    board.talk(int(board.random.integers(4, 16)), customer_first=board.random.random() < 0.5)
    return Truth("human", True, True, 0.0, 0.0)


def colour_ring_dialogue(board: Board) -> Truth:
    ring = board.colour_ring(2.5, 30)
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(3, 10)), customer_first=False)
    return board.human(ring)


def colour_ring_with_words_dialogue(board: Board) -> Truth:
    """An advertisement spoken over the music before the answer."""
    ring = board.colour_ring(6, 25, with_words=True)
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(3, 10)), customer_first=False)
    return board.human(ring)


def one_word(board: Board) -> Truth:
    """The customer says one word in the whole call."""
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1.5)
    board.say("word", CUSTOMER)
    for _ in range(int(board.random.integers(0, 5))):
        board.wait(0.3, 1.5)
        board.say("agent", AGENT)
    board.until(0.3, 3)
    if board.random.random() < 0.3:
        board.hang_up()
    return board.human(ring)


def silent_person(board: Board) -> Truth:
    """Somebody breathes, moves, and lets the agent talk; one time in two a murmur is heard."""
    ring = board.ring(2, 15)
    board.lift()
    start = board.now
    board.wait(0.6, 2)
    for _ in range(int(board.random.integers(2, 6))):
        board.say("agent" if board.random.random() < 0.7 else "hello", AGENT)
        board.wait(0.8, 2.5)
    at = start + float(board.random.uniform(0.1, 1))
    level = float(board.random.uniform(-46, -32))
    while at < board.now - 1:
        sound = sounds.breath if board.random.random() < 0.75 else sounds.knock
        board.put(CUSTOMER, sounds.at_peak(sound(board.random), level), at)
        at += float(board.random.uniform(2.5, 5))
    if board.random.random() < 0.5:
        murmur = sounds.held_vowel(board.random, float(board.random.uniform(0.25, 0.5)))
        board.put(
            CUSTOMER,
            sounds.at_level(murmur, board.customer_level - 6),
            float(board.random.uniform(start + 1, board.now)),
        )
    return board.human(ring, ("silence",))


def hangs_up_at_once(board: Board) -> Truth:
    """A short word, and the line is dead within a second or two."""
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 0.8)
    board.say("word", CUSTOMER)
    board.wait(0.1, 1)
    board.put(CUSTOMER, sounds.at_peak(sounds.knock(board.random), -24))
    board.hang_up()
    return board.human(ring)


def person_then_busy_tone(board: Board) -> Truth:
    """A conversation whose recording runs on into the busy tone."""
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(1, 6)), customer_first=False)
    board.ended_at = board.now
    board.now += 0.3
    tone = sounds.progress_tone(
        board.country, "busy", float(board.random.uniform(4, 15)), board.random
    )
    board.now = board.put(CUSTOMER, tone)
    return board.human(ring)


def abandoned(board: Board) -> Truth:
    """A person answers, says hello into nothing, and gives up."""
    ring = board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1.2)
    for _ in range(int(board.random.integers(2, 5))):
        board.say("word" if board.random.random() < 0.7 else "greeting", CUSTOMER)
        board.wait(0.8, 2.5)
    board.hang_up()
    return board.human(ring)


def agent_holds_forth(board: Board) -> Truth:
    """The agent talks and talks; the customer gives back-channels alone."""
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    for _ in range(int(board.random.integers(3, 9))):
        board.wait(0.2, 0.7)
        start = board.now
        board.say("agent", AGENT)
        if board.random.random() < 0.5:
            board.put(
                CUSTOMER,
                board.take("word", CUSTOMER).signal,
                float(board.random.uniform(start + 0.3, board.now)),
            )
    return board.human(ring)


def keys_in_conversation(board: Board) -> Truth:
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(2, 6)), customer_first=False)
    side = CUSTOMER if board.random.random() < 0.6 else AGENT
    keys = "".join(board.random.choice(list("0123456789"), int(board.random.integers(1, 9))))
    board.wait(0.3, 1)
    board.now = board.put(side, sounds.dialled_keys(keys, board.random))
    board.talk(int(board.random.integers(1, 5)), customer_first=False)
    return board.human(ring)


def person_whistles_or_sings(board: Board) -> Truth:
    """Whistling, humming, a sung or held vowel: voices that come near to tones."""
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    board.wait(0.3, 1)
    for _ in range(int(board.random.integers(1, 4))):
        seconds = float(board.random.uniform(0.8, 5))
        draw = board.random.random()
        wave = (
            sounds.whistle(board.random, seconds)
            if draw < 0.4
            else sounds.held_vowel(board.random, seconds, sing=draw < 0.7)
        )
        board.now = board.put(CUSTOMER, sounds.at_level(wave, board.customer_level))
        board.wait(0.3, 2)
        board.say("agent" if board.random.random() < 0.6 else "hello", AGENT)
    return board.human(ring)


def creatures_in_the_room(board: Board) -> Truth:
    """A dog, a baby, a bird in the room of a person who talks."""
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    start = board.now
    board.talk(int(board.random.integers(3, 9)), customer_first=False)
    for _ in range(int(board.random.integers(2, 7))):
        level = board.customer_level - float(board.random.uniform(0, 15))
        board.put(
            CUSTOMER,
            sounds.at_level(board.speech.creature(board.random), level),
            float(board.random.uniform(start, board.now)),
        )
    return board.human(ring)


def put_on_hold(board: Board) -> Truth:
    """A person, then the music of being put on hold, and sometimes the person again."""
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(2, 6)), customer_first=False)
    board.wait(0.3, 1)
    _music(board, float(board.random.uniform(8, 30)))
    if board.random.random() < 0.6:
        board.wait(0.2, 1)
        board.talk(int(board.random.integers(2, 6)))
    return board.human(ring)


def menu_then_person(board: Board) -> Truth:
    """A switchboard's menu, some music or ringing, and then somebody answers."""
    board.ringing_or_not()
    board.lift()
    board.wait(0.1, 1)
    board.now = board.put(CUSTOMER, board.machine("ivr").signal)
    board.wait(0.3, 1)
    if board.random.random() < 0.5:
        _music(board, float(board.random.uniform(4, 12)))
    else:
        board.ring(3, 10)
    board.wait(0.2, 1)
    board.say("greeting", CUSTOMER)
    board.talk(int(board.random.integers(3, 9)), customer_first=False)
    return Truth("human", True, True, None, None)


def long_conversation(board: Board) -> Truth:
    ring = board.ringing_or_not()
    board.pick_up_and_greet()
    board.talk(int(board.random.integers(50, 140)), customer_first=False)
    return board.human(ring)


# -- fragments and files that are none


def fragment_of_silence(board: Board) -> Truth:
    board.until(0.2, 1)
    return Truth("silence", None, False, None, 0.0, ("unknown", "no_answer"))


def fragment_of_ringing(board: Board) -> Truth:
    seconds = float(board.random.uniform(0.2, 0.8))
    tone = sounds.progress_tone(board.country, "ringback", seconds, board.random)
    board.now = board.put(CUSTOMER, tone)
    return Truth("no_answer", None, False, None, None, ("unknown",))


def fragment_of_speech(board: Board) -> Truth:
    """Half a second of two people's talk is a person's; a shorter scrap may stay unknown."""
    board.answered_at = 0.0
    clip = board.take("customer", CUSTOMER).signal
    start = int(board.random.integers(0, max(1, len(clip) - RATE)))
    board.now = board.put(
        CUSTOMER, clip[start : start + round(board.random.uniform(0.5, 1) * RATE)]
    )
    return Truth("human", None, None, None, None, ("unknown", "ivr", "voicemail", "silence"))


def header_alone(board: Board) -> Truth:
    return Truth("unreadable", None, None, None, None)


def text_for_sound(board: Board) -> Truth:
    return Truth("unreadable", None, None, None, None)


SCENARIOS: dict[str, tuple[float, Scenario]] = {
    # Shares in percent of a set; people as often as in a centre with a good list.
    "busy": (4, busy),
    "congestion": (3.5, congestion),
    "vacant": (2, vacant),
    "no_answer": (4, no_answer),
    "dropped_in_first_ring": (2, dropped_in_first_ring),
    "ring_then_nothing": (1, ring_then_nothing),
    "ring_then_busy": (2, ring_then_busy),
    "colour_ring_no_answer": (2, colour_ring_no_answer),
    "information_tone": (1.5, information_tone),
    "information_tone_with_words": (2, information_tone_with_words),
    "announcement": (3, announcement),
    "announcement_then_busy": (1.5, announcement_then_busy),
    "voicemail_with_beep": (4, voicemail_with_beep),
    "voicemail_without_beep": (1.5, voicemail_without_beep),
    "voicemail_of_the_carrier": (2.5, voicemail_of_the_carrier),
    "voicemail_with_message": (3, voicemail_with_message),
    "menu": (4, menu),
    "menu_repeated": (1.5, menu_repeated),
    "queue": (1.5, queue),
    "hold_music": (2, hold_music),
    "fax_answering": (1.5, fax_answering),
    "fax_calling": (1, fax_calling),
    "dead_air": (2, dead_air),
    "dead_air_while_the_agent_asks": (2, dead_air_while_the_agent_asks),
    "dialogue": (13, dialogue),
    "dialogue_without_ringing": (4, dialogue_without_ringing),
    "excerpt": (2, excerpt),
    "colour_ring_dialogue": (4, colour_ring_dialogue),
    "colour_ring_with_words_dialogue": (2, colour_ring_with_words_dialogue),
    "one_word": (3.5, one_word),
    "silent_person": (1.5, silent_person),
    "hangs_up_at_once": (2, hangs_up_at_once),
    "person_then_busy_tone": (1.5, person_then_busy_tone),
    "abandoned": (2.5, abandoned),
    "agent_holds_forth": (2, agent_holds_forth),
    "keys_in_conversation": (1.5, keys_in_conversation),
    "person_whistles_or_sings": (1.5, person_whistles_or_sings),
    "creatures_in_the_room": (1.5, creatures_in_the_room),
    "put_on_hold": (1, put_on_hold),
    "menu_then_person": (1, menu_then_person),
    "long_conversation": (0.4, long_conversation),
    "fragment_of_silence": (0.6, fragment_of_silence),
    "fragment_of_ringing": (0.6, fragment_of_ringing),
    "fragment_of_speech": (0.6, fragment_of_speech),
    "header_alone": (0.4, header_alone),
    "text_for_sound": (0.4, text_for_sound),
}
