"""What a guest says of itself."""

from __future__ import annotations

from saltus.verify.instances import boot_id, field


def test_the_last_word_of_a_console_counts() -> None:
    console = "kernel\nsaltus-guest boot_id=aa address=1 up=3\nsaltus-guest boot_id=bb address=1 up=33\n"
    assert field(console, "boot_id") == "bb"
    assert field("a kernel that panicked", "boot_id") is None


def test_an_address_where_nobody_answers_has_no_boot_id() -> None:
    assert boot_id("127.0.0.9:1", within_s=0.6) is None
