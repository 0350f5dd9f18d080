"""What answers cost by PyPI's `genai-prices` and by `litellm`'s calculator: a line of JSON for each that comes in.

A line has `kind`, `model` and the counts of `greenroom_wire::Usage`; one that goes out has `genai` and `litellm`, dollars as
text, or null where that library has no price for the model.
"""

import json
import logging
import os
import sys
from datetime import datetime, timezone
from decimal import Decimal

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
logging.disable(logging.CRITICAL)

import genai_prices
import litellm
from litellm.litellm_core_utils.llm_cost_calc.utils import generic_cost_per_token
from litellm.types.utils import Usage

GENAI = {
    "anthropic": "anthropic", "openai": "openai", "azure": "azure", "gemini": "google", "vertex": "google", "bedrock": "aws",
    "openrouter": "openrouter", "copilot": "github-copilot",
}
LITELLM = {
    "anthropic": "anthropic", "openai": "openai", "azure": "azure", "gemini": "gemini", "vertex": "vertex_ai",
    "bedrock": "bedrock_converse", "openrouter": "openrouter", "copilot": "github_copilot",
}
# Prices that are cheaper at night are asked at noon of a working day.
WHEN = datetime.now(timezone.utc).replace(hour=12)


def genai(asked):
    cached, written = asked["cache_read"], asked["cache_write_5m"] + asked["cache_write_1h"]
    usage = genai_prices.Usage(
        input_tokens=asked["input"] + cached + written,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=asked["output"],
    )
    try:
        price = genai_prices.calc_price(
            usage, asked["model"], provider_id=GENAI[asked["kind"]], genai_request_timestamp=WHEN
        )
    except (LookupError, KeyError):
        return None
    return str(price.total_price)


def lite(asked):
    cached, five, hour = asked["cache_read"], asked["cache_write_5m"], asked["cache_write_1h"]
    prompt = asked["input"] + cached + five + hour
    usage = Usage(
        prompt_tokens=prompt,
        completion_tokens=asked["output"],
        total_tokens=prompt + asked["output"],
        reasoning_tokens=asked["reasoning"],
        prompt_tokens_details={
            "cached_tokens": cached,
            "cache_creation_tokens": five + hour,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        },
        cache_read_input_tokens=cached,
        cache_creation_input_tokens=five + hour,
    )
    try:
        costs = generic_cost_per_token(
            model=asked["model"], usage=usage, custom_llm_provider=LITELLM[asked["kind"]]
        )
    except Exception:  # Of one kind only: "This model isn't mapped yet".
        return None
    # A model that it knows and has no price for costs nothing there.
    return str(sum(Decimal(repr(cost)) for cost in costs)) if any(costs) else None


# The libraries print what they think of a model.
out, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"genai": genai(asked), "litellm": lite(asked)}), file=out)
