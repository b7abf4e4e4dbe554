"""Each directory `plan-*` is a request that cannot be planned: `request.yml`, `facts.json`, the refusal word for word.

After a deliberate change of words: SALTUS_REWRITE=1 pytest, and read the difference.
"""

import os
from pathlib import Path

import pytest

from planning import make_plan
from saltus.errors import OperatorError

HERE = Path(__file__).parent


@pytest.mark.parametrize("case", sorted(HERE.glob("plan-*")), ids=lambda case: case.name)
def test_a_request_that_cannot_be_planned_is_refused_in_these_words(case: Path) -> None:
    with pytest.raises(OperatorError) as refused:
        make_plan(case)
    error = f"{refused.value}\n"
    if os.environ.get("SALTUS_REWRITE"):
        (case / "error.txt").write_text(error)
    assert error == (case / "error.txt").read_text()
