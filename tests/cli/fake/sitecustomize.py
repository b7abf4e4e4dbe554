"""Python reads this as it starts: the fake cloud takes the real one's place in a process of the tests."""

import saltus.commands.workplace
from fake_workplace import FakeWorkplace

saltus.commands.workplace.Workplace = FakeWorkplace  # type: ignore[misc]
