"""One thread's way to the master: jobs out through LocalClient, returns in from the master's event bus.

LocalClient is not thread-safe; `of_this_thread` gives every thread its own. Nothing else touches salt.client.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saltus.fleet.errors import NoMaster
from saltus.fleet.port import Job

_jid_lock = threading.Lock()
_import_lock = threading.Lock()


class SaltBus:
    """A connection to the master whose configuration is the file `config`. Use it in one thread only."""

    def __init__(self, config: Path) -> None:
        self._config = config
        with _import_lock:
            import salt.client
            import salt.config
            import salt.exceptions
            import salt.utils.event
            import salt.utils.jid

            _silence_salt()
            self._salt_errors = (salt.exceptions.SaltException, OSError)
            self._jids = salt.utils.jid
            self._opts = salt.config.client_config(str(config))
            try:
                self._client = salt.client.LocalClient(mopts=self._opts)
            except self._salt_errors as exc:
                raise no_master(config, exc) from exc
        self._events = salt.utils.event.get_event("master", self._opts["sock_dir"], opts=self._opts, listen=True)

    def publish(self, job: Job, arguments: list[Any]) -> tuple[str, ...]:
        try:
            # Before the job is out: a return that comes before we listen is lost.
            if not self._events.connect_pub(timeout=10):
                raise no_master(self._config, "its event bus does not accept us")
            sent = self._client.run_job(
                list(job.minions), job.function, arguments, tgt_type="list", jid=job.jid, timeout=20, listen=False
            )
        except self._salt_errors as exc:
            raise no_master(self._config, exc) from exc
        return tuple(sent.get("minions", ())) if sent else ()

    def next_return(self, wait_s: float) -> Mapping[str, Any] | None:
        try:
            event = self._events.get_event(wait=wait_s, tag="salt/job/", match_type="startswith", full=True)
        except self._salt_errors as exc:
            raise no_master(self._config, exc) from exc
        if not event or "/ret/" not in event["tag"]:
            return None
        return event["data"] if isinstance(event["data"], Mapping) else None

    def cached_returns(self, jid: str) -> Mapping[str, Mapping[str, Any]]:
        returns: Mapping[str, Mapping[str, Any]] = self._client.returners["local_cache.get_jid"](jid)
        return returns

    def cached_job(self, jid: str) -> Mapping[str, Any]:
        """What was published under a jid: `fun`, `tgt`, `Minions`; empty when nothing was."""
        load: Mapping[str, Any] = self._client.returners["local_cache.get_load"](jid)
        return load

    def matching(self, expression: str) -> tuple[str, ...]:
        """The minions of a compound expression, by the master's matchers on the grains and pillar it has cached."""
        import salt.utils.minions

        found = salt.utils.minions.CkMinions(self._opts).check_minions(expression, tgt_type="compound")
        return tuple(sorted(found["minions"]))

    def new_jid(self) -> str:
        # salt's own generator keeps its last answer in a global without a lock
        with _jid_lock:
            return str(self._jids.gen_jid({**self._opts, "unique_jid": True}))

    def close(self) -> None:
        self._events.destroy()
        self._client.destroy()


class Buses:
    """A bus for each thread, made when it first asks."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._local = threading.local()

    def of_this_thread(self) -> SaltBus:
        bus: SaltBus | None = getattr(self._local, "bus", None)
        if bus is None:
            bus = self._local.bus = SaltBus(self._config)
        return bus

    def drop(self) -> None:
        """Forget this thread's bus: the next call makes a new one. For after an error of the connection."""
        bus: SaltBus | None = getattr(self._local, "bus", None)
        self._local.bus = None
        if bus is not None:
            bus.close()


def ping(config: Path, timeout_s: float) -> bool:
    """Whether a worker of the master answers a request."""
    with _import_lock:
        import salt.channel.client
        import salt.config
        import salt.exceptions

        _silence_salt()
        opts = salt.config.client_config(str(config))
    with salt.channel.client.ReqChannel.factory(opts, crypt="clear", master_uri=opts["master_uri"]) as channel:
        try:
            return bool(channel.send({"cmd": "ping"}, timeout=timeout_s, tries=1))
        except (salt.exceptions.SaltException, OSError):
            return False


def no_master(config: Path, cause: object) -> NoMaster:
    return NoMaster(
        what="the Salt master does not answer",
        because=str(cause).strip() or type(cause).__name__,
        do=f"look at {config.parent / 'master.log'}; any command of Saltus that needs the master starts it again",
    )


def _silence_salt() -> None:
    """What salt logs about a connection we name in an error of our own; its warnings would only stand beside it."""
    logging.getLogger("salt").setLevel(logging.CRITICAL)
