# What a developer does often. Each recipe can be typed by hand as well.

# What must pass before anything lands.
ci:
    bash .ci/run

# The edit-test loop of one crate: just t greenroom-wire
t crate:
    cargo test -p {{crate}}

# The whole system from outside, against a program built anew.
system:
    cargo build --workspace --bins
    cargo test -p greenroom-tests

# A few short questions to every provider that the environment has a key for; the others are passed over by name.
# GREENROOM_LIVE_OPENAI=gpt-5 says which model of openai is asked, and so for the others.
live:
    cargo build -p greenroom
    GREENROOM_LIVE=1 cargo test -p greenroom-tests --test live -- real_providers --nocapture

# What the hot path costs, as ratios against no proxy and a bare proxy in the same run.
bench *args:
    cargo build --profile dist -p greenroom -p greenroom-tests --bins
    target/dist/bench {{args}}

# What durable sessions cost, a million of them beside none: `--count` for fewer, `--quick` to see that it works.
bench-sessions *args:
    cargo build --profile dist -p greenroom -p greenroom-tests --bins
    target/dist/bench sessions {{args}}

# What a call of a tool costs over MCP, by the program and over HTTP, beside the same request straight to the provider.
bench-mcp *args:
    cargo build --profile dist -p greenroom -p greenroom-tests --bins
    target/dist/bench mcp {{args}}

# Sessions under everything at once, for minutes: each round kills the daemon twice under load. GREENROOM_SOAK_SEED
# repeats the choices of a run, as far as the machine lets it.
soak rounds="300":
    cargo build --release -p greenroom
    GREENROOM_SOAK_ROUNDS={{rounds}} cargo test --release -p greenroom-tests --test session_soak -- --nocapture --test-threads 1

# What is shipped: one file, small.
dist:
    cargo build --profile dist -p greenroom
