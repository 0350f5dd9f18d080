#!/usr/bin/env python3
"""Makes the compact catalogue that the providers crate embeds.

    scripts/make_catalog.py SOURCE.json [OUT]      OUT defaults to providers/src/catalog/models.tsv; "-" is stdout

SOURCE is `{"meta": {"generated": DATE, …}, "models": [entry, …]}`; what an entry may have is read below. The same source
always gives the same bytes: lines are sorted by provider and id. What the columns mean is written in
providers/src/catalog/parse.rs, which reads them.

An entry that can't be true ends the run, and is named. What is merely in doubt is left out of the line and counted on
stderr. The rules for doubt:

- Price, sources disagree: the figure stands if the entry cites the provider's own page (OWN_PAGES), else the price is not
  known.
- Price, one half missing, or a cache read dearer than the prompt itself: not known.
- Window, the prompt may be longer than the window: the larger if they differ by rounding (1,000,000 and 1,048,576), else
  neither is known. The same for an answer longer than the window: then the answer's bound is not known.
- Region of a Bedrock inference profile: kept where the prices of prompt and answer differ from the base price by the same
  factor, which then holds for the rest of the price too; else left out.
- Local models: their window is what the server was started with, so it is left out; models that a local server only passes
  on to a cloud have no known price.
- Capabilities: a missing one is not known, never "no".
"""

import json
import re
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

VERSION = 1
OUT = Path(__file__).resolve().parent.parent / "providers" / "src" / "catalog" / "models.tsv"

MODES = {"chat", "responses", "completion", "embedding"}
# Where each provider says its prices itself.
OWN_PAGES = {
    "azure": ("microsoft.com", "azure.com"),
    "bedrock": ("amazon.com", "amazonaws.com"),
    "vertex": ("cloud.google.com",),
    "gemini": ("ai.google.dev",),
    "openai": ("openai.com",),
    "anthropic": ("anthropic.com", "claude.com"),
    "copilot": ("github.com", "github.blog", "githubusercontent.com"),
}
# Prefixes of Bedrock's inference profiles, which the reader knows too.
REGIONS = {"us", "eu", "apac", "au", "jp", "ca", "sa", "in", "global", "us-gov"}
MOST_TOKENS = 100_000_000
MOST_DOLLARS = Decimal(100_000)
MOST_TIERS = 2
MOST_TEXT = 200
# Windows that differ by less are the same one, rounded.
ROUNDING = Decimal("0.10")
# Between the factors of prompt and answer, which come rounded to a thousandth of a dollar.
FACTOR_SLACK = Decimal("0.002")
DATE = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
TEXT = re.compile(r"[!-~]+")
MICRO = Decimal("0.000001")

left_out = Counter()


class Nonsense(Exception):
    """What can't be true of an entry."""


def table(entry, key):
    """An object within an entry; an empty one where it is left out."""
    value = entry.get(key, {})
    if not isinstance(value, dict):
        raise Nonsense(f"{key} is not an object: {value!r}")
    return value


def array(entry, key, kind):
    """A list within an entry; an empty one where it is left out."""
    value = entry.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise Nonsense(f"{key} is not a list of {kind.__name__}: {value!r}")
    return value


def tokens(entry, key):
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or value != int(value):
        raise Nonsense(f"{key} is not a whole number: {value!r}")
    if not 0 < value <= MOST_TOKENS:
        raise Nonsense(f"{key} is absurd: {value}")
    return int(value)


def dollars(price, key):
    value = price.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not Decimal(value).is_finite():
        raise Nonsense(f"the price {key} is not a number: {value!r}")
    if not 0 <= value <= MOST_DOLLARS:
        raise Nonsense(f"the price {key} is absurd: {value}")
    return Decimal(value).quantize(MICRO)


def boolean(entry, key):
    value = entry.get(key)
    if value is not None and not isinstance(value, bool):
        raise Nonsense(f"{key} is neither true nor false: {value!r}")
    return value


def text(value, what):
    if not isinstance(value, str) or not TEXT.fullmatch(value) or len(value) > MOST_TEXT:
        raise Nonsense(f"{what} is not a plain text: {value!r}")
    return value


def differ_by_rounding(a, b):
    return Decimal(abs(a - b)) <= ROUNDING * max(a, b)


def window(entry):
    """(window, longest prompt, longest answer)."""
    context, prompt, answer = (tokens(entry, key) for key in ("context_window", "max_input_tokens", "max_output_tokens"))
    if entry["provider"] == "ollama":
        left_out["windows of local models"] += bool(context or prompt or answer)
        return None, None, None
    if entry["mode"] == "embedding":
        # What is written there is the number of dimensions, or nothing of meaning.
        answer = None
    if context and prompt and prompt > context:
        if differ_by_rounding(context, prompt):
            context = prompt
        else:
            left_out["windows that sources disagree on"] += 1
            context = prompt = None
    if context and answer and answer > context and not differ_by_rounding(context, answer):
        left_out["longest answers beyond the window"] += 1
        answer = None
    return context, prompt if prompt != context else None, answer


def rates(price):
    return [dollars(price, key) for key in ("input", "output", "cache_read", "cache_write", "cache_write_1h")]


def prices(entry):
    """(rates, batch, tiers), each a text."""
    price = table(entry, "pricing_per_mtok")
    base = rates(price)
    batch = [dollars(price, "input_batch"), dollars(price, "output_batch")]
    tiers = []
    for tier in array(price, "tiers", dict):
        above = tokens(tier, "above_input_tokens")
        if above is None:
            raise Nonsense("a tier does not say where it begins")
        tiers.append((above, rates(tier)))
    tiers.sort(key=lambda tier: tier[0])
    if len(tiers) > MOST_TIERS or len({above for above, _ in tiers}) != len(tiers):
        raise Nonsense(f"tiers that can't be: {[above for above, _ in tiers]}")
    if not any(value is not None for value in base):
        return None, None, []
    if entry["mode"] == "embedding" and base[0] is not None and base[1] is None:
        base[1] = Decimal(0)
    if entry["provider"] == "ollama" and entry["id"].endswith("cloud"):
        left_out["prices of models in a cloud behind a local server"] += 1
        return None, None, []
    if any(rate[0] is None or rate[1] is None for rate in (base, *(rate for _, rate in tiers))):
        left_out["prices with a half missing"] += 1
        return None, None, []
    if any(rate[2] is not None and rate[2] > rate[0] for rate in (base, *(rate for _, rate in tiers))):
        left_out["prices where a cache read is dearer than the prompt"] += 1
        return None, None, []
    if "price_disagreement_litellm_vs_genai" in entry and not own_page(entry):
        left_out["prices that sources disagree on"] += 1
        return None, None, []
    return base, batch if None not in batch else None, tiers


def own_page(entry):
    host = re.match(r"https://([^/]+)", str(entry.get("source_url")))
    return bool(host) and any(
        host[1] == page or host[1].endswith("." + page) for page in OWN_PAGES.get(entry["provider"], ())
    )


def regions(entry, base):
    """The factors on the price of the inference profiles that there are."""
    found = {}
    if entry["provider"] != "bedrock" or base is None:
        return found
    variants = table(entry, "variants")
    for region in sorted(variants):
        if region not in REGIONS:
            left_out["prices within one region"] += 1
            continue
        variant = table(variants, region)
        pair = [dollars(variant, "input"), dollars(variant, "output")]
        factors = [part / whole for part, whole in zip(pair, base) if part is not None and whole]
        known = None not in pair and len(factors) == sum(bool(whole) for whole in base[:2]) and factors
        if not known or max(factors) - min(factors) > FACTOR_SLACK * max(factors):
            left_out["prices of inference profiles that are not one factor"] += 1
            continue
        found[region] = factors[0].quantize(Decimal("0.00000001"))
    return found


def first_known(*values):
    return next((value for value in values if value is not None), None)


def reasoning(entry, capable):
    """Whether it never answers without thinking (True), or thinks only if it is asked to (False)."""
    if not capable:
        return None
    flag = boolean(table(entry, "capabilities"), "thinking_always_on")
    if flag is not None or "claude" in entry["id"]:
        # Claude thinks only where a request says so, but for the models that are flagged.
        return bool(flag)
    options = array(table(entry, "models_dev"), "reasoning_options", dict)
    efforts = [effort for option in options for effort in array(option, "values", str)]
    can_be_off = any(option.get("type") == "toggle" or option.get("min") == 0 for option in options)
    if not options or can_be_off or "none" in efforts + array(table(entry, "capabilities"), "extra_reasoning_efforts", str):
        return None
    return True


def flags(entry):
    """A letter for each thing that is known: upper case for yes, lower case for no."""
    capabilities, second = table(entry, "capabilities"), table(entry, "models_dev")
    listed = {*array(entry, "modalities_in", str), *array(second, "modalities_in", str)}

    def takes(key, name, list_is_whole):
        known = boolean(capabilities, key)
        if known is not None:
            return known
        if name in listed:
            return True
        return False if list_is_whole and second.get("modalities_in") else None

    capable = first_known(boolean(capabilities, "reasoning"), boolean(second, "reasoning"))
    given = array(second, "modalities_out", str)
    known = {
        "T": first_known(boolean(capabilities, "tools"), boolean(second, "tool_call")),
        "J": first_known(boolean(capabilities, "json_schema"), boolean(second, "structured_output")),
        "R": capable,
        "A": reasoning(entry, capable),
        "S": first_known(boolean(capabilities, "sampling_params"), boolean(second, "temperature")),
        "P": boolean(capabilities, "assistant_prefill"),
        "I": takes("vision", "image", True),
        # Lists often leave out documents that the provider turns into text.
        "D": takes("pdf", "pdf", False),
        "U": takes("audio_in", "audio", True),
        "V": takes("video_in", "video", True),
        "G": "image" in given if given else None,
        "O": first_known(boolean(capabilities, "audio_out"), "audio" in given if given else None),
    }
    return "".join(letter if yes else letter.lower() for letter, yes in known.items() if yes is not None)


def number(value):
    if value is None:
        return ""
    plain = format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
    return plain[1:] if plain.startswith("0.") else plain


def joined(values):
    return "/".join(map(number, values)).rstrip("/") if values else ""


def line(entry):
    for key in ("provider", "id", "mode"):
        text(entry.get(key), key)
    if entry["mode"] not in MODES:
        raise Nonsense(f"the mode is not known: {entry['mode']}")
    base, batch, tiers = prices(entry)
    date = entry.get("deprecation_date")
    if date is not None and not (isinstance(date, str) and DATE.fullmatch(date)):
        raise Nonsense(f"the date of deprecation is not one: {date!r}")
    name = table(entry, "models_dev").get("name") or ""
    if not isinstance(name, str) or not name.isprintable() or len(name) > MOST_TEXT:
        raise Nonsense(f"the name is not a text: {name!r}")
    columns = [
        entry["provider"],
        entry["id"],
        entry["mode"],
        *map(number, window(entry)),
        joined(base),
        joined(batch),
        ";".join(f"{above}:{joined(rate)}" for above, rate in tiers),
        ";".join(f"{region}:{number(factor)}" for region, factor in regions(entry, base).items()),
        flags(entry),
        date or "",
        name,
    ]
    return "\t".join(columns).rstrip("\t")


def make(source):
    if not isinstance(source, dict):
        raise Nonsense("the source is not an object")
    models, generated = source.get("models"), table(source, "meta").get("generated")
    if not isinstance(models, list) or not models:
        raise Nonsense("there is no list of models")
    if not isinstance(generated, str) or not DATE.fullmatch(generated):
        raise Nonsense(f"the source does not say when it was made: {generated!r}")
    lines, seen = [], set()
    for at, entry in enumerate(models):
        if not isinstance(entry, dict):
            raise Nonsense(f"entry {at} is not an object")
        label = f"{entry.get('provider')}/{entry.get('id')} (entry {at})"
        try:
            made = line(entry)
        except Nonsense as nonsense:
            raise Nonsense(f"{label}: {nonsense}") from nonsense
        key = (entry["provider"], entry["id"])
        if key in seen:
            raise Nonsense(f"{label}: it is there twice")
        seen.add(key)
        lines.append((key, made))
    lines.sort()
    return "\n".join([f"greenroom-catalog\t{VERSION}\t{generated}", *(made for _, made in lines)]) + "\n"


def main():
    if not 2 <= len(sys.argv) <= 3:
        print(__doc__.split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            made = make(json.load(file, parse_float=Decimal, parse_constant=Decimal))
    except (OSError, ValueError, Nonsense) as error:
        print(f"make_catalog: {error}", file=sys.stderr)
        return 1
    for what, count in sorted(left_out.items()):
        print(f"left out: {what}: {count}", file=sys.stderr)
    out = sys.argv[2] if len(sys.argv) == 3 else OUT
    if out == "-":
        sys.stdout.buffer.write(made.encode())
    else:
        Path(out).write_text(made, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
