//! What the tests of the whole system stand on: a model provider that plays a script, byte by byte
//! ([`ScriptedProvider`]), an OAuth server that is not ours ([`oidc`]) and a
//! token endpoint that is made to fail ([`issuer`]), a client that sees every byte
//! ([`client`]), and a home for the built `greenroom` program to run in ([`harness`]).

pub mod anthropic;
mod attempt;
pub mod bedrock;
pub mod client;
pub mod gemini;
pub mod harness;
pub mod http1;
pub mod issuer;
pub mod live;
pub mod oidc;
pub mod ollama;
pub mod openai;
mod payload;
mod provider;
pub mod replay;
pub mod responses;
mod script;
pub mod strict;

pub use payload::{Headers, Payload};
pub use provider::{Cancel, Recorded, RouteStats, ScriptedProvider, Stats, WaitedInVain};
pub use script::{Attempt, Framing, Route, Script, Status, Step, When};
