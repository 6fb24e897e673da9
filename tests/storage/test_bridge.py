"""The bridge between sync adapters and async drivers: waiting, callers' own state, locks."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from docmap import UseAsyncStorage
from docmap.storage.bridge import (
    Event,
    Local,
    Lock,
    bridged,
    bridged_for,
    caller,
    is_bridged,
    sleep,
    wait,
)


class Here(Local):
    value: int = 0


async def answer(value: int, seconds: float = 0) -> int:
    await asyncio.sleep(seconds)
    return value


async def failing() -> int:
    await asyncio.sleep(0)
    raise LookupError("from the driver")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


# -- waiting


def test_a_value_is_its_own_result() -> None:
    assert wait(5) == 5


def test_a_coroutine_is_awaited_by_the_event_loop() -> None:
    def function(base: int, *, more: int) -> int:
        return wait(answer(base)) + wait(answer(more)) + wait(1)

    assert run(bridged(function, 2, more=3)) == 6


def test_a_coroutine_outside_is_refused_and_closed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UseAsyncStorage, match="await db.save"):
            wait(answer(1))


def test_what_a_driver_raises_is_raised_where_it_was_awaited() -> None:
    def function() -> str:
        try:
            wait(failing())
        except LookupError as error:
            return str(error)
        return "nothing"

    assert run(bridged(function)) == "from the driver"


def test_what_the_function_raises_reaches_who_awaits_it() -> None:
    def function() -> None:
        wait(answer(1))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(bridged(function))


def test_other_tasks_run_while_one_waits() -> None:
    seen: list[str] = []

    def function(name: str) -> None:
        for _ in range(3):
            seen.append(name)
            sleep(0)

    async def both() -> None:
        await asyncio.gather(bridged(function, "a"), bridged(function, "b"))

    run(both())
    assert seen == ["a", "b"] * 3


def test_a_generator_goes_on_in_another_call() -> None:
    def numbers() -> Any:
        for number in range(4):
            yield wait(answer(number))

    async def each() -> list[int]:
        source = numbers()
        return [await bridged(next, source) for _ in range(4)]

    assert run(each()) == [0, 1, 2, 3]


def test_context_variables_are_those_of_the_task() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    def function() -> int:
        before = variable.get()
        wait(answer(1))
        variable.set(before + 1)
        return variable.get()

    async def main() -> int:
        variable.set(7)
        assert await bridged(function) == 8
        return variable.get()

    assert run(main()) == 8


def test_bridged_code_may_await_bridged_code() -> None:
    def inner() -> int:
        here.value += 1
        return wait(answer(1)) + here.value

    def outer() -> int:
        here.value = 10
        return wait(bridged(inner)) + here.value

    here = Here()
    assert run(bridged(outer)) == 12 + 11
    assert here.value == 0


# -- cancelling


def test_a_cancelled_task_unwinds_and_may_wait_while_it_does() -> None:
    steps: list[str] = []

    def function() -> None:
        try:
            wait(answer(1, 60))
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise
        finally:
            wait(answer(1))
            steps.append("put back")

    async def main() -> None:
        task = asyncio.create_task(bridged(function))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert steps == ["cancelled", "put back"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_task_is_cancelled_though_the_driver_swallows_it(*, fails: bool) -> None:
    async def swallow() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if fails:
                raise ConnectionError from None
        return 1

    async def uncancel() -> int:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(60)
        except TimeoutError:  # which is meant
            return 2
        return 3

    async def main() -> None:
        assert await bridged(lambda: wait(uncancel())) == 2
        task = asyncio.create_task(bridged(lambda: wait(swallow())))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_closed_coroutine_unwinds_and_waits_no_more() -> None:
    steps: list[str] = []

    def function() -> None:
        try:
            wait(answer(1, 60))
        finally:
            steps.append("leaving")
            try:
                wait(answer(2))
            finally:
                steps.append("left")

    async def main() -> None:
        coroutine = bridged(function)
        coroutine.send(None)
        coroutine.close()

    run(main())
    assert steps == ["leaving", "left"]
    assert not is_bridged()


# -- what belongs to the caller


def test_each_task_has_its_own_state_across_waits() -> None:
    here = Here()

    def function(number: int) -> list[int]:
        seen = [here.value]
        here.value = number
        for _ in range(3):
            wait(answer(0))
            seen.append(here.value)
        return seen

    async def twice(number: int) -> list[int]:
        first = await bridged(function, number)
        await asyncio.sleep(0)
        return first + await bridged(function, -number)

    async def both() -> list[list[int]]:
        return list(await asyncio.gather(twice(1), twice(2)))

    here.value = 99  # the thread's own: no task sees it
    assert run(both()) == [[0, 1, 1, 1, 1, -1, -1, -1], [0, 2, 2, 2, 2, -2, -2, -2]]
    assert here.value == 99


def test_a_task_that_is_started_does_not_inherit_the_state() -> None:
    here = Here()

    def put(number: int) -> None:
        here.value = number

    def read() -> int:
        return here.value

    async def main() -> tuple[int, int]:
        await bridged(put, 5)
        child = asyncio.create_task(bridged(read))
        return await child, await bridged(read)

    assert run(main()) == (0, 5)


def test_state_is_each_threads_own_too() -> None:
    here = Here()
    here.value = 1
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(here.value))
    thread.start()
    thread.join()
    assert seen == [0]


def test_one_task_may_end_what_another_began() -> None:
    here = Here()

    def begin() -> Any:
        here.value = 5
        return caller()

    def end() -> int:
        wait(answer(1))
        ended, here.value = here.value, 0
        return ended

    async def main() -> int:
        began = asyncio.create_task(bridged(begin))
        owner = await began
        return await bridged_for(owner, end)

    assert run(main()) == 5


def test_a_local_with_an_init_is_refused() -> None:
    with pytest.raises(TypeError, match="attributes of the class"):

        class Wrong(Local):
            def __init__(self) -> None:
                self.value = 1


def test_the_caller_is_the_task_or_the_thread() -> None:
    async def main() -> bool:
        return await bridged(caller) is asyncio.current_task()

    assert run(main())
    assert caller() == threading.get_ident()


# -- locks


def test_tasks_take_turns_at_a_lock_held_across_waits() -> None:
    lock, inside, most = Lock(), 0, 0

    def function() -> None:
        nonlocal inside, most
        with lock, lock:  # a holder takes it again
            inside += 1
            most = max(most, inside)
            sleep(0.001)
            inside -= 1

    async def many() -> None:
        await asyncio.gather(*(bridged(function) for _ in range(5)))

    run(many())
    assert most == 1


def test_threads_and_tasks_share_a_lock() -> None:
    lock, count = Lock(), 0

    def add() -> None:
        nonlocal count
        for _ in range(50):
            with lock:
                before = count
                sleep(0)
                count = before + 1

    async def many() -> None:
        await asyncio.gather(*(bridged(add) for _ in range(3)))

    threads = [threading.Thread(target=add) for _ in range(2)]
    threads.append(threading.Thread(target=lambda: asyncio.run(many())))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count == 250


def test_a_lock_that_is_not_given_back_in_time_is_not_had() -> None:
    lock, over = Lock(), Event()

    def hold() -> None:
        with lock:
            over.wait(60)

    def try_it() -> bool:
        return lock.acquire(timeout=0.01)

    async def main() -> bool:
        holder = asyncio.create_task(bridged(hold))
        await asyncio.sleep(0)
        had = await bridged(try_it)
        over.set()
        await holder
        return had

    assert run(main()) is False
    assert lock.acquire(timeout=0)  # nobody is left in its queue
    lock.release()


def test_a_cancelled_task_leaves_the_queue_of_a_lock() -> None:
    lock = Lock()

    def hold() -> None:
        with lock:
            sleep(0.02)

    def take() -> str:
        with lock:
            return "had"

    async def main() -> str:
        holder = asyncio.create_task(bridged(hold))
        await asyncio.sleep(0)
        cancelled = asyncio.create_task(bridged(take))
        last = asyncio.create_task(bridged(take))
        await asyncio.sleep(0)
        cancelled.cancel()
        await holder
        return await last

    assert run(main()) == "had"


def test_a_lock_given_to_a_task_that_is_cancelled_meanwhile_goes_on() -> None:
    lock = Lock()

    def take() -> None:
        with lock:
            wait(answer(0))

    async def main() -> None:
        lock.acquire()
        task = asyncio.create_task(bridged(take))
        await asyncio.sleep(0)
        lock.release()  # the task has it, and has not run since
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert lock.acquire(timeout=0)


def test_only_the_holder_releases_a_lock() -> None:
    with pytest.raises(RuntimeError, match="not held"):
        Lock().release()


def test_an_event_wakes_threads_and_tasks() -> None:
    event = Event()
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(event.wait(60)))
    thread.start()

    async def main() -> bool:
        task = asyncio.create_task(bridged(event.wait, 60))
        await asyncio.sleep(0)
        event.set()
        return await task

    assert run(main())
    thread.join()
    assert woken == [True]
    assert event.wait(0)


def test_an_event_that_is_not_set_is_waited_for_so_long() -> None:
    assert not Event().wait(0.001)
    assert not run(bridged(Event().wait, 0.001))
