"""The ten steps from Mitaka to Ocata beside the plain ten steps in default batches, in one run; and are they equal?

    .venv/bin/python bench/ten_steps.py [--instances 10000] [--toolboxes DIR]

Both on a private MariaDB with the same rows, one after the other; afterwards every row that a step moved is compared.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from many_instances import make

from saltus.commands.rehearsal import Loaded, make_plan
from saltus.database.private import PrivateServer
from saltus.journal.store import Journal
from saltus.plan.databases import ManageDatabases
from saltus.plan.plan import Plan
from saltus.report.text import table
from saltus.runner.gates import AutoApprover
from saltus.runner.performers.rehearsal import Clone, performers
from saltus.runner.progress import TerminalProgress
from saltus.runner.run import Runner
from saltus.toolbox.shelf import Shelf

MOST = 1 / 3
"""What the issue allows: the time of the plain ten steps, at most."""

COMPARED = {
    "instance mappings": "SELECT m.instance_uuid, c.name, m.project_id FROM nova_api.instance_mappings m"
    " LEFT JOIN nova_api.cell_mappings c ON c.id = m.cell_id",
    "request specs": "SELECT instance_uuid, spec FROM nova_api.request_specs"
    " WHERE instance_uuid <> '00000000-0000-0000-0000-000000000000'",  # nova's marker
    "flavors": "SELECT flavorid, name, memory_mb, vcpus FROM nova_api.flavors",
    "key pairs": "SELECT user_id, name, public_key FROM nova_api.key_pairs",
    "key pairs of instances": "SELECT instance_uuid, keypairs FROM nova.instance_extra",
    "aggregates": "SELECT uuid, name FROM nova_api.aggregates",
    "server groups": "SELECT uuid, name FROM nova_api.instance_groups",
}


def plain(plan: Plan) -> Plan:
    """The same steps as the commands are documented: no batch size given, nothing written ahead."""

    def undone(step):
        action = step.action
        if not isinstance(action, ManageDatabases):
            return step
        argv = list(action.command.argv)
        if "--max-count" in argv:
            at = argv.index("--max-count")
            del argv[at : at + 2]
        command = action.command.model_copy(update={"argv": tuple(argv)})
        return step.model_copy(
            update={"action": action.model_copy(update={"command": command, "ahead": (), "ahead_script": ""})}
        )

    stages = tuple(s.model_copy(update={"steps": tuple(undone(step) for step in s.steps)}) for s in plan.stages)
    return plan.model_copy(update={"name": "plain", "stages": stages})


def ordered(row: tuple) -> tuple:
    """JSON in a row with its keys in order: Python 2.7 writes them in any."""

    def one(value):
        return json.dumps(json.loads(value), sort_keys=True) if isinstance(value, str) and value[:1] == "{" else value

    return tuple(one(value) for value in row)


def run(plan: Plan, data: Path, place: Path, toolboxes: Path) -> tuple[dict[str, float], dict[str, set]]:
    """({step: seconds}, {what: rows}) of the ten steps of `plan` on a copy of `data`."""
    server = PrivateServer(place / "mariadb", buffer_pool_mb=512)
    place.mkdir()
    shutil.copytree(data, server.data)
    (place / "tools").mkdir()
    server.start()
    try:
        journal = Journal(f"sqlite:///{place / 'journal.db'}")
        clone = Clone(server, Shelf(toolboxes), place / "tools")
        progress = TerminalProgress()
        state = Runner(journal, performers(clone), AutoApprover("bench"), progress=progress).run(
            journal.create_run(plan, by="bench")
        )
        progress.close()
        if state.status != "done":
            sys.exit(f"{plan.name}: {state.reason} {[failure.what for _, failure in state.failures()]}")
        titles = {step.id: step.title for step in plan.steps() if " of 10: " in step.title}
        seconds = {title: state.steps[step].seconds or 0.0 for step, title in titles.items()}
        return seconds, {what: {ordered(row) for row in server.query(sql)} for what, sql in COMPARED.items()}
    finally:
        server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10000)
    parser.add_argument("--toolboxes", type=Path, default=Path("~/.cache/saltus/toolboxes").expanduser())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ten-steps-") as directory:
        source = PrivateServer(Path(directory, "source"), buffer_pool_mb=512)
        with source.running():
            instances = make(source, options.instances)
            versions = {name: source.read_versions(name) for name in ("nova", "nova_api")}
        plan, _ = make_plan("bench", Loaded(seconds=0, release="mitaka", versions=versions), "ocata", services=["nova"])
        places = Path(directory)
        fast, rows = run(plan, source.data, places / "fast", options.toolboxes)
        slow, expected = run(plain(plan), source.data, places / "plain", options.toolboxes)
    told = [(title.split(": ", 2)[-1], f"{slow[title]:.1f} s", f"{fast[title]:.1f} s") for title in slow]
    ratio = sum(fast.values()) / sum(slow.values())
    told.append(("all ten", f"{sum(slow.values()):.1f} s", f"{sum(fast.values()):.1f} s"))
    print(f"{instances} instances")
    print("\n".join(table(("step", "plain", "saltus"), told, right=(1, 2))))
    differing = [what for what in COMPARED if rows[what] != expected[what]]
    print(f"saltus takes {ratio:.2f} of the plain time (allowed: {MOST:.2f});")
    print(f"rows that differ: {', '.join(differing) or 'none'}")
    return 0 if ratio <= MOST and not differing else 1


if __name__ == "__main__":
    sys.exit(main())
