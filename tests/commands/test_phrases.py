"""`callmart phrases` and `callmart rules` as seen from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callmart.cli import main

RULES = """\
version: 1
rules:
  - id: promise
    severity: critical
    role: agent
    any: [保证收益]
    homophones: true
  - id: notice
    severity: major
    role: agent
    require: [录音]
    when: connected
"""
BAD_RULES = RULES + "    colour: red\n"
KEYS = [
    *("call_id", "rule_id", "kind", "role", "start_ms", "end_ms"),
    *("segment_index", "segment_end_index", "char_start", "char_end"),
    *("text", "severity", "points"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(BAD_RULES, encoding="utf-8")
    segments = [{"role": "agent", "start_ms": 500, "end_ms": 900, "text": "我们保证收意"}]
    (tmp_path / "a.json").write_text(
        json.dumps({"segments": segments, "language": "zh"}), encoding="utf-8"
    )
    (tmp_path / "b.srt").write_bytes(
        "1\n00:00:01,000 --> 00:00:02,000\n客服：保证收益\n".encode("gb18030")
    )
    (tmp_path / "broken.json").write_text('{"segments": [{"text": "\\ud800"}]}')
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_hits_are_one_json_document(folder: Path) -> None:
    result = run(
        "phrases", "--rules", folder / "rules.yaml", "--json", folder / "a.json", folder / "b.srt"
    )
    assert result.exit_code == 0
    items = json.loads(result.stdout)
    assert [list(item) for item in items] == [KEYS, KEYS]
    assert items[0] == {
        "call_id": "a",
        "rule_id": "promise",
        "kind": "prohibited",
        "role": "agent",
        "start_ms": 500,
        "end_ms": 900,
        "segment_index": 0,
        "segment_end_index": None,
        "char_start": 2,
        "char_end": 6,
        "text": "保证收意",
        "severity": "critical",
        "points": 20,
    }
    assert (items[1]["call_id"], items[1]["char_start"], items[1]["char_end"]) == ("b", 3, 7)


@pytest.mark.parametrize(("connected", "missing"), [("yes", 1), ("no", 0), (None, 0)])
def test_connected_decides_what_is_missing(
    folder: Path, connected: str | None, missing: int
) -> None:
    option = ["--connected", connected] if connected else []
    result = run("phrases", "--rules", folder / "rules.yaml", *option, "--json", folder / "a.json")
    kinds = [item["kind"] for item in json.loads(result.stdout)]
    assert kinds == ["prohibited"] + ["missing"] * missing


def test_a_broken_transcript_does_not_stop_the_rest(folder: Path) -> None:
    broken, absent = folder / "broken.json", folder / "absent.json"
    result = run(
        "phrases", "--rules", folder / "rules.yaml", "--json", broken, absent, folder / "a.json"
    )
    assert result.exit_code == 1
    items = json.loads(result.stdout)
    assert [item.get("path") for item in items] == [str(broken), str(absent), None]
    assert "surrogate" in items[0]["error"]
    assert set(items[1]) == {"path", "error"}
    assert items[2]["rule_id"] == "promise"


def test_refused_rules_end_the_work(folder: Path) -> None:
    result = run("phrases", "--rules", folder / "bad.yaml", folder / "a.json")
    assert result.exit_code == 1
    assert "line 13" in result.stderr
    assert "colour" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("phrases", "--rules", "rules.yaml"),
        ("phrases", "a.json"),
        ("phrases", "--rules", "absent.yaml", "a.json"),
        ("phrases", "--rules", "rules.yaml", "--connected", "maybe", "a.json"),
        ("rules", "check"),
        ("rules", "check", "absent.yaml"),
        ("rules", "try", "rules.yaml"),
    ],
)
def test_wrong_usage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    assert run(*arguments).exit_code == 2


def test_check_says_what_is_wrong_and_where(folder: Path) -> None:
    good = run("rules", "check", folder / "rules.yaml", "--json")
    assert (good.exit_code, json.loads(good.stdout)) == (0, {"ok": True, "errors": []})
    bad = run("rules", "check", folder / "bad.yaml", "--json")
    assert bad.exit_code == 1
    document = json.loads(bad.stdout)
    assert document["ok"] is False
    (error,) = document["errors"]
    assert (error["line"], error["column"], error["rule_id"]) == (13, 5, "notice")
    assert "unknown key 'colour'" in error["reason"]
    spoken = run("rules", "check", folder / "bad.yaml")
    assert spoken.exit_code == 1
    assert "line 13, column 5" in spoken.stderr


def test_try_highlights_what_is_found(folder: Path) -> None:
    result = run("rules", "try", folder / "rules.yaml", "--text", "我们保证", "--text", "收意很高")
    assert result.exit_code == 0
    assert "我们[保证]" in result.stdout
    assert "[收意]很高" in result.stdout
    assert "promise (critical, 20 points)" in result.stdout
    nothing = run("rules", "try", folder / "rules.yaml", "--text", "您好", "--role", "customer")
    assert "nothing found" in nothing.stdout
    hits = json.loads(
        run("rules", "try", folder / "rules.yaml", "--text", "保证收益", "--json").stdout
    )
    assert [(hit["role"], hit["text"]) for hit in hits] == [("agent", "保证收益")]


def test_lines_for_people(folder: Path) -> None:
    result = run(
        "phrases", "--rules", folder / "rules.yaml", "--connected", "yes", folder / "a.json"
    )
    assert result.stdout.splitlines() == [
        "a 0.5 s agent: promise (critical) “保证收意” (segment 0, 2–6)",
        "a agent: notice (major) missing",
    ]
