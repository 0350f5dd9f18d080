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

# What the hot path costs, as ratios against no proxy and a bare proxy in the same run.
bench *args:
    cargo build --profile dist -p greenroom -p greenroom-tests --bins
    target/dist/bench {{args}}

# What is shipped: one file, small.
dist:
    cargo build --profile dist -p greenroom
