"""When somebody says a thing is to happen: "明天下午三点", "next Tuesday at half past ten", "in an hour".

What is said is kept in parts, as it was said; which moment that is follows from when and in which time
zone it was said, and is not decided here.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

_DIGITS: Final = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_NUMBER: Final = r"(?:[0-9]{1,2}|[零〇一二两三四五六七八九十]{1,3})"
_WORDS: Final = {
    word: number
    for number, words in enumerate(
        (
            ("zero",),
            ("one", "a", "an"),
            ("two",),
            ("three",),
            ("four",),
            ("five",),
            ("six",),
            ("seven",),
            ("eight",),
            ("nine",),
            ("ten",),
            ("eleven",),
            ("twelve",),
        )
    )
    for word in words
}
_ENGLISH: Final = r"(?:[0-9]{1,2}|" + "|".join(sorted(_WORDS, key=len, reverse=True)) + ")"

_DAYS_ZH: Final = {
    "今天": 0,
    "今日": 0,
    "今晚": 0,
    "明天": 1,
    "明日": 1,
    "明晚": 1,
    "后天": 2,
    "大后天": 3,
}
_DAYS_EN: Final = {"today": 0, "tonight": 0, "tomorrow": 1, "day after tomorrow": 2}
_WEEKDAYS_ZH: Final = {c: n for n, c in enumerate("一二三四五六日", 1)} | {"天": 7}
_WEEKDAYS_EN: Final = {
    day: n
    for n, day in enumerate(
        ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), 1
    )
}
# The hour that a part of a day stands for where no hour is said, and whether hours up to 11 then mean
# the afternoon.
_PARTS: Final[dict[str, tuple[str, int, bool]]] = {
    "早上": ("morning", 9, False), "上午": ("morning", 10, False), "中午": ("noon", 12, False),
    "下午": ("afternoon", 15, True), "傍晚": ("evening", 18, True), "晚上": ("evening", 19, True),
    "今晚": ("evening", 19, True), "明晚": ("evening", 19, True), "晚些": ("afternoon", 15, True),
    "morning": ("morning", 10, False), "noon": ("noon", 12, False),
    "afternoon": ("afternoon", 15, True), "evening": ("evening", 19, True),
    "tonight": ("evening", 19, True),
}  # fmt: skip
# An hour said alone is within the hours in which people call: 1 to 7 is the afternoon.
_FIRST_MORNING_HOUR: Final = 8

_AHEAD_ZH: Final = re.compile(
    rf"(?:({_NUMBER})个?半?(?:小时|钟头)|(半)个?(?:小时|钟头)|({_NUMBER})分钟|({_NUMBER})天)(?:以?后|之后)"
)
_DAY_ZH: Final = re.compile("大后天|后天|明天|明日|明晚|今天|今日|今晚")
_WEEKDAY_ZH: Final = re.compile("(下+|这|本)?个?(?:周|星期|礼拜)([一二三四五六日天])")
_WEEK_ZH: Final = re.compile("下个?(?:周|星期|礼拜)(?![一二三四五六日天])")
_PART_ZH: Final = re.compile("早上|上午|中午|下午|傍晚|晚上|今晚|明晚")
_CLOCK_ZH: Final = re.compile(
    rf"(?<!第)({_NUMBER})(?:点钟?|时)(?:(半)|(一刻)|(三刻)|({_NUMBER})分?)?|([0-9]{{1,2}})[:：]([0-9]{{2}})"
)

_AHEAD_EN: Final = re.compile(
    rf"\bin (?:(half an hour)|(?:about )?({_ENGLISH})(?: or so)? (minutes?|hours?|days?))\b"
)
_DAY_EN: Final = re.compile(r"\b(day after tomorrow|tomorrow|today|tonight)\b")
_WEEKDAY_EN: Final = re.compile(rf"\b(next |this )?({'|'.join(_WEEKDAYS_EN)})\b")
_WEEK_EN: Final = re.compile(r"\bnext week\b")
_PART_EN: Final = re.compile(r"\b(morning|noon|afternoon|evening|tonight)\b")
_CLOCK_EN: Final = re.compile(
    rf"\b(?:(half) past|(quarter) past|(quarter) to) ({_ENGLISH})\b"
    rf"|\b(?:at|after|around|about|before|by) ({_ENGLISH})(?::([0-9]{{2}}))?"
    r"(?: ?o.?clock)?(?: ?([ap])\.?m\b)?"
    r"|\b([0-9]{1,2})(?::([0-9]{2}))? ?([ap])\.?m\b|\b([0-9]{1,2}):([0-9]{2})\b"
)


@dataclass(frozen=True)
class SpokenMoment:
    """The parts of a time that were said; None: not said.

    minutes_ahead: from when it was said on, and then nothing else is
    days_ahead: 0 today, 1 tomorrow; weekday: 1 Monday to 7 Sunday; weeks_ahead: 1 is next week's
    hour, minute: on a clock of 24 hours; part: morning, noon, afternoon, evening
    is_exact: an hour was said, and not only a day or a part of one
    """

    minutes_ahead: int | None = None
    days_ahead: int | None = None
    weekday: int | None = None
    weeks_ahead: int | None = None
    hour: int | None = None
    minute: int | None = None
    part: str | None = None
    is_exact: bool = False

    def as_item(self) -> dict[str, Any]:
        """The parts that were said."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def spoken_moment(text: str) -> SpokenMoment | None:
    """The first time that a text names, in Chinese or English; None where it names none."""
    plain = text.lower()
    ahead = _minutes_ahead(plain)
    if ahead is not None:
        return SpokenMoment(minutes_ahead=ahead, is_exact=ahead < 24 * 60)
    days, weekday, weeks = _day(plain)
    found = _PART_ZH.search(plain) or _PART_EN.search(plain)
    part, usual_hour, is_late = _PARTS[found[0]] if found else (None, None, False)
    clock = _clock(plain, is_late, part)
    if clock is None and part is None and days is None and weekday is None and weeks is None:
        return None
    hour, minute = clock or (usual_hour, 0 if usual_hour is not None else None)
    return SpokenMoment(
        days_ahead=days,
        weekday=weekday,
        weeks_ahead=weeks,
        hour=hour,
        minute=minute,
        part=part,
        is_exact=clock is not None,
    )


def _number(text: str) -> int:
    """A number of up to two digits in figures, Chinese or English."""
    if text.isdigit():
        return int(text)
    if text in _WORDS:
        return _WORDS[text]
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return int("".join(str(_DIGITS[character]) for character in text))
    return (_DIGITS[tens[-1]] if tens else 1) * 10 + (_DIGITS[ones[-1]] if ones else 0)


def _minutes_ahead(text: str) -> int | None:
    found = _AHEAD_ZH.search(text)
    if found:
        hours, half, minutes, days = found.groups()
        if half:
            return 30
        if hours:
            return _number(hours) * 60 + (30 if "半" in found[0] else 0)
        return _number(minutes) if minutes else _number(days) * 24 * 60
    found = _AHEAD_EN.search(text)
    if not found:
        return None
    if found[1]:
        return 30
    size = {"m": 1, "h": 60, "d": 24 * 60}[found[3][0]]
    return _number(found[2]) * size


def _day(text: str) -> tuple[int | None, int | None, int | None]:
    """Days ahead, weekday, weeks ahead."""
    found = _DAY_ZH.search(text)
    if found:
        return _DAYS_ZH[found[0]], None, None
    found = _WEEKDAY_ZH.search(text)
    if found:
        weeks = len(found[1]) if found[1] and found[1].startswith("下") else None
        return None, _WEEKDAYS_ZH[found[2]], weeks
    found = _DAY_EN.search(text)
    if found:
        return _DAYS_EN[found[1]], None, None
    found = _WEEKDAY_EN.search(text)
    if found:
        return None, _WEEKDAYS_EN[found[2]], 1 if found[1] == "next " else None
    if _WEEK_ZH.search(text) or _WEEK_EN.search(text):
        return None, None, 1
    return None, None, None


def _clock(text: str, is_late: bool, part: str | None) -> tuple[int, int] | None:
    """Hour and minute of 24, or None where none is said."""
    found = _CLOCK_ZH.search(text)
    if found and (found[1] or found[6]):
        hour_text, half, quarter, three, minutes, hour_figures, minute_figures = found.groups()
        hour = _number(hour_text or hour_figures)
        minute = 30 if half else 15 if quarter else 45 if three else 0
        if minutes or minute_figures:
            minute = _number(minutes or minute_figures)
        return _of_the_day(hour, minute, is_late, part, is_figures=bool(hour_figures))
    found = _CLOCK_EN.search(text)
    if not found:
        return None
    half, past, to, of_hour, at, at_minutes, at_half, on, on_minutes, on_half, figures, tail = (
        found.groups()
    )
    if of_hour:
        whole = _number(of_hour) - (1 if to else 0)
        return _of_the_day(whole, 30 if half else 15 if past else 45, is_late, part)
    number = _number(at or on or figures)
    minutes_said = int(at_minutes or on_minutes or tail or 0)
    half_of_day = at_half or on_half
    if half_of_day:
        number = number % 12 + (12 if half_of_day == "p" else 0)
        return (number, minutes_said) if minutes_said < 60 else None
    return _of_the_day(number, minutes_said, is_late, part, is_figures=bool(figures))


def _of_the_day(
    hour: int, minute: int, is_late: bool, part: str | None, is_figures: bool = False
) -> tuple[int, int] | None:
    if hour > 24 or minute > 59:
        return None
    is_afternoon = is_late or (part is None and not is_figures and hour < _FIRST_MORNING_HOUR)
    if hour < 12 and (is_afternoon or (part == "noon" and hour in (1, 2))):
        hour += 12
    return hour % 24, minute
