"""The official Python SDK of the Model Context Protocol against greenroom, over HTTP and over standard input and output.

Called with greenroom's address, a JSON object of models (see `scripted`) and one that says how `greenroom mcp` is
started: `{"command", "args", "env", "cwd"}`. GREENROOM_TOKEN lets in over HTTP. Each check is made by the revision of the
protocol with a handshake and by the newest one.
"""

import asyncio
import contextlib
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from scripted import BASE, UNICODE, counters, last_body, run, until

STDIO = json.loads(sys.argv[3])
LAB = "lab/m1"
CASES = [(where, mode) for where in ("http", "stdio") for mode in ("legacy", "auto")]
TOOLS = [
    "ai_chat",
    "ai_compare",
    "ai_embed",
    "ai_list_models",
    "ai_claude_chat",
    "ai_chatgpt_query",
    "ai_copilot_complete",
    "ai_gemini_chat",
    "ai_ollama_generate",
    "ai_ollama_chat",
    "ai_ollama_list_models",
]


@contextlib.asynccontextmanager
async def connected(where, mode):
    """A client of greenroom."""
    if where == "stdio":
        async with Client(StdioServerParameters(**STDIO), mode=mode) as client:
            yield client
        return
    headers = {"authorization": f"Bearer {os.environ['GREENROOM_TOKEN']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(f"{BASE}/mcp", http_client=http), mode=mode) as client:
            yield client


def user(text):
    return {"role": "user", "content": text}


async def fails(call, code, words):
    """Has to be refused by an error of the protocol."""
    try:
        await call
    except MCPError as error:
        assert error.error.code == code, error.error
        assert words in error.error.message, error.error
        return
    raise AssertionError(f"it was not refused: {words}")


def text_of(result):
    assert not result.is_error, result
    return result.content[0].text


async def lists_what_there_is(where, mode):
    async with connected(where, mode) as client:
        newest = "2026-07-28" if mode == "auto" else "2025-11-25"
        assert client.protocol_version == newest, client.protocol_version
        assert client.server_info.name == "greenroom" and client.instructions
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS, tools
        for tool in tools:
            assert tool.input_schema["type"] == "object" and tool.output_schema["type"] == "object"
            assert tool.annotations.open_world_hint and not tool.annotations.destructive_hint
        assert [tool.name for tool in tools if not tool.annotations.read_only_hint] == ["ai_chat"]
        prompts = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in prompts] == ["summarise", "review_code", "translate"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == [
            "greenroom://sessions/{id}",
            "greenroom://sessions/{id}/events",
        ]


async def each_tool_answers(where, mode):
    async with connected(where, mode) as client:
        await client.list_tools()
        said = await client.call_tool("ai_chat", {"prompt": "greet", "model": LAB, "system": "be brief"})
        assert text_of(said) == "Hello, world"
        told = said.structured_content
        assert (told["provider"], told["model"], told["finish_reason"]) == ("lab", "m1", "stop"), told
        assert told["usage"] == {"input_tokens": 10, "output_tokens": 5, "reasoning_tokens": 0}, told
        sent = await asyncio.to_thread(last_body, LAB)
        assert "be brief" in sent, sent
        messages = [user("one"), {"role": "assistant", "content": "two"}, user("greet")]
        arguments = {"messages": messages, "temperature": 0.5, "max_tokens": 7}
        assert text_of(await client.call_tool("ai_chat", arguments)) == "Hello, world"
        compared = await client.call_tool("ai_compare", {"prompt": "greet", "models": [LAB, "broken/m1"]})
        answers = compared.structured_content["answers"]
        assert answers[0]["text"] == "Hello, world" and answers[1]["error"]["kind"] == "server", answers
        vectors = await client.call_tool("ai_embed", {"input": ["one", "two"], "model": "lab/embed"})
        assert len(vectors.structured_content["embeddings"]) == 2, vectors
        listed = await client.call_tool("ai_list_models", {"provider": "lab"})
        assert [model["id"] for model in listed.structured_content["models"]] == ["m1", "m2"]
        assert "smart" in (await client.call_tool("ai_list_models", {})).structured_content["aliases"]
        asked = {
            "ai_claude_chat": {"messages": [user("greet")], "model": "m", "temperature": 0.5, "max_tokens": 9, "stream": False},
            "ai_chatgpt_query": {"prompt": "greet", "model": "m"},
            "ai_copilot_complete": {"prompt": "greet", "language": "rust", "context": "fn main"},
            "ai_gemini_chat": {"messages": [user("greet")], "model": "m"},
            "ai_ollama_generate": {"model": "ollama/m", "prompt": "greet", "system": "be brief", "stream": True},
            "ai_ollama_chat": {"messages": [user("greet")]},
        }
        for tool, arguments in asked.items():
            assert text_of(await client.call_tool(tool, arguments)) == "Hello, world", tool
        models = await client.call_tool("ai_ollama_list_models", {})
        assert [model["provider"] for model in models.structured_content["models"]] == ["ollama"]


async def progress_is_the_text_as_it_comes(where, mode):
    async with connected(where, mode) as client:
        told = []

        async def progress(done, total, message):
            told.append((done, total, message))

        said = await client.call_tool("ai_chat", {"prompt": "unicode", "model": LAB}, progress_callback=progress)
        assert text_of(said) == UNICODE
        assert "".join(message for _, _, message in told) == UNICODE, told
        counts = [done for done, _, _ in told]
        assert counts == sorted(set(counts)) and counts[-1] == len(UNICODE.encode()), told
        told.clear()
        arguments = {"prompt": "unicode", "model": LAB, "stream": False}
        assert text_of(await client.call_tool("ai_chat", arguments, progress_callback=progress)) == UNICODE
        assert told == []


async def what_is_wrong_is_told(where, mode):
    async with connected(where, mode) as client:
        await fails(client.session.call_tool("ai_none", {}), -32602, "no tool")
        await fails(client.call_tool("ai_chat", {"promt": "x"}), -32602, "no argument 'promt'")
        await fails(client.call_tool("ai_chat", {"prompt": 1}), -32602, "'prompt'")
        await fails(client.call_tool("ai_chat", {}), -32602, "neither")
        await fails(client.call_tool("ai_chat", {"messages": [{"role": "ghost"}]}), -32602, "role")
        await fails(client.call_tool("ai_compare", {"prompt": "x", "models": []}), -32602, "0 models")
        await fails(client.call_tool("ai_embed", {"input": 1, "model": "m"}), -32602, "input")
        await fails(client.get_prompt("translate", {"text": "x"}), -32602, "'to'")
        await fails(client.get_prompt("none"), -32602, "no prompt")
        missing = -32602 if mode == "auto" else -32002
        for nowhere in ("greenroom://sessions/none", "greenroom://sessions/a%20b", "greenroom://x", "file:///etc/passwd"):
            await fails(client.read_resource(nowhere), missing, "there is nothing")
        for model, words in [("broken/m1", "broken/m1"), (f"lab/unknown-{where}-{mode}", "no such model"), ("nobody", "nobody")]:
            failed = await client.call_tool("ai_chat", {"prompt": "fail", "model": model})
            assert failed.is_error and words in failed.content[0].text, failed
            assert len(failed.content[0].text.splitlines()) == 2, failed.content[0].text
            assert failed.meta["greenroom/failure"]["kind"], failed
        assert text_of(await client.call_tool("ai_chat", {"prompt": "greet", "model": LAB})) == "Hello, world"


async def a_cancelled_call_lets_go_of_the_provider(where, mode):
    async with connected(where, mode) as client:
        for progress in (None, ignore):
            seen = (await asyncio.to_thread(counters, LAB))["cancelled"]
            arguments = {"prompt": "stall", "model": LAB}
            call = asyncio.ensure_future(client.call_tool("ai_chat", arguments, progress_callback=progress))
            await asyncio.to_thread(until, LAB, "open", 1)
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            await asyncio.to_thread(until, LAB, "cancelled", seen + 1)
        assert text_of(await client.call_tool("ai_chat", {"prompt": "greet", "model": LAB})) == "Hello, world"


async def ignore(_done, _total, _message):
    pass


async def sessions_are_resources(where, mode):
    name = f"mcp:{where}-{mode}"
    async with connected(where, mode) as client:
        first = await client.call_tool("ai_chat", {"prompt": "greet", "model": LAB, "session": name})
        assert text_of(first) == "Hello, world" and first.structured_content["session"] == name
        told = []

        async def progress(_done, _total, message):
            told.append(message)

        again = {"prompt": "unicode, please", "session": name}
        assert text_of(await client.call_tool("ai_chat", again, progress_callback=progress)) == UNICODE
        assert "".join(told) == UNICODE, told
        sent = await asyncio.to_thread(last_body, LAB)
        assert "Hello, world" in sent, "the history goes along"
        await fails(client.call_tool("ai_chat", {"messages": [user("x")], "session": name}), -32602, "session")
        listed = {resource.uri: resource for resource in (await client.list_resources()).resources}
        uri = f"greenroom://sessions/{name}"
        assert listed[uri].mime_type == "text/markdown" and "greenroom://models" in listed, listed
        page = (await client.read_resource(uri)).contents[0]
        assert page.mime_type == "text/markdown" and "## Assistant\n\nHello, world" in page.text, page
        assert UNICODE in page.text
        events = json.loads((await client.read_resource(f"{uri}/events")).contents[0].text)
        assert [event["type"] for event in events].count("turn.finished") == 2, events
        models = json.loads((await client.read_resource("greenroom://models")).contents[0].text)
        assert "smart" in models["aliases"], models
        reference = {"type": "ref/resource", "uri": "greenroom://sessions/{id}"}
        found = await complete(client, reference, {"name": "id", "value": f"mcp:{where}-"})
        assert name in found, found
        prompt = {"type": "ref/prompt", "name": "review_code"}
        assert await complete(client, prompt, {"name": "language", "value": "ru"}) == ["ruby", "rust"]


async def complete(client, reference, argument):
    from mcp_types import PromptReference, ResourceTemplateReference

    kind = ResourceTemplateReference if reference["type"] == "ref/resource" else PromptReference
    return (await client.complete(kind(**reference), argument)).completion.values


async def prompts_are_filled_in(where, mode):
    async with connected(where, mode) as client:
        filled = await client.get_prompt("translate", {"text": UNICODE, "to": "Norwegian"})
        text = filled.messages[0].content.text
        assert "Norwegian" in text and UNICODE in text, filled


async def many_calls_at_once_are_kept_apart(where, mode):
    async with connected(where, mode) as client:
        calls = [client.call_tool("ai_chat", {"prompt": words, "model": LAB}) for words in ("greet", "unicode") * 12]
        said = [text_of(result) for result in await asyncio.gather(*calls)]
        assert said == ["Hello, world", UNICODE] * 12, said


run(
    [
        lists_what_there_is,
        each_tool_answers,
        progress_is_the_text_as_it_comes,
        what_is_wrong_is_told,
        a_cancelled_call_lets_go_of_the_provider,
        sessions_are_resources,
        prompts_are_filled_in,
        many_calls_at_once_are_kept_apart,
    ],
    *CASES,
)
