"""Many minions in one process, each with an id, a subscription and requests: Salt's protocol and nothing behind it.

Every function answers at once with what bench/fleet_pipeline.py expects of a compute; states do nothing.

python bench/light_minions.py MINION_CONFIG COUNT      the ids are cmp0001, cmp0002, ...; prints `ready` when all listen
"""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import Any

import salt.channel.client
import salt.config
import tornado.ioloop

JOINING_AT_ONCE = 20
NO_OP = {
    "test_|-nothing_|-nothing_|-nop": {
        "result": True,
        "changes": {},
        "comment": "",
        "name": "nothing",
        "duration": 0.1,
        "__run_num__": 0,
        "__id__": "nothing",
        "__sls__": "nothing",
    }
}
ANSWERS: dict[str, Any] = {
    "test.ping": True,
    "state.sls": NO_OP,
    "state.highstate": NO_OP,
    "saltutil.find_job": {},
    "saltutil.refresh_pillar": True,
    "saltutil.sync_all": {},
    "pillar.get": "",
    "saltus_way_back.record": {"packages": 600, "files": 45000, "seconds": 1.0, "free_bytes": 10**10},
    "saltus_packages.upgrade": {"seconds": 1.0, "changed": 600, "set_aside": []},
    "saltus_compute.restart": {"nova-compute.service": 1.0},
    "saltus_compute.check_network": {"bridges": ["br-int", "br-ex"], "flows": {"br-int": 40}, "ports": 3},
}


class LightMinion:
    """One of them."""

    def __init__(self, opts: dict[str, Any], name: str) -> None:
        self.opts = {**dict(opts), "id": name}
        self.name = name
        self._requests: Any = None

    async def join(self) -> None:
        loop = tornado.ioloop.IOLoop.current()
        self._requests = salt.channel.client.AsyncReqChannel.factory(self.opts, io_loop=loop)
        await self._requests.connect()
        subscription = salt.channel.client.AsyncPubChannel.factory(self.opts, io_loop=loop)
        await subscription.connect()
        subscription.on_recv(self._published)
        self._subscription = subscription

    async def _published(self, payload: dict[str, Any]) -> None:
        load = payload["load"]
        if self.name not in load["tgt"]:  # lists alone are published here
            return
        asyncio.get_running_loop().create_task(self._answer(load))

    async def _answer(self, load: dict[str, Any]) -> None:
        function = load["fun"]
        known = function in ANSWERS
        answer = {
            "cmd": "_return",
            "id": self.name,
            "jid": load["jid"],
            "fun": function,
            "fun_args": load["arg"],
            "return": ANSWERS[function] if known else f"'{function}' is not available.",
            "retcode": 0 if known else 254,
            "success": known,
        }
        await self._requests.send(answer, timeout=120, tries=3)


async def main(config: str, count: int) -> None:
    opts = salt.config.minion_config(config)
    opts["master_uri"] = f"tcp://{opts['master']}:{opts['master_port']}"
    opts["master_ip"] = opts["master"]
    opts["__role"] = "minion"
    minions = [LightMinion(opts, f"cmp{number:04d}") for number in range(1, count + 1)]
    for start in range(0, count, JOINING_AT_ONCE):
        await asyncio.gather(*(minion.join() for minion in minions[start : start + JOINING_AT_ONCE]))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
