"""Pydantic AI's models of OpenAI, of both APIs, and of Anthropic, before each provider.

Called as `scripted` says; OPENAI_API_KEY holds the token. Ends with 0 if everything is as it should be, and prints a
line for each check.
"""

import asyncio
import os

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ImageUrl, NativeOutput, PromptedOutput, ToolOutput, exceptions
from pydantic_ai.embeddings import Embedder
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.messages import ModelRequest, RetryPromptPart, ThinkingPart, UserPromptPart
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from scripted import BASE, MODELS, PNG, UNICODE, breaking, counters, leaves, run, until

TOKEN = os.environ["OPENAI_API_KEY"]
MODES = ("chat", "responses", "anthropic")


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = ToolDefinition(name="weather", description="The weather of a city", parameters_json_schema=CITY)


class Sum(BaseModel):
    """A sum."""

    total: int


def named(model, mode, token=TOKEN):
    if mode == "anthropic":
        # What it thinks that a model can do follows from its name.
        provider = AnthropicProvider(base_url=BASE, api_key=token)
        return AnthropicModel(model, provider=provider, profile={"supports_json_schema_output": True})
    provider = OpenAIProvider(base_url=f"{BASE}/v1", api_key=token)
    if mode == "chat":
        return OpenAIChatModel(model, provider=provider)
    return OpenAIResponsesModel(model, provider=provider, settings={"openai_store": False})


def agent(model, mode, **more):
    return Agent(named(model, mode), **more)


async def streamed(of, asked, **more):
    """The texts that a stream gives, and its end."""
    async with of.run_stream(asked, **more) as answer:
        texts = [text async for text in answer.stream_text(delta=True, debounce_by=None)]
    return texts, answer


async def greeting(model, mode):
    brief = agent(model, mode, instructions="be brief", system_prompt="be kind")
    whole = await brief.run("greet")
    texts, answer = await streamed(brief, "greet")
    assert whole.output == "".join(texts) == "Hello, world", (whole, texts)
    for usage in (whole.usage, answer.usage):
        assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (10, 5, 4), usage
    assert whole.response.finish_reason == answer.response.finish_reason == "stop", (whole.response, answer.response)
    assert whole.response.model_name and whole.response.provider_response_id, whole.response


def synchronous(model, mode):
    assert agent(model, mode).run_sync("greet").output == "Hello, world"
    answer = agent(model, mode).run_stream_sync("greet")
    assert "".join(answer.stream_text(delta=True)) == "Hello, world"


async def unicode(model, mode):
    assert (await agent(model, mode).run("unicode")).output == UNICODE
    assert "".join((await streamed(agent(model, mode), "unicode"))[0]) == UNICODE


async def long_prompt(model, mode):
    asked = "large " + "x" * 200_000
    assert (await agent(model, mode).run(asked)).output == "Fine."
    assert "".join((await streamed(agent(model, mode), asked))[0]) == "Fine."


async def image(model, mode):
    picture = BinaryContent.from_data_uri(f"data:image/png;base64,{PNG}")
    for asked in (["picture", picture], ["picture", ImageUrl("https://example.com/cat.png")]):
        assert (await agent(model, mode).run(asked)).output == "A cat."


def with_weather(model, mode, **more):
    weather_agent = agent(model, mode, instructions="be brief", **more)

    @weather_agent.tool_plain
    async def weather(city: str) -> str:
        """The weather of a city."""
        return {"Oslo": "dry", "Bergen": "go on", "Rome": "round trip"}[city]

    return weather_agent


def check_way(answer):
    parts = [part for message in answer.all_messages() for part in message.parts]
    calls = [(part.tool_name, part.args_as_dict()) for part in parts if isinstance(part, ToolCallPart)]
    assert calls == [("weather", {"city": city}) for city in ("Oslo", "Bergen", "Rome")], calls
    results = [part.content for part in parts if isinstance(part, ToolReturnPart)]
    assert results == ["dry", "go on", "round trip"], results
    assert not any(isinstance(part, RetryPromptPart) for part in parts), parts


async def tools(model, mode):
    """Calls side by side, results, one more call, its result, the answer; and another question."""
    weather_agent = with_weather(model, mode)
    settings = ModelSettings(parallel_tool_calls=True)
    whole = await weather_agent.run("call tools", model_settings=settings)
    assert whole.output == "It rains.", whole
    check_way(whole)
    again = await weather_agent.run("and now?", message_history=whole.all_messages())
    assert again.output == "It rains.", again
    events = []

    async def note(_, stream):
        async for event in stream:
            events.append(event)

    handled = await weather_agent.run("call tools", event_stream_handler=note)
    check_way(handled)
    assert handled.output == "It rains." and events, handled


async def tools_streamed(model, mode):
    weather_agent = with_weather(model, mode)
    async with weather_agent.iter("call tools") as turns:
        async for node in turns:
            if Agent.is_model_request_node(node):
                async with node.stream(turns.ctx) as stream:
                    async for _ in stream:
                        pass
    assert turns.result.output == "It rains.", turns.result
    check_way(turns.result)


async def tool_choice(model, mode):
    for choice in ("auto", "required", ["weather"]):
        # A choice that is made anew with each request would have the model call for ever: one request is enough.
        parameters = ModelRequestParameters(function_tools=[WEATHER, ToolDefinition(name="other")])
        asked = [ModelRequest(parts=[UserPromptPart("call tools")])]
        settings = named(model, mode).settings or {}
        answer = await named(model, mode).request(asked, {**settings, "tool_choice": choice}, parameters)
        assert [part.tool_name for part in answer.tool_calls] == ["weather", "weather"], answer


async def empty_call(model, mode):
    def clock() -> str:
        """The time."""
        return "round trip"

    telling = agent(model, mode, tools=[clock])
    assert (await telling.run("call clock")).output == "It rains."
    async with telling.run_stream("call clock") as answer:
        assert await answer.get_output() == "It rains."


async def structured(model, mode):
    ways = ((NativeOutput(Sum), "add up"), (ToolOutput(Sum), "call final"), (PromptedOutput(Sum), "add up"))
    for output, words in ways:
        adding = agent(model, mode, output_type=output)
        answer = await adding.run(words)
        assert answer.output == Sum(total=3), answer
        async with adding.run_stream(words) as stream:
            assert await stream.get_output() == Sum(total=3)


async def settings(model, mode):
    wanted = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 1000, "thinking": "low", "timeout": 20.0}
    if mode == "chat":
        wanted |= {"seed": 7, "stop_sequences": ["END"], "frequency_penalty": 0.1, "logit_bias": {"1": 2}}
        wanted |= {"openai_logprobs": True, "openai_top_logprobs": 2, "openai_user": "someone", "presence_penalty": 0.1}
    if mode != "anthropic":
        wanted |= {"openai_reasoning_effort": "low", "openai_service_tier": "auto", "openai_prompt_cache_key": "k"}
    answer = await agent(model, mode, model_settings=wanted).run("greet")
    assert answer.output == "Hello, world", answer


async def thinks(model, mode):
    wanted = {
        "chat": {},
        "responses": {"openai_reasoning_effort": "low", "openai_reasoning_summary": "auto"},
        "anthropic": {"anthropic_thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000},
    }[mode]
    thinking = agent(model, mode, model_settings=wanted)
    whole = await thinking.run("think")
    async with thinking.run_stream("think") as stream:
        await stream.get_output()
    for answer in (whole, stream):
        thoughts = [part.content for part in answer.response.parts if isinstance(part, ThinkingPart)]
        assert "".join(thoughts) == "hm, yes", answer.response
        again = await thinking.run("round trip", message_history=answer.all_messages())
        assert again.output == "It rains."


async def cut_short(model, mode):
    whole = await agent(model, mode).run("too long")
    _, answer = await streamed(agent(model, mode), "too long")
    assert whole.response.finish_reason == answer.response.finish_reason == "length", (whole.response, answer.response)


async def errors(model, mode):
    async def fails(kind, status, of, **more):
        for ask in (of.run, lambda *asked, **more: streamed(of, *asked, **more)):
            try:
                await ask("greet", **more)
            except exceptions.ModelHTTPError as error:
                assert isinstance(error, kind) and error.status_code == status, repr(error)
                continue
            raise AssertionError(f"no {kind.__name__}")

    await fails(exceptions.ModelAuthenticationError, 401, Agent(named(model, mode, token="wrong")))
    await fails(exceptions.ModelNotFoundError, 404, agent("nobody/nothing", mode))
    hot = {"extra_body": {"temperature": "hot"}}
    await fails(exceptions.ModelRequestRejectedError, 400, agent(model, mode), model_settings=hot)


async def broken_off(model, mode):
    try:
        text = ""
        async with agent(breaking(model, mode), mode).run_stream("break off") as answer:
            async for more in answer.stream_text(delta=True, debounce_by=None):
                text += more
    except exceptions.ModelAPIError as error:
        assert text == "Hel" and error.in_stream, (text, error)
        return
    raise AssertionError("a stream that broke off looked complete")


async def cancel(model, mode):
    await leaves(model, agent(model, mode).run("stall"))
    seen = counters(model)["cancelled"]
    async with agent(model, mode).run_stream("stall") as answer:
        async for text in answer.stream_text(delta=True, debounce_by=None):
            assert text == "Hel"
            break
        await answer.cancel()
    await asyncio.to_thread(until, model, "cancelled", seen + 1)


async def embeddings(model, mode):
    if (model, mode) == ("lab/m1", "chat"):
        provider = OpenAIProvider(base_url=f"{BASE}/v1", api_key=TOKEN)
        embedder = Embedder(OpenAIEmbeddingModel("lab/m1", provider=provider))
        assert (await embedder.embed_query("a text")).embeddings == [[0.5, -1.25]]
        made = await embedder.embed_documents(["a text", "a second"])
        assert made.embeddings == [[0.5, -1.25], [0.5, -1.25]], made


CHECKS = (
    greeting,
    synchronous,
    unicode,
    image,
    tools,
    tools_streamed,
    tool_choice,
    empty_call,
    structured,
    settings,
    thinks,
    cut_short,
    errors,
    broken_off,
    cancel,
    embeddings,
    long_prompt,
)
run(CHECKS, *((model, mode) for model in MODELS for mode in MODES))
