"""An event loop in a thread of its own, for what waits on sockets beside the server's threads."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """A running event loop, from construction to `close`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop and return its result; called from other threads."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Cancel what still runs in the loop, and end it."""
        self.wait_for(cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


async def cancel_others() -> None:
    """Cancel every other task of this loop, and wait until they have ended."""
    others = asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
