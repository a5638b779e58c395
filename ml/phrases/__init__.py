"""What must not, and what must, be said on the telephone: rules, and finding them in transcripts."""

from ml.phrases.announcements import announcement_outcome
from ml.phrases.matcher import Hit, Matcher, score
from ml.phrases.rules import (
    Rule,
    RuleError,
    RuleSet,
    RulesRefusedError,
    library,
    load_rules,
    parse_rule,
    rule_hash,
    signals,
)

__all__ = [
    "Hit",
    "Matcher",
    "Rule",
    "RuleError",
    "RuleSet",
    "RulesRefusedError",
    "announcement_outcome",
    "library",
    "load_rules",
    "parse_rule",
    "rule_hash",
    "score",
    "signals",
]
