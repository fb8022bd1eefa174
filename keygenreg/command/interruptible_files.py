"""Reading and writing files and pipes so that another thread can end the waiting."""

from __future__ import annotations

import os
import select
import stat

from attrs import define, field


class Ended(Exception):
    """:meth:`Interruptible.end` was called."""


@define(eq=False)
class Interruptible:
    """
    An open file descriptor, which somebody else closes.

    A pipe takes at most ``PIPE_BUF`` bytes without making its writer wait once it says that it can be written to.
    """

    descriptor: int
    _wake: tuple[int, int] = field(factory=os.pipe, init=False)
    _pipe: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._pipe = not stat.S_ISREG(os.fstat(self.descriptor).st_mode)

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; nothing at the end. :raises Ended: by another thread."""
        self._wait(select.POLLIN)
        return os.read(self.descriptor, size)

    def write(self, data: bytes) -> None:
        """:raises Ended: by another thread. BrokenPipeError: nobody reads any more."""
        view = memoryview(data)
        while view:
            self._wait(select.POLLOUT)
            view = view[os.write(self.descriptor, view[: select.PIPE_BUF] if self._pipe else view) :]

    def end(self) -> None:
        """Let a thread that reads or writes, or will, fail with :class:`Ended`."""
        os.write(self._wake[1], b"\0")

    def close(self) -> None:
        """Give back what this object holds; not the descriptor."""
        for descriptor in self._wake:
            os.close(descriptor)

    def _wait(self, event: int) -> None:
        if not self._pipe:
            return  # a file never makes its reader wait for somebody
        ready = select.poll()
        ready.register(self.descriptor, event)
        ready.register(self._wake[0], select.POLLIN)
        if any(descriptor == self._wake[0] for descriptor, _ in ready.poll()):
            raise Ended
