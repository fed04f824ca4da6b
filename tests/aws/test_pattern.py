"""The filter's pattern against real lines: RDS's heartbeats stay out, every other line of the examples goes in, whether CloudWatch compares characters
or words (which no source says)."""

import re

import pytest

from template import REPO, stack

HEADER = re.compile(r"^(?=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\t)", re.M)
HEARTBEATS = [
    "2026-11-23T03:09:49.809584Z\t    9 Query\tINSERT INTO mysql.rds_heartbeat2(id, value) values (1,1493274809584) ON DUPLICATE KEY UPDATE value = 1493274809584",
    "2026-11-23T03:09:49.809584Z\t12345 Query\tSELECT value FROM mysql.rds_heartbeat2",
]
TEMPLATES = ["chain-kinesis", "chain-firehose", "subscription-destination"]


def pattern(name):
    decided = stack(name, "subscribed")
    (one,) = decided.resources("AWS::Logs::SubscriptionFilter").values()
    return one["FilterPattern"]


def excluded(text):
    """The phrases that a pattern leaves out; it has nothing else."""
    assert re.fullmatch(r'(-"[^"]+")( -"[^"]+")*', text), text
    return re.findall(r'-"([^"]+)"', text)


def by_characters(phrase, line):
    return phrase in line


def by_words(phrase, line):
    words, wanted = line.split(), phrase.split()
    return any(words[at:at + len(wanted)] == wanted for at in range(len(words)))


@pytest.mark.parametrize("contains", [by_characters, by_words])
@pytest.mark.parametrize("name", TEMPLATES)
def test_heartbeats_stay_out_and_all_else_goes_in(name, contains):
    phrases = excluded(pattern(name))

    def forwarded(line):
        return not any(contains(phrase, line) for phrase in phrases)

    assert not any(map(forwarded, HEARTBEATS))
    text = (REPO / "examples" / "logs" / "mysql-general.log").read_text()
    lines = [line for line in HEADER.split(text) if line.strip()]
    assert len(lines) > 490 and all(map(forwarded, lines))
    # Near misses that a user may send.
    assert forwarded("2026-11-23T03:09:49.809584Z\t    9 Query\tDROP TABLE mysql.rds_heartbeat2")
    assert forwarded("2026-11-23T03:09:49.809584Z\t    9 Query\tSELECT * FROM mysql.rds_heartbeat2, orders")


def test_the_pattern_can_be_taken_off():
    for name in TEMPLATES:
        decided = stack(name, "subscribed", FilterPattern="")
        (one,) = decided.resources("AWS::Logs::SubscriptionFilter").values()
        assert one["FilterPattern"] == ""
