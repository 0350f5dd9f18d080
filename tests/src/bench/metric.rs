//! The figures, and how each is named and read.

/// A figure of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    Requests,
    CpuPerRequest,
    Tokens,
    CpuPerToken,
    CpuPerTokenPaced,
    FirstTokenP50,
    FirstTokenP99,
    /// Above that of no proxy in the same round.
    FirstTokenAddedP50,
    /// Above that of no proxy in the same round.
    FirstTokenAddedP99,
    MemoryIdle,
    MemoryHeld,
    MemoryPerStream,
    /// How much of its core the target used while it was asked for whole answers.
    CoreRequests,
    /// How much of its core the target used while it was asked for streams.
    CoreStreams,
    /// How much of a core other programs used meanwhile, at most.
    Others,
}

use Metric::{
    CoreRequests, CoreStreams, CpuPerRequest, CpuPerToken, CpuPerTokenPaced, FirstTokenAddedP50, FirstTokenAddedP99,
    FirstTokenP50, FirstTokenP99, MemoryHeld, MemoryIdle, MemoryPerStream, Others, Requests, Tokens,
};

impl Metric {
    /// Those of the table, in its order.
    pub(crate) const SHOWN: [Self; 12] = [
        Requests,
        CpuPerRequest,
        Tokens,
        CpuPerToken,
        CpuPerTokenPaced,
        FirstTokenP50,
        FirstTokenP99,
        FirstTokenAddedP50,
        FirstTokenAddedP99,
        MemoryIdle,
        MemoryHeld,
        MemoryPerStream,
    ];

    /// Those that say how far the others are to be trusted.
    pub(crate) const ABOUT: [Self; 3] = [CoreRequests, CoreStreams, Others];

    /// Its name in JSON, with the unit.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Requests => "requests_per_second",
            CpuPerRequest => "cpu_us_per_request",
            Tokens => "tokens_per_second",
            CpuPerToken => "cpu_us_per_token",
            CpuPerTokenPaced => "cpu_us_per_paced_token",
            FirstTokenP50 => "first_token_p50_us",
            FirstTokenP99 => "first_token_p99_us",
            FirstTokenAddedP50 => "first_token_added_p50_us",
            FirstTokenAddedP99 => "first_token_added_p99_us",
            MemoryIdle => "memory_idle_mib",
            MemoryHeld => "memory_with_streams_mib",
            MemoryPerStream => "memory_per_stream_kib",
            CoreRequests => "core_share_requests",
            CoreStreams => "core_share_streams",
            Others => "other_programs_core_share",
        }
    }

    /// What stands in the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Requests => "requests/s, not streamed",
            CpuPerRequest => "CPU µs/request",
            Tokens => "tokens/s, streams without delay",
            CpuPerToken => "CPU µs/token, without delay",
            CpuPerTokenPaced => "CPU µs/token, 20 tokens/s a stream",
            FirstTokenP50 => "first token p50, µs",
            FirstTokenP99 => "first token p99, µs",
            FirstTokenAddedP50 => "  added p50, µs",
            FirstTokenAddedP99 => "  added p99, µs",
            MemoryIdle => "memory idle, MiB",
            MemoryHeld => "memory with open streams, MiB",
            MemoryPerStream => "memory a stream, KiB",
            CoreRequests | CoreStreams | Others => self.key(),
        }
    }

    /// Digits after the point, by the size that it has.
    pub(crate) fn digits(self) -> usize {
        match self {
            Requests | Tokens | FirstTokenP50 | FirstTokenP99 | FirstTokenAddedP50 | FirstTokenAddedP99 => 0,
            CpuPerToken | CpuPerTokenPaced => 2,
            CpuPerRequest | MemoryIdle | MemoryHeld | MemoryPerStream => 1,
            CoreRequests | CoreStreams | Others => 2,
        }
    }

    /// How much of its core the target used for it, where less than all of it means that the load generator was the
    /// limit, not the target.
    pub(crate) fn core(self) -> Option<Self> {
        match self {
            Requests => Some(CoreRequests),
            Tokens => Some(CoreStreams),
            _ => None,
        }
    }
}
