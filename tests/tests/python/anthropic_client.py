"""Anthropic's own Python client against a greenroom that stands before a scripted provider.

Called with the base URL, a model, and the address and the route of the provider that has it; ANTHROPIC_API_KEY holds the token. What the
scripted provider answers is chosen by the text of the user's message. Ends with 0 if everything is as it should be, and
prints a line for each check.
"""

import asyncio
import json
import sys
import time
import urllib.request

import anthropic
from pydantic import BaseModel

BASE, MODEL, PROVIDER, ROUTE = sys.argv[1:]
client = anthropic.Anthropic(base_url=BASE, max_retries=0, timeout=30)
UNICODE = "é🌊\u2028\u2029\u0085 end"

WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Sum(BaseModel):
    total: int


def asked(text, **more):
    return {"model": MODEL, "max_tokens": 4000, "messages": [{"role": "user", "content": text}], **more}


def final(text, **more):
    with client.messages.stream(**asked(text, **more)) as stream:
        for _ in stream:
            pass
        return stream.get_final_message()


def both(text, **more):
    """The answer whole and streamed, which must be the same but for what only one of them is told."""
    whole, streamed = client.messages.create(**asked(text, **more)), final(text, **more)
    for message in (whole, streamed):
        assert message.type == "message" and message.role == "assistant" and message.id, message
    assert whole.to_dict()["content"] == streamed.to_dict()["content"], (whole, streamed)
    assert whole.stop_reason == streamed.stop_reason
    return whole, streamed


def greeting():
    for message in both("greet"):
        assert [block.type for block in message.content] == ["text"] and message.content[0].text == "Hello, world", message
        assert message.model == "m-2026" and message.stop_reason == "end_turn"
        usage = message.usage
        counts = (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens)
        assert counts == (6, 4, 5), usage


def headers():
    raw = client.messages.with_raw_response.create(**asked("greet"))
    assert raw.headers["x-greenroom-model"] == MODEL.split("/")[1]
    assert raw.parse()._request_id.startswith("req_")


def text_stream():
    with client.messages.stream(**asked("unicode")) as stream:
        assert "".join(stream.text_stream) == UNICODE
    assert both("unicode")[0].content[0].text == UNICODE


def raw_events():
    names = [event.type for event in client.messages.create(**asked("greet"), stream=True)]
    assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"], names


def tools():
    for message in both("call tools", tools=[WEATHER]):
        assert message.stop_reason == "tool_use"
        calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
        assert calls == [("call_a", "weather", {"city": "Oslo"}), ("call_b", "weather", {"city": "Bergen"})], calls
        results = [{"type": "tool_result", "tool_use_id": id, "content": "rain"} for id, _, _ in calls]
        messages = [
            {"role": "user", "content": "round trip, call tools"},
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results},
        ]
        answer = client.messages.create(**{**asked(""), "messages": messages, "tools": [WEATHER]})
        assert answer.content[0].text == "It rains.", answer


def tool_choice():
    for choice in ({"type": "any"}, {"type": "tool", "name": "weather", "disable_parallel_tool_use": False}):
        for message in both("call tools", tools=[WEATHER], tool_choice=choice):
            assert message.stop_reason == "tool_use", message
    for message in both("greet", tools=[WEATHER], tool_choice={"type": "none"}):
        assert message.content[0].text == "Hello, world"


def options():
    system = [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}]
    # What newer models do not take, the client has no word for.
    older = {"temperature": 0.5, "top_k": 5}
    more = {"extra_body": older, "stop_sequences": ["END"], "metadata": {"user_id": "someone"}}
    for message in both("greet", system=system, service_tier="auto", **more):
        assert message.content[0].text == "Hello, world"


def asynchronous():
    async def ask():
        async with anthropic.AsyncAnthropic(base_url=BASE, max_retries=0) as client:
            assert (await client.messages.create(**asked("greet"))).content[0].text == "Hello, world"
            async with client.messages.stream(**asked("unicode")) as stream:
                assert "".join([text async for text in stream.text_stream]) == UNICODE

    asyncio.run(ask())


def tool_runner():
    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}: round trip"

    for stream in (False, True):
        runner = client.beta.messages.tool_runner(**asked("call tools"), tools=[weather], stream=stream)
        last = runner.until_done()
        assert last.content[0].text == "It rains.", last


def thinking():
    for message in both("think", thinking={"type": "enabled", "budget_tokens": 2000}):
        kinds = [block.type for block in message.content]
        assert kinds == ["thinking", "text"] and message.content[0].thinking == "hm, yes", message
        back = [*asked("think")["messages"], {"role": "assistant", "content": message.content}]
        back.append({"role": "user", "content": "round trip"})
        answer = client.messages.create(**{**asked(""), "messages": back})
        assert answer.content[0].text == "It rains."


def structured():
    answer = client.messages.parse(**asked("add up"), output_format=Sum)
    assert answer.parsed_output == Sum(total=3), answer


def image():
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content = [{"type": "text", "text": "picture"}, {"type": "image", "source": source}]
    assert both(content)[0].content[0].text == "A cat."


def long_prompt():
    assert both("large " + "x" * 200_000)[0].content[0].text == "Fine."


def counting():
    count = client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "greet"}], tools=[WEATHER])
    assert count.input_tokens > 0


def models():
    listed = {model.id: model for model in client.models.list(limit=1)}
    assert "smart" in listed and MODEL in listed, listed
    assert listed[MODEL].type == "model" and listed[MODEL].display_name and listed[MODEL].created_at.year == 1970
    assert client.models.retrieve(MODEL).id == MODEL
    expect(anthropic.NotFoundError, "not_found_error", lambda: client.models.retrieve("lab/nothing"))


def expect(kind, word, call):
    try:
        call()
    except anthropic.APIStatusError as error:
        assert type(error) is kind, f"{type(error).__name__} in place of {kind.__name__}: {error}"
        assert error.body["error"]["type"] == word and error.type == word, error.body
        assert error.request_id == error.body["request_id"], "an error without the id of its request"
        return error
    raise AssertionError(f"no {kind.__name__}")


def errors():
    stranger = anthropic.Anthropic(base_url=BASE, api_key="wrong", max_retries=0)
    for stream in (False, True):

        def ask(client=client, **more):
            return lambda: client.messages.create(**{**asked("greet"), **more}, stream=stream)

        error = expect(anthropic.AuthenticationError, "authentication_error", ask(stranger))
        assert "greenroom auth token" in error.message
        error = expect(anthropic.NotFoundError, "not_found_error", ask(model="smrat"))
        assert "smart" in error.message, error.message
        error = expect(anthropic.RateLimitError, "rate_limit_error", ask(model="limited/m"))
        assert 0 < int(error.response.headers["retry-after"]) <= 50
        expect(anthropic.OverloadedError, "overloaded_error", ask(model="busy/m"))
        error = expect(anthropic.BadRequestError, "invalid_request_error", ask(model="full/m"))
        assert "prompt is too long" in error.message
        expect(anthropic.BadRequestError, "invalid_request_error", ask(extra_body={"temperature": "hot"}))


def bearer():
    other = anthropic.Anthropic(base_url=BASE, api_key=None, auth_token=client.api_key, max_retries=0)
    assert other.messages.create(**asked("greet")).content[0].text == "Hello, world"


def error_midway():
    text = ""
    try:
        with client.messages.stream(**asked("break off")) as stream:
            for more in stream.text_stream:
                text += more
    except anthropic.APIStatusError as error:
        assert text == "Hel" and error.body["type"] == "error", (text, error)
        return
    raise AssertionError("a stream that broke off looked complete")


def cancel():
    with client.messages.stream(**asked("stall")) as stream:
        for text in stream.text_stream:
            assert text == "Hel"
            seen = route()["cancelled"]
            break
    until("cancelled", seen + 1)


def cancel_task():
    async def leave():
        async with anthropic.AsyncAnthropic(base_url=BASE, max_retries=0) as client:
            seen = route()["cancelled"]
            task = asyncio.create_task(client.messages.create(**asked("stall")))
            await asyncio.to_thread(until, "open", 1)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                await asyncio.to_thread(until, "cancelled", seen + 1)
                return
        raise AssertionError("the task was not cancelled")

    asyncio.run(leave())


def route():
    """The provider's counters of its route for answers."""
    with urllib.request.urlopen(f"{PROVIDER}/_scripted/stats", timeout=30) as answer:
        routes = json.load(answer)["routes"]
    return next(route for route in routes if route["path"] == ROUTE)


def until(counter, count):
    end = time.monotonic() + 30
    while route()[counter] != count:
        assert time.monotonic() < end, f"{counter} is not {count}: {route()}"
        time.sleep(0.005)


for check in (
    greeting,
    headers,
    text_stream,
    raw_events,
    tools,
    tool_choice,
    tool_runner,
    options,
    asynchronous,
    thinking,
    structured,
    image,
    long_prompt,
    counting,
    models,
    errors,
    bearer,
    error_midway,
    cancel,
    cancel_task,
):
    check()
    print("ok", check.__name__, flush=True)
