"""What a reader sees of a period's figures, in every format."""

from __future__ import annotations

import html
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from report_data import FIGURES as DAY
from report_data import HIT, YESTERDAY, document, rows, sentences

from callmart import fonts
from callmart.contracts import load_entities
from callmart.contracts.outcomes import OUTCOMES
from callmart.reports import rendering
from callmart.reports.document import (
    Document,
    contributions,
    difference,
    is_beyond_chance,
    languages,
    load_words,
    wilson,
    write,
)
from callmart.reports.rendering import NoPdfError, render, to_pdf
from callmart.reports.sections import AUDIENCES, FIGURES
from callmart.reports.workbook import write_xlsx
from callmart.settings import PROJECT_ROOT

EVIL = "<script>alert('x')</script>&"
BOTH = pytest.mark.parametrize("language", ["en", "zh"])
EACH = pytest.mark.parametrize("audience", sorted(AUDIENCES))


@BOTH
@EACH
def test_every_audience_has_its_figures_sentences_and_tables(audience: str, language: str) -> None:
    made = document(audience, language)
    shown = render(made, "s3://b/reports/x.html")
    assert f'<html lang="{language}">' in shown.page
    for part in (shown.page, shown.mail_html, shown.mail_text):
        for figure in made.figures:
            assert figure.text in part
        for section in made.sections:
            assert section.title in part
            assert section.sentences, section.name
    for figure in made.figures:
        assert figure.definition in html.unescape(shown.page)
    assert shown.page.count("<svg") == sum(len(part.charts) for part in made.sections)
    assert "<svg" not in shown.mail_html
    assert "s3://b/reports/x.html" in shown.mail_html
    assert "s3://b/reports/x.html" in shown.mail_text
    # 16:30 UTC is the next day in Shanghai.
    assert "2026-11-19 00:30" in shown.page
    assert not re.search(r"(?:src|action)\s*=|url\(|@import|<link|<script|href", shown.page)


def test_an_english_report_holds_no_chinese_word() -> None:
    for audience in AUDIENCES:
        page = render(document(audience), None).page
        assert not re.findall("[\u4e00-\u9fff]+", page), audience


@pytest.mark.parametrize(
    ("name", "before", "now", "shown", "tone"),
    [
        ("attempts", 180, 200, "▲ 20", "same"),
        ("connection_ratio", 0.325, 0.3, "▼ 2.5 pp", "bad"),
        ("connection_ratio", 0.3, 0.325, "▲ 2.5 pp", "good"),
        ("abandonment_ratio", 0.05, 0.1, "▲ 5.0 pp", "bad"),
        ("abandonment_ratio", 0.1, 0.05, "▼ 5.0 pp", "good"),
        ("abandonment_ratio", 0.1, 0.10001, "=", "same"),
        ("rule_violations", 5, 9, "▲ 4", "bad"),
        ("phrase_violations", 2000, 1, "▼ 1,999", "good"),
        ("average_talk_seconds", 100, 130.4, "▲ 30 s", "same"),
        ("customers_reached", 9, 9, "=", "same"),
        ("abandonment_ratio", None, 0.1, "", "same"),
        ("abandonment_ratio", 0.1, None, "", "same"),
    ],
)
def test_a_change_is_coloured_by_what_it_means(
    name: str, before: Any, now: Any, shown: str, tone: str
) -> None:
    form, rise_is_good, _ = FIGURES[name]
    assert difference(now, before, form, rise_is_good, load_words("en")) == (shown, tone)


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (None, "ratio", "–"), (Decimal("0.3629"), "ratio", "36.3 %"), (59.6, "seconds", "1:00"),
        (59, "seconds", "59 s"), (3700, "seconds", "1:01:40"), (1234567, "count", "1,234,567"),
        (61999, "place", "1:01"), (0, "place", "0:00"), (Decimal("12000.50"), "number", "12,000.5"),
        (-4.25, "change", "-4.2"), ("", "text", "–"),
    ],
)  # fmt: skip
def test_values_are_written_in_their_form(value: Any, form: str, shown: str) -> None:
    from zoneinfo import ZoneInfo

    assert write(value, form, load_words("en"), ZoneInfo("UTC")) == shown


# --- sentences ------------------------------------------------------------------------------------

NOBODY = {"attempts": 0, "answered": 0, "connected": 0, "connection_ratio": None}
SAID: list[tuple[str, str, dict[str, Any], str, str]] = [
    # audience, section, rows, what is said, what is not
    ("management", "reach", {}, "60 of 200 attempts reached a person (30.0 %)", "No outbound"),
    ("management", "reach", {}, "20.0 percentage points less than in 2026-11-17", "more than in"),
    ("management", "reach", {}, "larger than chance", "Chance alone can"),
    ("management", "reach", {"figures": [{**DAY, **NOBODY}]}, "No outbound call", "percentage"),
    ("management", "reach",
     {"figures": [{**DAY, "connected": 98, "connection_ratio": Decimal("0.49")}]},
     "Chance alone can", "larger than"),
    ("management", "reach",
     {"figures": [{**DAY, "connected": 100, "connection_ratio": Decimal("0.5")}]},
     "as much as in", "percentage"),
    ("management", "why", {}, "By line, L1 adds most to it: -17.8 of -20.0 points", "L2 adds"),
    ("management", "tiers", {}, "3 customers stand in tier A, 4 in tier D, of 7", "No customer"),
    ("management", "tiers", {}, "1 rose to a better tier, 0 fell", "No customer changed"),
    ("management", "tiers", {"tier_moves": []}, "No customer changed tiers", "rose"),
    ("management", "tiers", {"tiers": []}, "No customer could be judged", "tier A"),
    ("management", "demands", {}, "5 demands were open at the end; 2 were won and 6 lost", "no dem"),
    ("management", "demands", {}, "worth 12,000 CNY (4 name a value)", "None"),
    ("management", "demands", {"funnel": []}, "tracks no demands", "open"),
    ("team_leads", "agents", {},
     "Kim connects less than the agents who dial do together: 11.1 % of 90", "No agent"),
    ("team_leads", "agents", {},
     "A2 connects more than the agents who dial do together: 45.5 % of 110", "No agent"),
    ("team_leads", "agents", {"agents": [
        {**rows()["agents"][0], "connected": 90}, {**rows()["agents"][1], "connected": 50},
    ]}, "2 agents were at work", "connects"),
    ("team_leads", "agents", {"agents": []}, "No agent was at work", "connects"),
    ("team_leads", "coaching", {}, "1 moments are worth going through, 1 of them critical", "Most"),
    ("team_leads", "coaching", {"coaching": [{**HIT, "context": None, "found": 3, "agent_id": a,
                                              "agent_name": None} for a in "XXY"]},
     "Most of them are X's (2)", "No agent"),
    ("team_leads", "coaching", {"coaching": [{**HIT, "context": None, "found": 2, "agent_id": a,
                                              "agent_name": None} for a in "XY"]},
     "2 moments", "Most of them"),
    ("team_leads", "coaching", {"coaching": []}, "No agent broke a phrase rule", "moments"),
    ("team_leads", "adherence", {}, "Below 90.0 %: 1; the lowest is Kim with 70.0 %", "Nobody"),
    ("team_leads", "adherence", {"agents": [{**rows()["agents"][0], "adherence": 0.95,
                                             "found": 1}]}, "Nobody is below 90.0 %", "lowest"),
    ("team_leads", "adherence", {"agents": []}, "No schedule", "Below"),
    ("quality", "inspection", {}, "7 phrase violations in 30 calls", "No call"),
    ("quality", "inspection", {"figures": [{**DAY, "transcribed": 0}]}, "No call has", "7 phrase"),
    ("quality", "worklist", {}, "1 hits wait for a verdict, 1 of them critical", "Every hit"),
    ("quality", "worklist", {"worklist": []}, "Every hit has its verdict", "wait"),
    ("quality", "precision", {}, "right is One: 75.0 % of 8 (95 % interval 41.0 % to 93.0 %)", "No"),
    ("quality", "precision", {"precision": []}, "No hit was reviewed at random", "often right is"),
    ("quality", "rules", {}, "1,234 breaches of sales rules, 3 critical", "No sales rule"),
    ("quality", "rules", {"rules": []}, "No sales rule was broken", "breaches"),
    ("operations", "lines", {}, "L1 may be flagged", "marked by"),
    ("operations", "lines", {"lines": [{**rows()["lines"][0], "verdict": "marked"}]},
     "The number of L1 was marked", "may be flagged"),
    ("operations", "lines", {"lines": [{**rows()["lines"][0], "is_suspected_flagged": False}]},
     "None of 1 lines", "L1 may"),
    ("operations", "lines", {"lines": []}, "No line was dialled", "None of"),
    ("operations", "abandonment", {}, "6 of 60 people who answered met no agent (10.0 %)", "Most"),
    ("operations", "abandonment", {"figures": [{**DAY, "connected": 0}]}, "nobody could", "met no"),
    ("operations", "breaches", {}, "1 calls lay outside", "Every call"),
    ("operations", "breaches", {"breaches": []}, "Every call lay within", "outside"),
    # The best hour is 10, not 11 with its nine attempts.
    ("operations", "hours", {}, "best hour was 10:00: 36.6 % of 41 attempts", "No hour"),
    ("operations", "hours", {"hourly": rows()["hourly"][2:]}, "No hour had 10 attempts", "best h"),
    ("operations", "hours", {"hourly": []}, "No outbound call", "best hour"),
    ("operations", "routes", {}, "27 of 30 callers reached a person (90.0 %)", "Nobody"),
    ("operations", "routes", {"routes": []}, "Nobody called in", "reached"),
    ("operations", "state", {}, "3 delivered items lie in quarantine", "Nothing lies"),
]  # fmt: skip


@pytest.mark.parametrize(("audience", "section", "changes", "said", "unsaid"), SAID)
def test_a_sentence_is_true_of_its_numbers(
    audience: str, section: str, changes: dict[str, Any], said: str, unsaid: str
) -> None:
    text = sentences(document(audience, **changes), section)
    assert said in text
    assert unsaid not in text


def test_without_an_earlier_period_nothing_is_compared() -> None:
    made = document(compared=False)
    assert "no earlier period" in made.subtitle
    assert sentences(made, "why") == "There is no earlier period to compare with."
    assert not any(figure.comparisons for figure in made.figures)


COUNTS = st.dictionaries(
    st.sampled_from("abcde"),
    st.integers(0, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    max_size=5,
)


@given(COUNTS, COUNTS)
def test_what_members_add_sums_to_the_change(now: Any, before: Any) -> None:
    parts = [
        [{"member": m, "attempts": a, "connected": c} for m, (a, c) in counts.items()]
        for counts in (now, before)
    ]
    totals = [
        [sum(pair[i] for pair in counts.values()) for i in (0, 1)] for counts in (now, before)
    ]
    found = contributions(*parts)
    if all(attempts for attempts, _ in totals):
        change = totals[0][1] / totals[0][0] - totals[1][1] / totals[1][0]
        assert sum(part for _, part in found) == pytest.approx(change, abs=1e-9)
    else:
        assert found == []


def test_intervals_and_chance_follow_the_textbook() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:857), 81 of 263, method 3.
    low, high = wilson(81, 263) or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) is None
    assert is_beyond_chance(60, 200, 90, 180)
    assert not is_beyond_chance(6, 20, 9, 18)
    assert not is_beyond_chance(0, 20, 0, 18)


# --- what may stand in the data -------------------------------------------------------------------


def test_markup_in_the_data_stays_text() -> None:
    made = document(
        "team_leads",
        coaching=[{**HIT, "context": EVIL, "agent_name": EVIL}],
        agents=[{**rows()["agents"][0], "agent_name": EVIL, "team": EVIL}],
    )
    shown = render(made, None)
    for part in (shown.page, shown.mail_html):
        assert "<script" not in part
        assert "alert(" in part


def test_long_names_and_missing_values_leave_the_page_whole() -> None:
    lines = [{**rows()["lines"][0], "line_id": "N" * 5000, "group_ratio": None, "line_group": None}]
    page = render(document("operations", lines=lines), None).page
    assert "N" * 5000 in page
    assert "overflow-wrap: anywhere" in page
    assert "None" not in page


def test_a_bar_says_its_numbers_on_hover() -> None:
    page = render(document(), None).page
    assert "<title>hour: 9; calls: 40; connected</title>" in page
    assert "<summary>numbers</summary>" in page


def test_a_limit_says_how_many_it_left_out() -> None:
    assert "… and 8 more" in render(document(), None).page


def test_a_reader_sees_what_he_may() -> None:
    page = render(document("team_leads", view={"shows_names": False, "shows_quotes": False}), None)
    assert "Kim" not in page.page
    assert "he said it" not in page.page
    assert "Kim" in render(document("team_leads"), None).page


@pytest.mark.parametrize("ui_url", ["https://ui.test/", "https://ui.test/plugin/callmart"])
def test_evidence_is_linked_where_the_pages_are_named(ui_url: str) -> None:
    made = document("team_leads", view={"ui_url": ui_url})
    page = render(made, None).page
    assert 'href="https://ui.test/callmart/calls/c%2F1#t=61"' in page
    assert set(re.findall(r'href="https?://([^/]+)/', page)) == {"ui.test"}


@BOTH
def test_codes_that_are_new_are_shown_as_they_are(language: str) -> None:
    made = document(
        "management",
        language,
        outcomes=[{"outcome": "teleported", "calls": 1}],
        funnel=[{"stage": "custom_pilot", "demands": 1}],
    )
    page = render(made, None).page
    assert "teleported" in page
    assert "custom_pilot" in page


# --- XLSX -----------------------------------------------------------------------------------------


@BOTH
@EACH
def test_a_workbook_has_a_sheet_a_section_with_native_charts(audience: str, language: str) -> None:
    made = document(audience, language)
    book = load_workbook(io.BytesIO(write_xlsx(made)))
    assert len(book.worksheets) == 1 + len(made.sections)
    for sheet, section in zip(book.worksheets[1:], made.sections, strict=True):
        assert sheet["A1"].value == section.title
        assert len(sheet._charts) == len(section.charts)
        filled = [table for table in section.tables if table.rows]
        assert len(sheet.tables) == len(filled) + len(section.charts)
        if filled:
            assert sheet.freeze_panes == "B5"
        assert all(table.autoFilter for table in sheet.tables.values())
    overview = book.worksheets[0]
    for row, figure in enumerate(made.figures, start=5):
        cell = overview.cell(row, 2)
        held = cell.value.total_seconds() if figure.form == "seconds" else cell.value
        assert float(held) == pytest.approx(float(figure.value))
        if figure.form == "ratio":
            assert cell.number_format == "0.0%"


@pytest.mark.parametrize("text", ["=1+1", "@x", "+1", "-1", '=HYPERLINK("http://x")', "\x01\x0b"])
def test_no_cell_becomes_a_formula(text: str) -> None:
    made = document(
        "team_leads",
        coaching=[{**HIT, "context": text, "agent_name": text, "call_id": text}],
        agents=[{**rows()["agents"][0], "agent_name": text, "team": text}],
    )
    book = load_workbook(io.BytesIO(write_xlsx(made)))
    cells = [cell for sheet in book.worksheets for line in sheet.iter_rows() for cell in line]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    wanted = re.sub(r"[\x00-\x1f]", "\ufffd", text)
    held = [cell for cell in cells if cell.value == wanted]
    assert held
    assert all(cell.quotePrefix for cell in held)


# --- PDF ------------------------------------------------------------------------------------------


def pdf_of(made: Document) -> bytes:
    try:
        return to_pdf(render(made, None).page)
    except NoPdfError as error:
        pytest.skip(str(error))


@BOTH
def test_a_pdf_is_a4_with_its_fonts_inside(language: str) -> None:
    pdf = pdf_of(document("quality", language))
    pypdf = pytest.importorskip("pypdf", reason="reads the PDF back")
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    count = len(reader.pages)
    assert count >= 1
    for number, page in enumerate(reader.pages, start=1):
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
        assert f"{number} / {count}" in page.extract_text()
        for font in page["/Resources"]["/Font"].values():
            descended = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = descended["/FontDescriptor"].get_object()
            assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor)


def test_a_pdf_is_an_a4_file() -> None:
    pdf = pdf_of(document("quality"))
    assert pdf.startswith(b"%PDF-")


def test_without_a_chinese_font_no_pdf_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    with pytest.raises(NoPdfError, match="fonts-noto-cjk"):
        to_pdf("<p>日报</p>")

    def away(_: str) -> None:
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(rendering.importlib, "import_module", away)
    with pytest.raises(NoPdfError, match="libpango"):
        to_pdf("<p>report</p>")


# --- the locales ----------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """A locale's structure: keys, lengths of lists, and the places in each sentence."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return sorted(re.findall(r"{(\w+)}", value))


def test_the_locales_say_the_same_things() -> None:
    assert languages() == ["en", "zh"]
    assert shape(load_words("en")) == shape(load_words("zh"))


@BOTH
def test_every_code_of_the_contract_has_a_label(language: str) -> None:
    words = load_words(language)
    assert set(words["outcomes"]) == OUTCOMES
    assert set(words["figures"]) == set(FIGURES)
    assert set(words["audiences"]) == set(AUDIENCES)
    seed = (PROJECT_ROOT / "dbt" / "seeds" / "rule_types.csv").read_text(encoding="utf-8")
    types = {line.split(",")[0] for line in seed.splitlines()[1:]}
    assert set(words["rule_types"]) == types
    assert set(words["stages"]) == set(load_entities()["demands"].columns["stage"].values)
    assert {"critical", "major", "minor"} == set(words["severities"])


def test_yesterday_is_worse_or_better_by_colour() -> None:
    [ratio] = [figure for figure in document().figures if figure.name == "connection_ratio"]
    assert [(each.text, each.tone) for each in ratio.comparisons] == [("▼ 20.0 pp", "bad")]
    assert ratio.n == DAY["attempts"]
    assert ratio.comparisons[0].value == YESTERDAY["connection_ratio"]
