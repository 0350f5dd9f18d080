"""Asks models through `greenroom mcp`, with the official Python SDK of the Model Context Protocol.

    pip install -r requirements.txt
    python ask.py models
    python ask.py ask "why is the sky blue?" --model smart
    git diff | python ask.py ask "what could break?"
    python ask.py compare "why is the sky blue?" openai/gpt-5-mini anthropic/claude-haiku-4-5

GREENROOM is the program to start, `greenroom` if it is not set.
"""

import argparse
import asyncio
import os
import sys

from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters


def greenroom():
    """How greenroom is started. The SDK hands only a few variables on by itself, and keys may be in the others."""
    command = os.environ.get("GREENROOM", "greenroom")
    return StdioServerParameters(command=command, args=["mcp"], env=dict(os.environ))


class Failed(Exception):
    """A tool gave no result, for the reason that this says."""


async def call(client, tool, arguments, **how):
    """The result of a tool."""
    result = await client.call_tool(tool, arguments, **how)
    if result.is_error:
        raise Failed("\n".join(block.text for block in result.content))
    return result


async def models(client, _):
    """Lists what can be asked."""
    told = (await call(client, "ai_list_models", {})).structured_content
    for alias in told["aliases"]:
        print(alias)
    for model in told["models"]:
        print(f"{model['provider']}/{model['id']}")
    for failed in told["failed"]:
        print(f"{failed['provider']} does not list its models: {failed['message']}", file=sys.stderr)


async def ask(client, asked):
    """Has one model answer, and shows its words as they come."""

    async def shown(_, __, words):
        print(words or "", end="", flush=True)

    arguments = {"prompt": with_input(asked.prompt)}
    if asked.model:
        arguments["model"] = asked.model
    result = await call(client, "ai_chat", arguments, progress_callback=shown)
    print()
    told = result.structured_content
    usage = told["usage"]
    by = f"{told['provider']}/{told['model']}"
    print(f"{by}, {usage['input_tokens']} tokens in, {usage['output_tokens']} out", file=sys.stderr)


async def compare(client, asked):
    """Asks several models the same; that one fails is told beside what the others say."""
    arguments = {"prompt": with_input(asked.prompt), "models": asked.models}
    result = await call(client, "ai_compare", arguments)
    for answer in result.structured_content["answers"]:
        error = answer.get("error")
        print(f"## {answer['asked']}\n\n{error['message'] if error else answer['text']}\n")


def with_input(prompt):
    """The prompt, with what is piped in behind it."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    return f"{prompt}\n\n{piped}" if piped.strip() else prompt


def arguments():
    parser = argparse.ArgumentParser(description="Ask models through greenroom.")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("models", help=models.__doc__).set_defaults(run=models)
    one = commands.add_parser("ask", help=ask.__doc__)
    one.add_argument("prompt")
    one.add_argument("--model", help="provider/model or an alias; the default model if left out")
    one.set_defaults(run=ask)
    several = commands.add_parser("compare", help=compare.__doc__)
    several.add_argument("prompt")
    several.add_argument("models", nargs="+", metavar="model")
    several.set_defaults(run=compare)
    return parser.parse_args()


async def main():
    asked = arguments()
    async with Client(greenroom()) as client:
        await asked.run(client, asked)


def why(error):
    """The first thing that went wrong: tasks that end together wrap it in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* FileNotFoundError as error:
        sys.exit(f"{why(error)}\nput greenroom on PATH, or its path into GREENROOM")
    except* Failed as error:
        sys.exit(str(why(error)))
    except* MCPError as error:
        sys.exit(f"greenroom did not answer: {why(error)}")
    except* KeyboardInterrupt:
        sys.exit(130)
