"""An event loop whose time passes at once while all wait; what is under way in a thread is waited for as it is.

`virtual_time.run(main())` runs a coroutine on it. Sockets on loopback work: what was sent is there at once.
"""

import asyncio
import selectors


class _Selector(selectors.DefaultSelector):
    loop = None

    def select(self, timeout=None):
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None or self.loop.in_threads:
            return super().select(timeout if timeout is None else 0.01)
        self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.now = 1000.0
        self.in_threads = 0
        """How much is under way in threads: time stands still until it is over."""
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self):
        return self.now

    def run_in_executor(self, executor, func, *args):
        self.in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._came_back)
        return future

    async def under_way(self, work):
        """Wait for work of another thread, with the time standing still."""
        self.in_threads += 1
        try:
            return await work
        finally:
            self.in_threads -= 1

    async def shutdown_default_executor(self, _timeout=None):
        """Without the limit that Python has from 3.12 on, of 300 s: they would be over at once."""
        await self.under_way(super().shutdown_default_executor())

    def _came_back(self, _future):
        self.in_threads -= 1


def run(main):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
