"""Every odd shape that Salt returns, understood here and nowhere else.

A return reaches us as an event of the master's bus, or from the job cache: `{"return": ..., "retcode": int,
"success": bool}`. What stands in `return` (all seen on Salt 3008, or in its source):

- of a function: its value; after an exception a *string* that looks like any other value ("The minion function caused
  an exception: Traceback ...", "ERROR: ...", "Passed invalid arguments to ..."), told from a value by `retcode` alone;
- for an unknown function: "'x.y' is not available.", or, when the module exists, a dict of the docstrings of its
  functions with that sentence among them;
- "Minion did not return. [No response]" and its sisters, when some part of Salt has already given up: never a value;
- of states: a dict keyed `pkg_|-id_|-name_|-installed`, in no order but that of `__run_num__`;
- a *list* of sentences instead: SLS that do not render, requisites that do not resolve, a broken pillar ("Pillar
  failed to render with the following messages:"), or 'The function "state.apply" is running as PID 7' when another
  state run is at it;
- the key `no_|-states_|-states_|-None`: the top file has nothing for this minion;
- `{"queued": True}`: it will run later and return again under the same jid;
- a plain string, None, False or {}: a state run that has not taken place;
- the result None: test mode; a comment that is a list; changes that are no dict; a duration as "12.3 ms".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from saltus.fleet.port import CallReturn, StateResult, StateReturn

GAVE_UP = ("Minion did not return",)
NOTHING_IN_TOP = "no_|-states_|-states_|-None"
PILLAR_BROKEN = "Pillar failed to render"


def is_final(answer: object) -> bool:
    """Whether this is the end of the job on its minion, and not Salt's own remark that there is none yet."""
    if isinstance(answer, str):
        return not answer.startswith(GAVE_UP)
    return not (isinstance(answer, Mapping) and answer.get("queued") is True)


def is_conflict(answer: object) -> bool:
    """Whether the states were refused because another state run is at it: nothing was done, asking again is safe."""
    return isinstance(answer, list) and any(re.search(r"is running as PID", str(line)) for line in answer)


def call_return(minion: str, load: Mapping[str, Any]) -> CallReturn:
    """What the minion answered, from an event or an entry of the job cache."""
    answer = load.get("return")
    exit_code = load.get("retcode", 0 if load.get("success", True) else 1)
    exit_code = exit_code if isinstance(exit_code, int) else 1
    if isinstance(answer, str) and answer.startswith(GAVE_UP):
        return CallReturn(minion=minion, error=answer, exit_code=exit_code or 1)
    if exit_code == 0 and load.get("success", True):
        return CallReturn(minion=minion, value=answer)
    return CallReturn(minion=minion, value=answer, error=_error(answer, exit_code), exit_code=exit_code or 1)


def _error(answer: object, exit_code: int) -> str:
    if isinstance(answer, Mapping):
        missing = [text for text in answer.values() if isinstance(text, str) and text.endswith("is not available.")]
        if missing:
            return missing[0]
        for key in ("comment", "stderr", "error", "message"):
            if isinstance(answer.get(key), str) and answer[key].strip():
                return str(answer[key]).strip()
    text = str(answer).strip() if answer not in (None, "", {}, []) else ""
    return text or f"it ended with the code {exit_code} and said nothing"


def state_return(minion: str, load: Mapping[str, Any]) -> StateReturn:
    """What the minion did with its states: results in the order of their running, or why there are none."""
    answer = load.get("return")
    if isinstance(answer, list):
        return StateReturn(minion=minion, errors=tuple(str(line).strip() for line in answer) or ("an empty list",))
    if not isinstance(answer, Mapping) or not answer:
        return StateReturn(minion=minion, errors=(_error(answer, int(load.get("retcode") or 1)),))
    if NOTHING_IN_TOP in answer:
        return StateReturn(minion=minion, errors=("the top file has no states for this minion",))
    if not all(isinstance(entry, Mapping) and "result" in entry for entry in answer.values()):
        return StateReturn(minion=minion, errors=(_error(answer, int(load.get("retcode") or 1)),))
    entries = sorted(answer.items(), key=lambda item: _order(item[1]))
    return StateReturn(minion=minion, results=tuple(_state_result(str(key), entry) for key, entry in entries))


def _order(entry: Mapping[str, Any]) -> int:
    order = entry.get("__run_num__", 0)
    return order if isinstance(order, int) else 0


def _state_result(key: str, entry: Mapping[str, Any]) -> StateResult:
    parts = key.split("_|-")
    module, function = (parts[0], parts[-1]) if len(parts) > 1 else (key, "")
    comment = entry.get("comment") or ""
    if isinstance(comment, list):
        comment = "\n".join(str(line) for line in comment)
    result = entry.get("result")
    return StateResult(
        id=str(entry.get("__id__") or (parts[1] if len(parts) > 2 else key)),
        function=f"{module}.{function}" if function else module,
        name=str(entry.get("name", "")),
        sls=entry.get("__sls__"),
        result=result if result is None else bool(result),
        changes=_changes(entry.get("changes")),
        comment=str(comment).strip(),
        duration_s=_duration_s(entry.get("duration")),
    )


def _changes(changes: object) -> dict[str, JsonValue]:
    if not changes:
        return {}
    plain = _plain(changes)
    return plain if isinstance(plain, dict) else {"changes": plain}


def _plain(value: object) -> JsonValue:
    """The same as JSON could say it: what a state reports as its changes may hold anything that msgpack carries."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _duration_s(duration: object) -> float:
    """Salt counts in milliseconds, and some states write the unit into it."""
    if isinstance(duration, str):
        number = re.match(r"\s*([0-9.]+)", duration)
        duration = float(number[1]) if number else 0.0
    return round(float(duration) / 1000, 4) if isinstance(duration, int | float) else 0.0


def failures(answer: StateReturn) -> tuple[str, ...]:
    """What went wrong on one minion, a line each: the causes first, without the states that only waited for them."""
    if answer.errors:
        return tuple(line for line in answer.errors if not line.startswith(PILLAR_BROKEN)) or answer.errors
    causes = [state for state in answer.failed if not state.comment.startswith("One or more requisite failed")]
    return tuple(f"{state.id} ({state.function}): {state.comment}" for state in causes or answer.failed)
