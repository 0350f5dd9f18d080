"""What the programs of the clients share: who stands behind greenroom, and how checks are run.

Such a program is called with greenroom's address and a JSON object of models: `{"lab/m1": {"url", "path"}}` says at
which scripted provider a model is, and at which path it is asked for an answer.
"""

import asyncio
import inspect
import json
import sys
import time
import urllib.request

BASE = sys.argv[1]
MODELS = json.loads(sys.argv[2])
UNICODE = "é🌊\u2028\u2029\u0085 end"
PNG = "iVBORw0KGgo="


def report(model):
    """What the provider that has the model tells of itself."""
    with urllib.request.urlopen(f"{MODELS[model]['url']}/_scripted/stats", timeout=30) as answer:
        return json.load(answer)


def counters(model):
    """The counters of the provider that has the model, of its route for answers."""
    return next(route for route in report(model)["routes"] if route["path"] == MODELS[model]["path"])


def last_body(model):
    """What the provider was sent last, as text."""
    return json.dumps(report(model)["seen"][-1]["body"])


def breaking(model, mode):
    """Another model of the same provider: one whose answers break off is left alone for a while."""
    return f"{model.split('/')[0]}/breaks-{mode.replace('/', '-')}"


def until(model, counter, count):
    """Waits for a counter of the model's provider to be so."""
    end = time.monotonic() + 30
    while counters(model)[counter] != count:
        assert time.monotonic() < end, f"{counter} is not {count}: {counters(model)}"
        time.sleep(0.005)


async def leaves(model, asked):
    """Cancels a task once the provider has its request, which then sees the connection closed."""
    seen = counters(model)["cancelled"]
    task = asyncio.ensure_future(asked)
    await asyncio.to_thread(until, model, "open", 1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        await asyncio.to_thread(until, model, "cancelled", seen + 1)
        return
    raise AssertionError("the task was not cancelled")


def raises(kind, call):
    """Calls what has to fail by this class and no other."""
    try:
        call()
    except Exception as error:
        assert type(error) is kind, f"{type(error).__name__} in place of {kind.__name__}: {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


def run(checks, *cases):
    """Runs each check for each case, and says which. All that is asynchronous shares one loop, as in a program."""

    async def run_all():
        for check in checks:
            for case in cases:
                if inspect.iscoroutinefunction(check):
                    await check(*case)
                else:
                    await asyncio.to_thread(check, *case)
                print("ok", check.__name__, *case, flush=True)

    asyncio.run(run_all())
