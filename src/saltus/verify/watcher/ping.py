"""Echo requests to one instance, on a raw socket of our own: one thread and no child process an instance."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from saltus.errors import OperatorError

ECHO_REQUEST, ECHO_REPLY = 8, 0
_identities = itertools.count(os.getpid())


class Pinger:
    """Sends every `period_s` and tells `answered(at, seconds)` or `lost(at)`, in the order of sending.

    A request is lost once a later one is answered, as one link keeps the order, or once `timeout_s` have passed.
    `at` is when the answer came, or when the lost request was sent, on the clock of time.monotonic().
    """

    def __init__(self, address: str, *, period_s: float, timeout_s: float) -> None:
        self._address, self._period_s, self._timeout_s = address, period_s, timeout_s
        self._identity = next(_identities) & 0xFFFF
        try:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        except PermissionError as exc:
            raise OperatorError(
                what=f"cannot ping {address}",
                because="echo requests need a raw socket, which only root may open",
                do="run as root, or leave the instances out of what is watched",
            ) from exc

    def run(
        self, stop: threading.Event, answered: Callable[[float, float], None], lost: Callable[[float], None]
    ) -> None:
        waiting: dict[int, float] = {}
        next_at, sequence = time.monotonic(), 0
        while not stop.is_set():
            now = time.monotonic()
            if now >= next_at:
                sequence = (sequence + 1) & 0xFFFF
                waiting[sequence] = now
                self._send(sequence)
                next_at = max(next_at + self._period_s, now)
            if select.select([self._socket], [], [], max(0.0, next_at - time.monotonic()))[0]:
                number = self._receive()
                if number in waiting:
                    at, sent = time.monotonic(), waiting.pop(number)
                    self._forget(waiting, sent, lost)
                    answered(at, at - sent)
            self._forget(waiting, now - self._timeout_s, lost)
        self._socket.close()

    @staticmethod
    def _forget(waiting: dict[int, float], before: float, lost: Callable[[float], None]) -> None:
        for number in [number for number, sent in waiting.items() if sent < before]:
            lost(waiting.pop(number))

    def _send(self, sequence: int) -> None:
        packet = echo_request(self._identity, sequence)
        # No route, no neighbour: no answer will come, and that is what is counted.
        with contextlib.suppress(OSError):
            self._socket.sendto(packet, (self._address, 0))

    def _receive(self) -> int | None:
        """The sequence number of an answer to us; None for anything else that the socket sees."""
        packet, (address, _) = self._socket.recvfrom(2048)
        header = (packet[0] & 0x0F) * 4
        if address != self._address or len(packet) < header + 8:
            return None
        kind, _, _, identity, sequence = struct.unpack_from("!BBHHH", packet, header)
        return int(sequence) if (kind, identity) == (ECHO_REPLY, self._identity) else None


def echo_request(identity: int, sequence: int) -> bytes:
    payload = b"saltus-watch"
    head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identity, sequence)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(head + payload), identity, sequence) + payload


def checksum(data: bytes) -> int:
    """The ones' complement sum of RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return 0xFFFF & ~(total + (total >> 16))


def answers(address: str, *, within_s: float) -> float | None:
    """Ping until the first answer: the seconds that took, or None when there was none in `within_s`."""
    stop, begun, got = threading.Event(), time.monotonic(), []

    def answered(at: float, _seconds: float) -> None:
        got.append(at)
        stop.set()

    timer = threading.Timer(within_s, stop.set)
    timer.start()
    Pinger(address, period_s=0.25, timeout_s=within_s).run(stop, answered, lambda _at: None)
    timer.cancel()
    return got[0] - begun if got else None
