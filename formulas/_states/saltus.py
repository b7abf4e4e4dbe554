"""Salt states for what no state of Salt's own does: thin, the work stands in the modules saltus_node and saltus_deploy."""

from salt.exceptions import CommandExecutionError


def _result(name, function, done, **arguments):
    """Call `function`, which returns what it changed (or would change, when testing)."""
    test = __opts__["test"]
    try:
        changed = __salt__[function](test=test, **arguments)
    except CommandExecutionError as error:
        return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    if not changed:
        return {"name": name, "result": True, "changes": {}, "comment": f"{done}: already so"}
    return {"name": name, "result": None if test else True, "changes": {done: changed}, "comment": done}


def databases_present(name):
    """The databases, users and grants of every role."""
    return _result(name, "saltus_deploy.databases_present", "databases")


def messaging_user_present(name):
    """The user by which every service speaks to RabbitMQ."""
    return _result(name, "saltus_deploy.messaging_user_present", "messaging user")


def schemas_created(name):
    """A schema in every database that is empty; one that is not is left as it is."""
    return _result(name, "saltus_deploy.schemas_created", "schemas")


def identity_present(name):
    """Projects, users, roles and the catalogue of keystone."""
    return _result(name, "saltus_deploy.identity_present", "identity")


def external_bridge_present(name, bridge, port="", datapath="system"):
    """The bridge to the outside, and the machine's interface in it."""
    return _result(
        name, "saltus_deploy.external_bridge_present", "external bridge", bridge=bridge, port=port, datapath=datapath
    )


def units_running(name, units, wait=True):
    """These units run and come up at boot. Started side by side: one after another costs Salt seconds a unit.

    Without `wait` they are only told to: `units_settled` sees later whether they did.
    """
    found = __salt__["saltus_node.units"](names=units)
    running = ("active",) if wait else ("active", "activating")
    up = {unit for unit, state in found.items() if state["active"] in running or state["on_call"]}
    down = [unit for unit, state in found.items() if unit not in up or not state["enabled"]]
    if not down:
        return {"name": name, "result": True, "changes": {}, "comment": "all units run and are enabled"}
    return _units(name, down, "start", "started", wait)


def mod_watch(name, units, wait=True, **_):
    """A file of the role has changed and its units ran already: restart them."""
    return _units(name, units, "restart", "restarted", wait)


def _units(name, units, verb, done, wait):
    if __opts__["test"]:
        return {"name": name, "result": None, "changes": {done: units}, "comment": f"units would be {done}"}
    try:
        __salt__["saltus_node.start_units"](units, verb=verb, wait=wait)
    except CommandExecutionError as error:
        return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return {"name": name, "result": True, "changes": {done: units}, "comment": f"units {done}"}


def units_settled(name, units, timeout=300):
    """All of these have finished starting, and run."""
    if __opts__["test"]:
        return {"name": name, "result": True, "changes": {}, "comment": "not waited for"}
    try:
        __salt__["saltus_node.wait_units"](units, timeout=timeout)
    except CommandExecutionError as error:
        return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return {"name": name, "result": True, "changes": {}, "comment": "all units run"}


def units_stopped(name):
    """No unit of the roles runs or comes up at boot."""
    units = __salt__["saltus_node.units"]()
    up = {u: s["active"] for u, s in units.items() if s["active"] not in ("inactive", "failed") or s["enabled"]}
    if not up:
        return {"name": name, "result": True, "changes": {}, "comment": "no unit runs or is enabled"}
    if __opts__["test"]:
        return {"name": name, "result": None, "changes": {"stopped": sorted(up)}, "comment": "units would be stopped"}
    try:
        __salt__["saltus_node.stop"]()
    except CommandExecutionError as error:
        return {"name": name, "result": False, "changes": {}, "comment": str(error)}
    return {"name": name, "result": True, "changes": {"stopped": sorted(up)}, "comment": "units stopped and disabled"}


def vip_somewhere(name):
    """This proxy takes the virtual address when nobody has it: at first deployment."""
    if __salt__["saltus_node.has_vip"]():
        return {"name": name, "result": True, "changes": {}, "comment": "this machine has the virtual address"}
    if __salt__["saltus_node.vip_answers"]():
        return {"name": name, "result": True, "changes": {}, "comment": "another machine has the virtual address"}
    if __opts__["test"]:
        return {"name": name, "result": None, "changes": {"vip": "taken"}, "comment": "would be taken"}
    __salt__["saltus_node.take_vip"]()
    return {"name": name, "result": True, "changes": {"vip": "taken"}, "comment": "taken: nobody had it"}
