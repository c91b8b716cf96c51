"""Rows of concurrent requests, predicted together: for scikit-learn, 100 cost as much as one."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from mlgitops.serving.contract import Answer, Runtime, Table
from mlgitops.serving.protocols import Question


class Waiting(NamedTuple):
    """A table, its rows, whether probabilities are asked for, and who waits for the answer."""

    table: Table
    rows: int
    likely: bool
    answer: asyncio.Future[Answer]


class Batch:
    """One prediction at a time; what arrives meanwhile goes together into the next."""

    def __init__(
        self, runtime: Runtime, seconds: float, rows: int, pool: ThreadPoolExecutor
    ) -> None:
        """`seconds` to wait for company where there is any; at most `rows` of several requests."""
        self.runtime, self.seconds, self.rows, self.pool = runtime, seconds, rows, pool
        self.waiting: list[Waiting] = []
        self.running: list[Waiting] = []
        self.busy = False

    @property
    def is_deserted(self) -> bool:
        """Whether it computes what nobody waits for any more."""
        return bool(self.running) and all(one.answer.done() for one in self.running)

    async def ask(self, question: Question, alone: bool) -> Answer:
        """The answer to a question; alone, it does not wait for company."""
        loop = asyncio.get_running_loop()
        one = Waiting(question.table, question.rows, question.likely, loop.create_future())
        self.waiting.append(one)
        if not self.busy:
            self.busy = True
            loop.call_later(0 if alone else self.seconds, self.next)
        return await one.answer

    def next(self) -> None:
        """Start on what waits, if anybody still does."""
        some: list[Waiting] = []
        rows = 0
        self.waiting = [one for one in self.waiting if not one.answer.done()]
        while self.waiting and (not some or rows + self.waiting[0].rows <= self.rows):
            rows += self.waiting[0].rows
            some.append(self.waiting.pop(0))
        self.running = some
        if not some:
            self.busy = False
            return
        loop = asyncio.get_running_loop()
        tables, likely = [one.table for one in some], any(one.likely for one in some)
        work = loop.run_in_executor(self.pool, self.predict, tables, likely)
        work.add_done_callback(lambda done: self.give(some, done.result()))

    def predict(self, tables: list[Table], likely: bool) -> list[Answer | Exception]:
        """The answer for each table; where all together fail, each on its own."""
        try:
            together = {
                name: np.concatenate([table[name] for table in tables]) for name in tables[0]
            }
            answer = self.runtime(together, likely)
        except Exception as error:
            if len(tables) == 1:
                return [error]
            return [one for table in tables for one in self.predict([table], likely)]
        ends = np.cumsum([len(next(iter(table.values()))) for table in tables]).tolist()
        return [answer.part(*pair) for pair in zip([0, *ends], ends, strict=False)]

    def give(self, some: list[Waiting], answers: list[Answer | Exception]) -> None:
        """Hand out the answers, and go on."""
        for one, answer in zip(some, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)
        self.next()
