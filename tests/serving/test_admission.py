"""Who is let in, for how long, and what is given back; with a model of which the test has a key."""

import asyncio
import gc
import threading

import numpy as np
import pytest
from mlgitops.serving.admission import LATE, SLOW, Admission
from mlgitops.serving.bodies import BUSY
from mlgitops.serving.computing import Computing
from mlgitops.serving.contract import Answer, Output, Signature
from mlgitops.serving.errors import Refusal
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.protocols import Protocol, Question, Reply
from mlgitops.serving.settings import Settings

SIGNATURE = Signature(
    version=1,
    format="onnx",
    task="regression",
    inputs=(),
    outputs=(Output(name="value", type="value"),),
)


def decode(request):
    """A row of the body's first byte."""
    return Question(np_table(request.body[0]), 1, False, None)


def np_table(number):
    return {"x": np.array([[number]], dtype=np.float32)}


ECHO = Protocol(
    "echo",
    decode,
    lambda found, _: Reply(b"%d" % found.values[0]),
    lambda one: one.message.encode(),
)


class Model:
    """Computes twice its numbers once it is opened; remembers how many rows at a time."""

    def __init__(self):
        self.open, self.runs = threading.Event(), []

    def __call__(self, table, likely):
        self.runs.append(len(table["x"]))
        assert self.open.wait(10)
        if table["x"].max() > 200:
            raise Refusal("not_finite", "too large")
        return Answer(table["x"][:, 0] * 2, None)


@pytest.fixture
def model():
    made = Model()
    yield made
    made.open.set()


def make_admission(model, batched=False, **limits):
    """A app at which every prediction is made beside the loop."""
    settings = Settings(**limits)
    computing = Computing(model, settings, small=-1, batched=batched)
    return Admission({"/": ECHO}, None, computing, Metrics(settings, SIGNATURE), settings)


async def ask(app, *pieces, whole=True):
    """Status and text of the answer to a body; where it is not whole, the rest never comes."""
    coming, sent = [*pieces], []

    async def receive():
        if not coming and not whole:
            await asyncio.sleep(60)
        body = coming.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(coming) or not whole}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/", "method": "POST", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


def test_an_answer_that_takes_too_long_is_refused_and_keeps_its_place_until_it_ends(model):
    async def story():
        app = make_admission(model, seconds=0.1, concurrency=2, threads=1)
        running, waiting = await asyncio.gather(ask(app, b"a"), ask(app, b"b"))
        assert running == waiting == (503, LATE)
        assert app.in_flight == 1  # What runs; what waited for the thread is dropped.
        model.open.set()
        while app.in_flight:
            await asyncio.sleep(0.01)
        assert await ask(app, b"c") == (200, "198")
        assert len(model.runs) == 2

    asyncio.run(story())


@pytest.mark.parametrize("batched", [False, True])
def test_the_answer_has_what_the_body_leaves_of_the_time(batched, model):
    async def story():
        app = make_admission(model, seconds=1.2, batched=batched)
        loop = asyncio.get_running_loop()
        started = loop.time()

        async def slowly(scope, receive, send):
            async def late():
                await asyncio.sleep(0.9)
                return await receive()

            await Admission.__call__(app, scope, late, send)

        assert await ask(slowly, b"a") == (503, LATE)
        assert 1.19 < loop.time() - started < 2

    asyncio.run(story())


def test_a_body_that_does_not_come_takes_time_but_no_place(model):
    model.open.set()

    async def story():
        app = make_admission(model, seconds=1, concurrency=1)
        idle = [asyncio.create_task(ask(app, whole=False)) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert await ask(app, b"a") == (200, "194")
        assert set(await asyncio.gather(*idle)) == {(408, SLOW)}
        assert app.deadline.ends == {}

    asyncio.run(story())


def test_large_bodies_are_bounded_together_and_given_back(model):
    model.open.set()

    async def story():
        app = make_admission(model, seconds=1, max_bytes=50_000, concurrency=100)
        idle = [asyncio.create_task(ask(app, b"a" * 49_999, whole=False)) for _ in range(8)]
        await asyncio.sleep(0.05)
        assert await ask(app, b"a" * 25_000, b"a" * 24_000) == (503, BUSY)
        assert await ask(app, b"a" * 1000) == (200, "194")
        assert (await ask(app, b"a" * 50_001))[0] == 413
        assert set(await asyncio.gather(*idle)) == {(408, SLOW)}
        assert app.memory.arriving == 0
        assert await ask(app, b"a" * 25_000, b"a" * 24_000) == (200, "194")

    asyncio.run(story())


def test_what_is_refused_is_let_go(model):
    """An error of a thread leads to the frame that waits for it; it must not lead back."""
    model.open.set()

    async def story():
        app = make_admission(model)
        gc.collect()
        gc.disable()
        try:
            before = sum(isinstance(one, Refusal) for one in gc.get_objects())
            assert (await ask(app, b"\xff"))[0] == 400
            await asyncio.sleep(0.5)
            return sum(isinstance(one, Refusal) for one in gc.get_objects()) - before
        finally:
            gc.enable()

    assert asyncio.run(story()) == 0


def test_more_than_fit_in_are_told_to_come_back(model):
    async def story():
        app = make_admission(model, concurrency=2)
        asked = [asyncio.create_task(ask(app, b"a")) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await ask(app, b"a") == (503, BUSY)
        model.open.set()
        assert set(await asyncio.gather(*asked)) == {(200, "194")}
        assert await ask(app, b"a") == (200, "194")

    asyncio.run(story())


def test_what_arrives_meanwhile_is_predicted_together_and_comes_back_to_its_own(model):
    async def story():
        app = make_admission(model, batched=True)
        first = asyncio.create_task(ask(app, b"a"))
        while not model.runs:
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(ask(app, bytes([k]))) for k in range(1, 31)]
        await asyncio.sleep(0.05)
        model.open.set()
        assert await first == (200, "194")
        assert await asyncio.gather(*others) == [(200, str(2 * k)) for k in range(1, 31)]
        assert model.runs == [1, 30]

    asyncio.run(story())


def test_one_that_cannot_be_predicted_spoils_no_other(model):
    model.open.set()

    async def story():
        app = make_admission(model, batched=True, batch_seconds=0.05)
        found = await asyncio.gather(*[ask(app, bytes([k])) for k in (1, 201, 3)])
        assert found == [(200, "2"), (400, "too large"), (200, "6")]
        assert model.runs == [3, 1, 1, 1]

    asyncio.run(story())


@pytest.mark.parametrize("batched", [False, True])
def test_it_is_not_ready_while_it_computes_what_nobody_waits_for(batched, model):
    async def story():
        app = make_admission(model, batched=batched, seconds=0.1)
        assert app.ready
        assert await ask(app, b"a") == (503, LATE)
        assert not app.ready
        model.open.set()
        while not app.ready:
            await asyncio.sleep(0.01)
        assert await ask(app, b"b") == (200, "196")

    asyncio.run(story())
