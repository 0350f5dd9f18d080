"""OpenAI's own Python client against a greenroom that stands before a scripted provider.

Called with the base URL and the provider's own address; OPENAI_API_KEY holds the token. What the scripted provider answers is chosen by the text of
the user's message. Ends with 0 if everything is as it should be, and prints a line for each check; `left MILLISECONDS`
is when a stream was closed, in Unix time, for the caller to compare with what the provider saw.
"""

import asyncio
import json
import sys
import time
import urllib.request

import openai
from pydantic import BaseModel

BASE, PROVIDER = sys.argv[1:]
client = openai.OpenAI(base_url=BASE, max_retries=0, timeout=30)

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


UNICODE = "é🌊\u2028\u2029\u0085 end"


class Sum(BaseModel):
    total: int


def say(text):
    return [{"role": "user", "content": text}]


def whole():
    answer = client.chat.completions.create(model="smart", messages=say("greet"))
    assert answer.choices[0].message.content == "Hello, world", answer
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion" and answer.id and answer.model == "m1-2026"
    assert abs(answer.created - time.time()) < 600
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15), usage


def headers():
    raw = client.chat.completions.with_raw_response.create(model="smart", messages=say("greet"))
    assert raw.headers["x-greenroom-provider"] == "lab" and raw.headers["x-greenroom-model"] == "m1"
    assert raw.request_id.startswith("req_"), raw.request_id


def streamed_with_usage():
    stream = client.chat.completions.create(
        model="smart", messages=say("greet"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert all(chunk.object == "chat.completion.chunk" and chunk.model == "m1-2026" for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Hello, world", text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 15
    assert all(chunk.usage is None for chunk in chunks[:-1])


def both(text, **more):
    """The text of an answer whole and streamed, which must be the same."""
    asked = {"model": "smart", "messages": say(text), **more}
    answer = client.chat.completions.create(**asked).choices[0].message.content
    with client.chat.completions.stream(**asked) as stream:
        assert stream.get_final_completion().choices[0].message.content == answer
    return answer


def unicode():
    assert both("unicode") == UNICODE


def long_prompt():
    assert both("large " + "x" * 200_000) == "Fine."


def options():
    more = {"seed": 7, "n": 1, "logprobs": False, "stop": ["END"], "max_completion_tokens": 1000, "user": "someone"}
    more |= {"reasoning_effort": "low", "verbosity": "low", "metadata": {"a": "b"}, "response_format": {"type": "text"}}
    said = [{"role": "developer", "content": "be brief"}, *say("greet")]
    assert both("", messages=said, tools=[WEATHER], tool_choice="none", **more) == "Hello, world"


def tool_choice():
    named = {"type": "function", "function": {"name": "weather"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    for choice in ("required", named, allowed):
        asked = {"model": "smart", "messages": say("call tools"), "tools": [WEATHER], "tool_choice": choice}
        check_calls(client.chat.completions.create(**asked, parallel_tool_calls=True).choices[0].message)


def asynchronous():
    async def ask():
        async with openai.AsyncOpenAI(base_url=BASE, max_retries=0) as client:
            asked = {"model": "smart", "messages": say("greet")}
            answers = await asyncio.gather(*(client.chat.completions.create(**asked) for _ in range(3)))
            assert all(answer.choices[0].message.content == "Hello, world" for answer in answers)
            stream = await client.chat.completions.create(**asked, stream=True)
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hello, world"

    asyncio.run(ask())


def check_calls(message):
    calls = [(call.id, call.type, call.function.name, call.function.arguments) for call in message.tool_calls]
    assert calls == [
        ("call_a", "function", "weather", '{"city":"Oslo"}'),
        ("call_b", "function", "weather", '{"city":"Bergen"}'),
    ], calls


def tools():
    answer = client.chat.completions.create(model="smart", messages=say("call tools"), tools=[WEATHER])
    assert answer.choices[0].finish_reason == "tool_calls"
    message = answer.choices[0].message
    check_calls(message)
    # The answer goes back as the client holds it, with the results.
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    messages = [*say("conversation"), message, *results]
    answer = client.chat.completions.create(model="smart", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "It rains."


def tools_streamed():
    with client.chat.completions.stream(model="smart", messages=say("call tools"), tools=[WEATHER]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        message = stream.get_final_completion().choices[0].message
    check_calls(message)
    assert sorted(event.parsed_arguments["city"] if event.parsed_arguments else event.arguments for event in done) == [
        "Bergen",
        "Oslo",
    ], done


def structured():
    answer = client.chat.completions.parse(model="smart", messages=say("count"), response_format=Sum)
    assert answer.choices[0].message.parsed == Sum(total=3), answer


def refused():
    answer = client.chat.completions.parse(model="smart", messages=say("refuse"), response_format=Sum)
    message = answer.choices[0].message
    assert message.refusal == "I won't." and message.parsed is None and message.content is None, message


def image():
    content = [
        {"type": "text", "text": "picture"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    answer = client.chat.completions.create(model="smart", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "A cat."


def models():
    listed = [(model.id, model.owned_by) for model in client.models.list()]
    assert ("smart", "greenroom") in listed and ("lab/m1", "lab") in listed, listed
    assert client.models.retrieve("lab/m1").id == "lab/m1"
    expect(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("lab/nothing"))


def embeddings():
    # It asks for base64 unless it is told otherwise, and makes numbers of it.
    for options in ({}, {"encoding_format": "float"}, {"dimensions": 2}):
        made = client.embeddings.create(model="lab/m1", input=["a text"], **options)
        assert made.data[0].embedding == [0.5, -1.25] and made.usage.prompt_tokens == 3, made
    expect(openai.NotFoundError, "model_not_found", lambda: client.embeddings.create(model="nobody/nothing", input="a"))


def expect(kind, code, call):
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, f"{type(error).__name__} in place of {kind.__name__}: {error}"
        assert error.code == code, f"{error.code} in place of {code}"
        assert error.request_id, "an error without the id of its request"
        return error
    raise AssertionError(f"no {kind.__name__}")


def errors():
    def ask(model="smart", text="greet", client=client, **more):
        return lambda: client.chat.completions.create(model=model, messages=say(text), **more)

    stranger = openai.OpenAI(base_url=BASE, api_key="wrong", max_retries=0)
    for stream in (False, True):
        error = expect(openai.AuthenticationError, "invalid_api_key", ask(client=stranger, stream=stream))
        assert "greenroom auth token" in error.message
        error = expect(openai.NotFoundError, "model_not_found", ask(model="smrat", stream=stream))
        assert "smart" in error.message, error.message
        error = expect(openai.RateLimitError, "rate_limit_exceeded", ask("limited/m1", stream=stream))
        assert error.response.headers["retry-after"] == "50"
        error = expect(openai.BadRequestError, None, ask(temperature="hot", stream=stream))
        assert error.param == "temperature"
        expect(openai.BadRequestError, "context_length_exceeded", ask("long/m1", stream=stream))
        expect(openai.InternalServerError, "provider_failed", ask("broken/m1", stream=stream))


def error_midway():
    stream = client.chat.completions.create(model="smart", messages=say("break off"), stream=True)
    text = ""
    try:
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    except openai.APIError as error:
        assert text == "Hel" and error.message, (text, error)
        return
    raise AssertionError("a stream that broke off looked complete")


def cancel():
    for _ in range(3):
        stream = client.chat.completions.create(model="smart", messages=say("stall"), stream=True)
        text = ""
        while text != "Hel":
            text += next(stream).choices[0].delta.content or ""
        until("open", 1)
        seen = chats()["cancelled"]
        left()
        stream.close()
        until("cancelled", seen + 1)


def texts():
    answer = client.completions.create(model="smart", prompt="greet", max_tokens=5, echo=True, best_of=1)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-"), answer
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("greetHello, world", "stop"), answer
    assert answer.usage.total_tokens == 15, answer
    answer = client.completions.create(model="smart", prompt=["greet", "conversation"], n=2)
    told = [(choice.index, choice.text) for choice in answer.choices]
    assert told == [(0, "Hello, world"), (1, "Hello, world"), (2, "It rains."), (3, "It rains.")], told
    stream = client.completions.create(
        model="smart", prompt=["greet", "conversation"], stream=True, stream_options={"include_usage": True}
    )
    said, reasons = ["", ""], []
    chunks = list(stream)
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        said[choice.index] += choice.text
        reasons.append(choice.finish_reason)
    assert said == ["Hello, world", "It rains."], said
    assert [reason for reason in reasons if reason] == ["stop", "stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 30, chunks[-1]


def texts_refused():
    for field, value in (("suffix", "end"), ("logprobs", 2), ("best_of", 2), ("prompt", [1, 2, 3])):
        try:
            client.completions.create(**{"model": "smart", "prompt": "greet", field: value})
        except openai.BadRequestError as error:
            assert error.param == field and error.type == "invalid_request_error", error
        else:
            raise AssertionError(f"{field} was taken")
    try:
        list(client.completions.create(model="smart", prompt="break off", stream=True))
    except openai.APIError as error:
        assert error.type == "server_error", error
    else:
        raise AssertionError("an answer that breaks off ended well")


def cancel_task():
    async def leave():
        async with openai.AsyncOpenAI(base_url=BASE, max_retries=0) as client:
            seen = chats()["cancelled"]
            asked = asyncio.create_task(client.chat.completions.create(model="smart", messages=say("stall")))
            await asyncio.to_thread(until, "open", 1)
            left()
            asked.cancel()
            try:
                await asked
            except asyncio.CancelledError:
                await asyncio.to_thread(until, "cancelled", seen + 1)
                return
        raise AssertionError("the task was not cancelled")

    for _ in range(3):
        asyncio.run(leave())


def chats():
    """The provider's counters of its chat route."""
    with urllib.request.urlopen(f"{PROVIDER}/_scripted/stats", timeout=30) as answer:
        routes = json.load(answer)["routes"]
    return next(route for route in routes if route["path"] == "/v1/chat/completions")


def until(counter, count):
    end = time.monotonic() + 30
    while chats()[counter] != count:
        assert time.monotonic() < end, f"{counter} is not {count}: {chats()}"
        time.sleep(0.005)


def left():
    print("left", int(time.time() * 1000), flush=True)


for check in (
    whole,
    headers,
    streamed_with_usage,
    unicode,
    long_prompt,
    options,
    tools,
    tools_streamed,
    tool_choice,
    asynchronous,
    structured,
    refused,
    image,
    models,
    embeddings,
    errors,
    error_midway,
    texts,
    texts_refused,
    cancel,
    cancel_task,
):
    check()
    print("ok", check.__name__, flush=True)
