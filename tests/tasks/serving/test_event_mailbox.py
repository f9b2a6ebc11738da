import asyncio
import threading
import time

import pytest

from memdec_core.serving.request import Finished
from tasks.serving.event_mailbox import EventMailbox


async def take_all(mailbox: EventMailbox, count: int) -> list[int]:
    deadline = asyncio.get_running_loop().time() + 20
    taken: list[int] = []
    while len(taken) < count:
        batch = await mailbox.take(deadline)
        assert batch
        taken += [sequence for sequence, _event in batch]
    return taken


def test_all_events_of_another_thread_come_in_order() -> None:
    async def receive() -> list[int]:
        mailbox = EventMailbox()

        def send() -> None:
            for number in range(20_000):
                mailbox.put(number, Finished("stop"))
                if number % 97 == 0:
                    time.sleep(0.0001)  # lets the receiver find it empty at times

        sender = threading.Thread(target=send)
        sender.start()
        taken = await take_all(mailbox, 20_000)
        sender.join()
        return taken

    assert asyncio.run(receive()) == list(range(20_000))


def test_waiting_ends_at_the_deadline() -> None:
    async def wait() -> None:
        await EventMailbox().take(asyncio.get_running_loop().time() + 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_who_takes_what_is_already_there_still_lets_others_have_their_turn() -> None:
    async def race() -> None:
        mailbox, turns = EventMailbox(), 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        for number in range(100):
            mailbox.put(number, Finished("stop"))
            await asyncio.sleep(0.001)
            before = turns
            await mailbox.take(asyncio.get_running_loop().time() + 20)
            assert turns > before
        beside.cancel()

    asyncio.run(race())
