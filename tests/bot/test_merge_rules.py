from __future__ import annotations

from wxsdk.bot.facts import Facts
from wxsdk.bot.merge_rules import Buckets, merged_facts


def test_messages_of_a_lane_wait_from_the_first_one_on() -> None:
    buckets: Buckets[str] = Buckets(2.0)
    buckets.add("alice", "a1", 10.0)
    buckets.add("bob", "b1", 11.0)
    buckets.add("alice", "a2", 11.5)
    assert (len(buckets), buckets.next_hour()) == (3, 12.0)
    assert buckets.take_due(11.9) == []
    assert buckets.take_due(12.0) == [["a1", "a2"]]
    assert buckets.next_hour() == 13.0
    assert buckets.take("bob") == ["b1"]
    assert (buckets.take("bob"), buckets.next_hour()) == ([], None)


def test_merged_messages_are_the_newest_one_with_all_the_words() -> None:
    picture = Facts("1", "image", "alice", "alice")
    words = Facts("2", "text", "alice", "alice", text="what is this?")
    more = Facts("3", "text", "alice", "alice", text="and that?")
    assert merged_facts([picture, words]) == Facts("2", "mixed", "alice", "alice", text="what is this?")
    assert merged_facts([words, more]) == Facts("3", "text", "alice", "alice", text="what is this?\nand that?")
