"""Each directory here is a case: `request.yml` and `facts.json` in, `plan.txt` out, as an operator reads it.

After a deliberate change of a pipeline: SALTUS_REWRITE=1 pytest, and read the difference.
"""

import ast
import os
from pathlib import Path

import pytest

import saltus
from planning import cloud_of, make_plan
from saltus.plan import Plan
from saltus.plan.text import write_plan

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/request.yml"))
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cases
def test_a_request_gives_this_plan(case: Path) -> None:
    text = write_plan(make_plan(case))
    if os.environ.get("SALTUS_REWRITE"):
        (case / "plan.txt").write_text(text)
    assert text == (case / "plan.txt").read_text()


@cases
def test_a_plan_is_the_same_after_it_was_written_down(case: Path) -> None:
    plan = make_plan(case)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()


@cases
def test_the_same_facts_give_the_same_fingerprint_in_whatever_order_they_come(case: Path) -> None:
    first, cloud = make_plan(case), cloud_of(case)
    turned = cloud.model_copy(update={"databases": tuple(reversed(cloud.databases))})
    assert make_plan(case).fingerprint == first.fingerprint
    assert make_plan(case, turned).fingerprint == first.fingerprint


def test_two_requests_that_differ_give_plans_that_differ() -> None:
    plans = [make_plan(case) for case in CASES]
    assert len({plan.fingerprint for plan in plans}) == len(plans)


IMPURE = {
    *("asyncio", "getpass", "http", "multiprocessing", "pymysql", "random", "requests", "salt", "secrets", "select"),
    *("socket", "sqlalchemy", "subprocess", "tempfile", "threading", "time", "urllib", "uuid", "openstack", "os"),
}
SOURCE = Path(saltus.__file__).parent


def names_in(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_planning_reaches_neither_network_nor_clock_nor_chance() -> None:
    waiting, seen, impure = [SOURCE / "planner" / "plans.py", SOURCE / "plan" / "text.py"], set(), []
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in names_in(path):
            if name.partition(".")[0] in IMPURE:
                impure.append(f"{path.relative_to(SOURCE)} imports {name}")
            file = SOURCE.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if name.startswith("saltus.") and file.exists():
                waiting.append(file)
        text = path.read_text()
        impure += [f"{path.relative_to(SOURCE)}: {call}" for call in (".now(", ".today(", "hash(") if call in text]
    assert SOURCE / "pipelines" / "control.py" in seen
    assert SOURCE / "pipelines" / "compute.py" in seen
    assert SOURCE / "planner" / "computes.py" in seen
    assert SOURCE / "catalog" / "routes.py" in seen
    assert not impure
