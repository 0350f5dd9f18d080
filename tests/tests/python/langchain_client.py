"""LangChain's models of OpenAI, in the mode of chat completions and in that of the Responses API, before each provider.

Called as `scripted` says; OPENAI_API_KEY holds the token. Ends with 0 if everything is as it should be, and prints a
line for each check.
"""

import asyncio

import openai
import tiktoken
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field
from scripted import BASE, MODELS, PNG, UNICODE, breaking, counters, last_body, leaves, raises, run, until

MODES = {
    "chat": {"use_responses_api": False},
    # An answer is kept unless it is said that it is not to be.
    "responses": {"use_responses_api": True, "store": False},
    "responses/v1": {"use_responses_api": True, "store": False, "output_version": "responses/v1"},
    "v1": {"use_responses_api": True, "store": False, "output_version": "v1"},
}


class Sum(BaseModel):
    """A sum."""

    total: int = Field(description="what comes out")


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"{city}: go on" if city == "Bergen" else f"{city}: dry"


@tool
def clock() -> str:
    """The time."""
    return "round trip"


def chat(model, mode, **more):
    settings = {"base_url": f"{BASE}/v1", "max_retries": 0, "timeout": 30, **MODES[mode], **more}
    return ChatOpenAI(model=model, **settings)


def joined(chunks):
    """The message that a stream makes."""
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


def both(model, mode, asked, bind=lambda model: model, **more):
    """The answer whole and streamed."""
    llm = bind(chat(model, mode, stream_usage=True, **more))
    return llm.invoke(asked), joined(llm.stream(asked))


def greeting(model, mode):
    for answer in both(model, mode, [SystemMessage("be brief"), HumanMessage("greet")]):
        assert answer.text == "Hello, world", answer
        counts = answer.usage_metadata
        assert (counts["input_tokens"], counts["output_tokens"], counts["total_tokens"]) == (10, 5, 15), counts
        assert counts["input_token_details"]["cache_read"] == 4, counts
        assert answer.response_metadata["model_name"], answer.response_metadata
        if mode == "chat":
            assert answer.response_metadata["finish_reason"] == "stop", answer.response_metadata
        else:
            assert answer.response_metadata["status"] == "completed", answer.response_metadata


def unicode(model, mode):
    whole, streamed = both(model, mode, "unicode")
    assert whole.text == streamed.text == UNICODE, (whole, streamed)


def long_prompt(model, mode):
    for answer in both(model, mode, "large " + "x" * 200_000):
        assert answer.text == "Fine.", answer


def image(model, mode):
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
    ]
    for part in parts:
        asked = [HumanMessage([{"type": "text", "text": "picture"}, part])]
        for answer in both(model, mode, asked):
            assert answer.text == "A cat.", answer


def check_calls(message, *cities):
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    assert calls == [("weather", {"city": city}) for city in cities], message
    assert not message.invalid_tool_calls, message


def agent(model, mode):
    """What an agent does: calls side by side, results, one more call, its result, the answer; and another question."""
    for stream in (False, True):
        llm = chat(model, mode).bind_tools([weather], parallel_tool_calls=True, strict=True)
        ask = (lambda said: joined(llm.stream(said))) if stream else llm.invoke
        said = [SystemMessage("be brief"), HumanMessage("call tools")]
        for cities in (("Oslo", "Bergen"), ("Rome",)):
            answer = ask(said)
            check_calls(answer, *cities)
            said.append(answer)
            said.extend(weather.invoke(call) for call in answer.tool_calls)
        said[-1] = ToolMessage("round trip", tool_call_id=said[-1].tool_call_id)
        answer = ask(said)
        assert answer.text == "It rains.", answer
        answer = ask([*said, answer, HumanMessage("and now?")])
        assert answer.text == "It rains.", answer


def empty_call(model, mode):
    for answer in both(model, mode, "call clock", lambda llm: llm.bind_tools([clock])):
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("clock", {})], answer
        assert not answer.invalid_tool_calls, answer
        results = [clock.invoke(call) for call in answer.tool_calls]
        again = chat(model, mode).bind_tools([clock]).invoke([HumanMessage("call clock"), answer, *results])
        assert again.text == "It rains.", again


def picture_of_tool(model, mode):
    """What a tool shows reaches the provider in its own words."""
    asked = chat(model, mode).bind_tools([weather])
    said = [HumanMessage("call tools")]
    said.append(asked.invoke(said))
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    shown = [{"type": "text", "text": "round trip"}, picture]
    said.extend(ToolMessage(shown, tool_call_id=call["id"]) for call in said[-1].tool_calls)
    assert asked.invoke(said).text == "It rains."
    assert PNG in last_body(model)


def tool_choice(model, mode):
    for choice in ("weather", "any", "auto", "required", True, {"type": "function", "function": {"name": "weather"}}):
        llm = chat(model, mode).bind_tools([weather], tool_choice=choice)
        check_calls(llm.invoke("call tools"), "Oslo", "Bergen")
    assert chat(model, mode).bind_tools([weather], tool_choice="none").invoke("greet").text == "Hello, world"


def structured(model, mode):
    schema = Sum.model_json_schema()
    for method, words, kind in (
        ("json_schema", "add up", Sum),
        ("json_schema", "add up", schema),
        ("function_calling", "call Sum", Sum),
        ("json_mode", "add up JSON", Sum),
    ):
        llm = chat(model, mode).with_structured_output(kind, method=method, include_raw=True)
        for answer in (llm.invoke(words), list(llm.stream(words))[-1] if kind is Sum else None):
            if answer is not None and "parsed" in answer:
                assert answer["parsing_error"] is None if "parsing_error" in answer else True, answer
                parsed = answer["parsed"]
                assert (parsed.total if isinstance(parsed, Sum) else parsed["total"]) == 3, answer


def options(model, mode):
    more = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 1000, "reasoning_effort": "low"}
    if mode == "chat":
        more |= {"seed": 7, "stop": ["END"], "logprobs": False, "n": 1, "frequency_penalty": 0.1}
    whole, streamed = both(model, mode, [("developer", "be brief"), ("human", "greet")], **more)
    assert whole.text == streamed.text == "Hello, world"


def thinks(model, mode):
    if mode == "chat":
        return
    for answer in both(model, mode, "think", reasoning={"effort": "low", "summary": "auto"}):
        assert answer.text == "Yes.", answer
        blocks = [block for block in answer.content_blocks if block["type"] == "reasoning"]
        assert "".join(block.get("reasoning", "") for block in blocks) == "hm, yes", answer
        again = chat(model, mode).invoke([HumanMessage("think"), answer, HumanMessage("round trip")])
        assert again.text == "It rains."


def cut_short(model, mode):
    for answer in both(model, mode, "too long"):
        assert answer.text == "On and on", answer
        if mode == "chat":
            assert answer.response_metadata["finish_reason"] == "length"
        else:
            assert answer.response_metadata["incomplete_details"]["reason"] == "max_output_tokens"


def errors(model, mode):
    for ask in (lambda llm: llm.invoke("greet"), lambda llm: joined(llm.stream("greet"))):
        wrong_key = chat(model, mode, api_key="wrong")
        assert "greenroom auth token" in str(fails(openai.AuthenticationError, lambda: ask(wrong_key)))
        fails(openai.NotFoundError, lambda: ask(chat("nobody/nothing", mode)))
        fails(openai.RateLimitError, lambda: ask(chat("limited/m1", mode)))
        fails(openai.BadRequestError, lambda: ask(chat(model, mode, extra_body={"temperature": "hot"})))


def fails(kind, call):
    """LangChain may raise a class of its own, as long as it is one of the client's."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def broken_off(model, mode):
    text = ""
    try:
        for chunk in chat(breaking(model, mode), mode).stream("break off"):
            text += chunk.text
    except openai.APIError as error:
        assert text == "Hel" and str(error), (text, error)
        return
    raise AssertionError("a stream that broke off looked complete")


def cancel(model, mode):
    seen = counters(model)["cancelled"]
    stream = chat(model, mode).stream("stall")
    for chunk in stream:
        if chunk.text == "Hel":
            break
    stream.close()
    until(model, "cancelled", seen + 1)


async def asynchronous(model, mode):
    llm = chat(model, mode)
    answers = await asyncio.gather(llm.ainvoke("greet"), llm.ainvoke("unicode"))
    assert [answer.text for answer in answers] == ["Hello, world", UNICODE]
    streamed = None
    async for chunk in llm.bind_tools([weather]).astream("call tools"):
        assert isinstance(chunk, AIMessageChunk)
        streamed = chunk if streamed is None else streamed + chunk
    check_calls(streamed, "Oslo", "Bergen")
    assert (await llm.with_structured_output(Sum).ainvoke("add up")).total == 3
    await leaves(model, llm.ainvoke("stall"))


def several(model, mode):
    """What only a provider of chat completions is asked for."""
    if (model, mode) == ("lab/m1", "chat"):
        llm = chat(model, mode, logprobs=True, top_logprobs=2, logit_bias={"1": 2})
        answers = llm.generate([[HumanMessage("greet")]])
        assert answers.generations[0][0].text == "Hello, world"


async def embeddings(model, mode):
    if (model, mode) != ("lab/m1", "chat"):
        return
    # Its own files of tokens would have to be fetched: bytes stand in for them.
    ranks = {bytes([byte]): byte for byte in range(256)}
    plain = tiktoken.Encoding("bytes", pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens={})
    tiktoken.encoding_for_model = lambda name: plain
    for options in ({}, {"check_embedding_ctx_length": False}, {"dimensions": 2}):
        made = OpenAIEmbeddings(model="lab/m1", base_url=f"{BASE}/v1", max_retries=0, **options)
        assert made.embed_query("a text") == [0.5, -1.25]
        assert made.embed_documents(["a text", "a second"]) == [[0.5, -1.25], [0.5, -1.25]]
        assert await made.aembed_query("a text") == [0.5, -1.25]
    stranger = OpenAIEmbeddings(model="lab/m1", base_url=f"{BASE}/v1", max_retries=0, api_key="wrong")
    raises(openai.AuthenticationError, lambda: stranger.embed_query("a text"))
    unknown = OpenAIEmbeddings(model="nobody/nothing", base_url=f"{BASE}/v1", max_retries=0)
    raises(openai.NotFoundError, lambda: unknown.embed_query("a text"))


CHECKS = (
    greeting,
    unicode,
    image,
    agent,
    empty_call,
    picture_of_tool,
    tool_choice,
    structured,
    options,
    thinks,
    cut_short,
    errors,
    broken_off,
    cancel,
    asynchronous,
    several,
    embeddings,
    long_prompt,
)
run(CHECKS, *((model, mode) for model in MODELS for mode in MODES))
