"""A TCP relay before a node: by a seed it cuts connections mid-stream and lets nobody through for a while."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time

CHUNK = 700
RESET = struct.pack("ii", 1, 0)


class Cutting:
    """Listens on a port of its own and passes bytes on to `target`, until its dice say otherwise."""

    def __init__(self, target: int, seed: str) -> None:
        self.target = target
        self.dice = random.Random(seed)
        self.whole = True
        self.until = 0.0
        self.cuts = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._end(self._listening)  # wakes who waits for a connection
        self._listening.close()

    def shut(self, seconds: float) -> None:
        """Let nobody through for some seconds."""
        self.until = time.monotonic() + seconds

    def begin(self) -> None:
        """From here on connections break."""
        self.whole = False

    def heal(self) -> None:
        """From here on everything passes."""
        self.whole, self.until = True, 0.0

    def _serve(self) -> None:
        while True:
            try:
                coming, _ = self._listening.accept()
            except OSError:
                return
            if time.monotonic() < self.until:
                self._reset(coming)
                continue
            try:
                going = socket.create_connection(("127.0.0.1", self.target), 5)
                going.settimeout(None)
            except OSError:
                self._reset(coming)
                continue
            budget = None if self.whole else self.dice.choice([None, None, 300, 2_000, 20_000])
            left = [self.dice.randrange(budget) if budget else -1]
            back = threading.Thread(target=self._pump, args=(going, coming, left), daemon=True)
            threading.Thread(target=self._both, args=(coming, going, left, back), daemon=True).start()

    def _both(
        self, coming: socket.socket, going: socket.socket, left: list[int], back: threading.Thread
    ) -> None:
        """Pass bytes on in both directions until both are at an end, then close both sides."""
        with coming, going:
            back.start()
            self._pump(coming, going, left)
            back.join()

    def _pump(self, one: socket.socket, other: socket.socket, left: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(CHUNK):
                if not self.whole and (time.monotonic() < self.until or 0 <= left[0] < len(data)):
                    other.sendall(data[: max(0, left[0])])  # half of what was sent, then nothing
                    self.cuts += 1
                    self._end(one, other)
                    return
                if left[0] >= 0:
                    left[0] -= len(data)
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
            return
        self._end(one, other)

    @staticmethod
    def _end(*sides: socket.socket) -> None:
        for one in sides:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _reset(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.close()
