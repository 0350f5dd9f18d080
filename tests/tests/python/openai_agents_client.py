"""OpenAI's Agents SDK, in both of OpenAI's APIs, before each provider.

Called as `scripted` says; OPENAI_API_KEY holds the token. Ends with 0 if everything is as it should be, and prints a
line for each check.
"""

import asyncio

from agents import Agent, AgentOutputSchema, ModelSettings, OpenAIChatCompletionsModel
from agents import OpenAIResponsesModel, Runner, SQLiteSession, WebSearchTool, function_tool, set_tracing_disabled
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, NotFoundError
from pydantic import BaseModel
from scripted import BASE, MODELS, PNG, UNICODE, counters, last_body, leaves, run, until

MODES = ("chat", "responses")
CLIENT = AsyncOpenAI(base_url=f"{BASE}/v1", max_retries=0)
set_tracing_disabled(True)


class Sum(BaseModel):
    """A sum."""

    total: int


@function_tool
def weather(city: str) -> str:
    """The weather of a city."""
    return {"Oslo": "dry", "Bergen": "go on", "Rome": "round trip"}[city]


def named(model, mode, client=CLIENT):
    kind = OpenAIChatCompletionsModel if mode == "chat" else OpenAIResponsesModel
    return kind(model=model, openai_client=client)


def agent(model, mode, **more):
    return Agent(**{"name": "one", "instructions": "be brief", "model": named(model, mode)} | more)


async def streamed(of, asked, **more):
    """The text that a stream gives, and its end."""
    answer, text = Runner.run_streamed(of, asked, **more), ""
    async for event in answer.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    return text, answer


async def greeting(model, mode):
    counted = agent(model, mode, model_settings=ModelSettings(include_usage=True))
    whole = await Runner.run(counted, "greet")
    text, answer = await streamed(counted, "greet")
    assert whole.final_output == text == answer.final_output == "Hello, world", (whole, text)
    for usage in (whole.context_wrapper.usage, answer.context_wrapper.usage):
        assert (usage.input_tokens, usage.output_tokens) == (10, 5), usage
        assert usage.input_tokens_details.cached_tokens == 4, usage


async def unicode(model, mode):
    assert (await Runner.run(agent(model, mode), "unicode")).final_output == UNICODE
    assert (await streamed(agent(model, mode), "unicode"))[0] == UNICODE


async def long_prompt(model, mode):
    asked = "large " + "x" * 200_000
    assert (await Runner.run(agent(model, mode), asked)).final_output == "Fine."


async def image(model, mode):
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    asked = [{"role": "user", "content": [{"type": "input_text", "text": "picture"}, picture]}]
    seeing = agent(model, mode, instructions=None)
    assert (await Runner.run(seeing, asked)).final_output == "A cat."


async def tools(model, mode):
    """Calls side by side, results, one more call, its result, the answer; and the whole of it sent again."""
    telling = agent(model, mode, tools=[weather], model_settings=ModelSettings(parallel_tool_calls=True))
    whole = await Runner.run(telling, "call tools")
    _, answer = await streamed(telling, "call tools")
    for told in (whole, answer):
        assert told.final_output == "It rains.", told
        calls = [item for item in told.new_items if item.type == "tool_call_item"]
        assert [call.raw_item.name for call in calls] == ["weather"] * 3, calls
        asked = [*told.to_input_list(), {"role": "user", "content": "and now?"}]
        assert (await Runner.run(telling, asked)).final_output == "It rains."


async def handoff(model, mode):
    """Another agent's tools, of which the first is a change to it."""
    clock = agent(model, mode, name="two")
    first = agent(model, mode, handoffs=[clock], tools=[weather], model_settings=ModelSettings(tool_choice="auto"))
    assert (await Runner.run(first, "call tools")).final_output == "It rains."
    assert "transfer_to_two" in last_body(model)


async def structured(model, mode):
    adding = agent(model, mode, output_type=AgentOutputSchema(Sum))
    assert (await Runner.run(adding, "add up")).final_output == Sum(total=3)
    assert (await streamed(adding, "add up"))[1].final_output == Sum(total=3)


async def thinks(model, mode):
    wanted = {"reasoning": {"effort": "low", "summary": "auto"}, "store": False, "truncation": "auto"}
    wanted |= {"response_include": ["reasoning.encrypted_content"], "verbosity": "low", "metadata": {"a": "b"}}
    thinking = agent(model, mode, model_settings=ModelSettings(**wanted))
    whole = await Runner.run(thinking, "think")
    _, answer = await streamed(thinking, "think")
    for told in (whole, answer):
        thoughts = [item.raw_item for item in told.new_items if item.type == "reasoning_item"]
        assert "".join(part.text for thought in thoughts for part in thought.summary) == "hm, yes", told.new_items
        asked = [*told.to_input_list(), {"role": "user", "content": "round trip"}]
        assert (await Runner.run(thinking, asked)).final_output == "It rains."


async def remembers(model, mode):
    session = SQLiteSession("s")
    await Runner.run(agent(model, mode, tools=[weather]), "call tools", session=session)
    again = await Runner.run(agent(model, mode), "and now?", session=session)
    assert again.final_output == "It rains.", again
    if mode == "responses":
        kept = await Runner.run(agent(model, mode), "round trip")
        again = await Runner.run(agent(model, mode), "and now?", previous_response_id=kept.last_response_id)
        assert again.final_output == "It rains.", again


async def own_tools(model, mode):
    """What only the Responses API has: a search beside a function, which may be left out, and a search alone, which may not."""
    if mode == "chat":
        return
    beside = agent(model, mode, tools=[weather, WebSearchTool()])
    assert (await Runner.run(beside, "call tools")).final_output == "It rains."
    try:
        await Runner.run(agent(model, mode, tools=[WebSearchTool()]), "greet")
        assert model == "gpt/m", "a search was left out though it was all there was"
    except BadRequestError as error:
        assert model != "gpt/m", error


async def errors(model, mode):
    wrong = AsyncOpenAI(base_url=f"{BASE}/v1", api_key="wrong", max_retries=0)
    for kind, of in ((AuthenticationError, named(model, mode, wrong)), (NotFoundError, named("nobody/nothing", mode))):
        for ask in (Runner.run, streamed):
            try:
                await ask(Agent(name="one", model=of), "greet")
            except kind:
                continue
            raise AssertionError(f"no {kind.__name__}")


async def cancel(model, mode):
    await leaves(model, Runner.run(agent(model, mode), "stall"))
    seen = counters(model)["cancelled"]
    answer = Runner.run_streamed(agent(model, mode), "stall")
    async for event in answer.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            answer.cancel()
    await asyncio.to_thread(until, model, "cancelled", seen + 1)


CHECKS = (
    greeting,
    unicode,
    image,
    tools,
    handoff,
    structured,
    thinks,
    remembers,
    own_tools,
    errors,
    cancel,
    long_prompt,
)
run(CHECKS, *((model, mode) for model in MODELS for mode in MODES))
