"""OpenAI's own Python client for the Responses API, against a greenroom that stands before a scripted provider.

Called with the base URL, the model, the provider's own address and the path of its route; OPENAI_API_KEY holds the token.
What the scripted provider answers is chosen by the text of the user's message. Ends with 0 if everything is as it should
be, and prints a line for each check.
"""

import asyncio
import json
import sys
import time
import urllib.request

import openai
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

BASE, MODEL, PROVIDER, ROUTE = sys.argv[1:]
client = openai.OpenAI(base_url=BASE, max_retries=0, timeout=30)
strict = TypeAdapter(ResponseStreamEvent)

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
UNICODE = "é🌊\u2028\u2029\u0085 end"


class Sum(BaseModel):
    total: int


def ask(text, /, **more):
    return client.responses.create(model=MODEL, input=text, **more)


def check_types(response):
    """Everything that the client's types require is there: they are not checked as it reads."""
    Response.model_validate(response.model_dump(mode="json", warnings=False))


def whole():
    response = ask("greet", instructions="be brief", metadata={"a": "b"}, temperature=0.5)
    assert response.output_text == "Hello, world", response
    assert response.object == "response" and response.status == "completed" and response.id.startswith("resp_")
    assert (response.instructions, response.metadata, response.temperature) == ("be brief", {"a": "b"}, 0.5)
    assert abs(response.created_at - time.time()) < 600
    assert response.error is None and response.incomplete_details is None and response.store is True
    assert ask("greet", store=False).store is False
    check_types(response)


def usage():
    counted = ask("greet").usage
    assert (counted.input_tokens, counted.output_tokens, counted.total_tokens) == (10, 5, 15), counted
    assert counted.input_tokens_details.cached_tokens == 4, counted
    assert counted.output_tokens_details.reasoning_tokens == 2, counted


def headers():
    raw = client.responses.with_raw_response.create(model=MODEL, input="greet")
    provider, model = MODEL.split("/")
    assert raw.headers["x-greenroom-provider"] == provider and raw.headers["x-greenroom-model"] == model
    assert raw.request_id.startswith("req_"), raw.request_id


def streamed():
    events = list(ask("greet", stream=True, tools=[WEATHER]))
    for event in events:
        strict.validate_python(event.model_dump(mode="json", warnings=False))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[1].type == "response.in_progress"
    assert events[0].response.status == "in_progress" and events[0].response.tools[0].name == "weather"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Hello, world"
    assert events[-1].type == "response.completed" and events[-1].response.output_text == "Hello, world"
    check_types(events[-1].response)


def helper():
    with client.responses.stream(model=MODEL, input="greet") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == "Hello, world" and final.output_text == "Hello, world", (snapshots, final)
    assert final.usage.total_tokens == 15


def unicode():
    assert ask("unicode").output_text == UNICODE
    with client.responses.stream(model=MODEL, input="unicode") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert text == UNICODE == stream.get_final_response().output_text, text


def check_calls(items):
    calls = [(item.call_id, item.name, item.arguments) for item in items if item.type == "function_call"]
    assert calls == [("call_a", "weather", '{"city":"Oslo"}'), ("call_b", "weather", '{"city":"Bergen"}')], calls


def tools():
    for stream in (False, True):
        if stream:
            with client.responses.stream(model=MODEL, input="call tools", tools=[WEATHER]) as events:
                done = [event for event in events if event.type == "response.function_call_arguments.done"]
                output = events.get_final_response().output
            assert [event.arguments for event in done] == ['{"city":"Oslo"}', '{"city":"Bergen"}'], done
        else:
            output = ask("call tools", tools=[WEATHER]).output
        check_calls(output)
        # The answer goes back as the client holds it, with the results.
        calls = [item for item in output if item.type == "function_call"]
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]
        said = [{"role": "user", "content": "round trip"}, *output, *results]
        assert ask(said, tools=[WEATHER], store=False).output_text == "It rains."


def several_turns():
    said = [{"role": "developer", "content": "be brief"}]
    for asked, words in (("greet", "Hello, world"), ("round trip", "It rains."), ("and now?", "It rains.")):
        said.append({"role": "user", "content": asked})
        response = ask(said, store=False, include=["reasoning.encrypted_content"])
        assert response.output_text == words, response
        said.extend(response.output)


def tool_choice():
    named = {"type": "function", "name": "weather"}
    for choice in ("required", named, {"type": "allowed_tools", "mode": "required", "tools": [named]}):
        check_calls(ask("call tools", tools=[WEATHER], tool_choice=choice, parallel_tool_calls=True).output)
    assert ask("greet", tools=[WEATHER], tool_choice="none").output_text == "Hello, world"


def options():
    more = {"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 1000, "truncation": "disabled", "user": "someone"}
    more |= {"service_tier": "auto", "prompt_cache_key": "k", "text": {"verbosity": "low"}, "reasoning": {"effort": "low"}}
    assert ask("greet", **more).output_text == "Hello, world"


def long_prompt():
    asked = "large " + "x" * 200_000
    assert ask(asked).output_text == "Fine."
    with client.responses.stream(model=MODEL, input=asked) as stream:
        assert stream.get_final_response().output_text == "Fine."


def asynchronous():
    async def run():
        async with openai.AsyncOpenAI(base_url=BASE, max_retries=0) as client:
            assert (await client.responses.create(model=MODEL, input="greet")).output_text == "Hello, world"
            async with client.responses.stream(model=MODEL, input="unicode") as stream:
                assert (await stream.get_final_response()).output_text == UNICODE

    asyncio.run(run())


def thinks():
    with client.responses.stream(model=MODEL, input="think", reasoning={"summary": "auto"}) as stream:
        thought = "".join(event.delta for event in stream if event.type == "response.reasoning_summary_text.delta")
        final = stream.get_final_response()
    assert thought == "hm, yes", thought
    assert [item.type for item in final.output] == ["reasoning", "message"], final
    assert final.output[0].summary[0].text == "hm, yes" and final.output_text == "Yes."
    check_types(final)


def structured():
    response = client.responses.parse(model=MODEL, input="add up", text_format=Sum)
    assert response.output_parsed == Sum(total=3), response
    with client.responses.stream(model=MODEL, input="add up", text_format=Sum) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_parsed == Sum(total=3)


def image():
    content = [
        {"type": "input_text", "text": "picture"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBORw0KGgo="},
    ]
    assert ask([{"role": "user", "content": content}]).output_text == "A cat."


def cut_short():
    response = ask("too long")
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens", response
    assert [event.type for event in ask("too long", stream=True)][-1] == "response.incomplete"
    check_types(response)


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
    def to(model=MODEL, client=client, text="greet", **more):
        return lambda: client.responses.create(model=model, input=text, **more)

    stranger = openai.OpenAI(base_url=BASE, api_key="wrong", max_retries=0)
    for stream in (False, True):
        expect(openai.AuthenticationError, "invalid_api_key", to(client=stranger, stream=stream))
        expect(openai.NotFoundError, "model_not_found", to(model="nobody/nothing", stream=stream))
        error = expect(openai.RateLimitError, "rate_limit_exceeded", to("limited/m", stream=stream))
        assert 0 < int(error.response.headers["retry-after"]) <= 50
        expect(openai.BadRequestError, "context_length_exceeded", to("long/m", stream=stream))
        expect(openai.InternalServerError, "provider_failed", to("broken/m", stream=stream))
        error = expect(openai.BadRequestError, None, to(temperature="hot", stream=stream))
        assert error.param == "temperature"
        error = expect(openai.BadRequestError, None, to(stream=stream, store=False, background=True))
        assert error.param == "background"
        gone = to(previous_response_id="resp_1", stream=stream)
        expect(openai.BadRequestError, "previous_response_not_found", gone)
    expect(openai.NotFoundError, "not_found", lambda: client.responses.retrieve("resp_1"))


def error_midway():
    text = ""
    try:
        for event in ask("break off", stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
    except openai.APIError as error:
        assert text == "Hel" and error.message, (text, error)
        return
    raise AssertionError("a stream that broke off looked complete")


def cancel():
    for _ in range(2):
        stream = ask("stall", stream=True)
        while next(stream).type != "response.output_text.delta":
            pass
        until("open", 1)
        seen = answers()["cancelled"]
        stream.close()
        until("cancelled", seen + 1)


def cancel_task():
    async def leave():
        async with openai.AsyncOpenAI(base_url=BASE, max_retries=0) as client:
            seen = answers()["cancelled"]
            asked = asyncio.create_task(client.responses.create(model=MODEL, input="stall"))
            await asyncio.to_thread(until, "open", 1)
            asked.cancel()
            try:
                await asked
            except asyncio.CancelledError:
                await asyncio.to_thread(until, "cancelled", seen + 1)
                return
        raise AssertionError("the task was not cancelled")

    asyncio.run(leave())


def chain():
    first = ask("greet", instructions="be brief")
    second = ask("round trip", previous_response_id=first.id)
    assert second.output_text == "It rains." and second.previous_response_id == first.id, second
    assert second.conversation is None and second.instructions is None, second
    called = ask("call tools", tools=[WEATHER])
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
        for item in called.output
        if item.type == "function_call"
    ]
    said = [*results, {"role": "user", "content": "round trip"}]
    with client.responses.stream(model=MODEL, input=said, previous_response_id=called.id, tools=[WEATHER]) as stream:
        final = stream.get_final_response()
    assert final.output_text == "It rains." and final.id != called.id, final
    named = ask("round trip", conversation="conv_" + final.id[5:37])
    assert named.conversation.id == "conv_" + final.id[5:37], named
    for response in (second, final, named):
        check_types(response)
        again = client.responses.retrieve(response.id)
        assert (again.output_text, again.status, again.usage) == (response.output_text, "completed", response.usage)


def until_done(response):
    end = time.monotonic() + 30
    while response.status in ("queued", "in_progress"):
        assert time.monotonic() < end, response
        time.sleep(0.01)
        response = client.responses.retrieve(response.id)
    return response


def background():
    response = ask("unicode", background=True)
    assert response.status in ("queued", "in_progress") and response.background is True, response
    check_types(response)
    response = until_done(response)
    assert response.status == "completed" and response.output_text == UNICODE, response
    check_types(response)


def resumed():
    events = list(ask("greet", background=True, stream=True))
    for event in events:
        strict.validate_python(event.model_dump(mode="json", warnings=False))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kept = events[0].response.id
    for seen in (None, *(event.sequence_number for event in events)):
        more = {} if seen is None else {"starting_after": seen}
        rest = list(client.responses.retrieve(kept, stream=True, **more))
        assert rest == events[len(events) - len(rest) :] and len(rest) == len(events) - (0 if seen is None else seen + 1)
    with client.responses.stream(response_id=kept, starting_after=1) as stream:
        assert stream.get_final_response().output_text == "Hello, world"


def cancelled():
    stream = ask("stall", background=True, stream=True)
    kept = next(stream).response.id
    until("open", 1)
    stream.close()
    seen = answers()["cancelled"]
    for _ in range(2):
        response = client.responses.cancel(kept)
        assert response.status == "cancelled" and response.id == kept, response
        check_types(response)
    until("cancelled", seen + 1)
    told = list(client.responses.retrieve(kept, stream=True))
    for event in told:
        strict.validate_python(event.model_dump(mode="json", warnings=False))
    assert told[-1].type == "response.incomplete" and told[-1].response.status == "cancelled", told[-1]
    waited = ask("greet")
    expect(openai.BadRequestError, None, lambda: client.responses.cancel(waited.id))


def deleted():
    response = ask("greet")
    assert client.responses.delete(response.id) is None
    expect(openai.NotFoundError, "not_found", lambda: client.responses.retrieve(response.id))
    gone = "previous_response_not_found"
    expect(openai.BadRequestError, gone, lambda: ask("round trip", previous_response_id=response.id))


def listed():
    said = [{"role": "user", "content": text} for text in ("one", "two", "greet")]
    response = ask(said)
    page = client.responses.input_items.list(response.id, order="asc", limit=2)
    assert [item.content[0].text for item in page.data] == ["one", "two"] and page.has_more, page
    items = list(client.responses.input_items.list(response.id, limit=1))
    assert [item.content[0].text for item in items] == ["greet", "two", "one"], items
    assert all(item.type == "message" and item.role == "user" and item.id for item in items), items


def answers():
    """The provider's counters of its route."""
    with urllib.request.urlopen(f"{PROVIDER}/_scripted/stats", timeout=30) as answer:
        routes = json.load(answer)["routes"]
    return next(route for route in routes if route["path"] == ROUTE)


def until(counter, count):
    end = time.monotonic() + 30
    while answers()[counter] != count:
        assert time.monotonic() < end, f"{counter} is not {count}: {answers()}"
        time.sleep(0.005)


for check in (
    whole,
    usage,
    headers,
    streamed,
    helper,
    unicode,
    tools,
    tool_choice,
    several_turns,
    options,
    long_prompt,
    asynchronous,
    thinks,
    structured,
    image,
    cut_short,
    errors,
    error_midway,
    cancel,
    cancel_task,
    chain,
    background,
    resumed,
    cancelled,
    deleted,
    listed,
):
    check()
    print("ok", check.__name__, flush=True)
