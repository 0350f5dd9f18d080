//! What the soak of sessions is made of: a provider whose answers follow from the questions, frontends that hold every
//! event against all that was ever seen, and writers that send until they are heard.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is to fail the test")]

pub mod answers;
pub mod frontend;
pub mod kills;
pub mod log;
pub mod writer;

use std::{
    env, fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use greenroom_tests::{
    client::{self, ClientError, Connection, Response},
    harness::{Daemon, Home},
};
use serde_json::{Value, json};

/// Far more than anything takes that works.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Numbers that look like chance, the same each time for the same seed.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds, and zero, are to give different numbers.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The seed of this run: that of `GREENROOM_SOAK_SEED`, or one of its own, which is printed so that it can be given.
    pub fn of_run() -> Self {
        let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = env::var("GREENROOM_SOAK_SEED").ok().map_or_else(fresh, |seed| seed.parse().unwrap());
        eprintln!("GREENROOM_SOAK_SEED={seed}");
        Self::new(seed)
    }

    /// Numbers of their own for one of many.
    pub fn split(&mut self) -> Self {
        Self::new(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound.max(1)
    }

    /// Whether it is one of so many cases.
    pub fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }
}

/// How many rounds are made: by `GREENROOM_SOAK_ROUNDS`, or so many.
pub fn rounds(usual: usize) -> usize {
    env::var("GREENROOM_SOAK_ROUNDS").ok().map_or(usual, |rounds| rounds.parse().unwrap())
}

/// A home whose only provider is `lab`.
pub fn home(url: &str, more: &str) -> Home {
    let home = Home::new();
    home.config(&format!(
        "[providers.lab]\nkind = \"openai-compatible\"\nbase_url = \"{url}/v1\"\nkey = \"lab-key\"\n{more}"
    ));
    home
}

/// Where a daemon is, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub url: String,
    pub token: String,
}

impl Place {
    pub fn of(daemon: &Daemon) -> Self {
        Self { url: daemon.url().to_owned(), token: daemon.token() }
    }

    /// Makes a session; one that is there already is fine.
    pub async fn create(&self, id: &str) {
        let body = json!({"id": id, "model": "lab/m1"});
        let made = client::post_json(&self.url, "/api/sessions", Some(&self.token), &body).await.unwrap();
        assert!(matches!(made.status, 200 | 201), "{}", made.text());
    }

    /// Says something, under an idempotency key if there is one.
    ///
    /// # Errors
    /// The daemon is gone before it has answered.
    pub async fn send(&self, session: &str, key: Option<&str>, text: &str) -> Result<Response, ClientError> {
        let mut connection = Connection::open(&self.url).await?;
        let authorization = format!("Bearer {}", self.token);
        let mut headers = vec![("content-type", "application/json"), ("authorization", authorization.as_str())];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let body = json!({"text": text}).to_string();
        connection.send("POST", &format!("/api/sessions/{session}/messages"), &headers, body.as_bytes()).await?;
        connection.response().await
    }

    /// What is told of a session.
    ///
    /// # Errors
    /// The daemon is gone before it has answered.
    pub async fn info(&self, session: &str) -> Result<Value, ClientError> {
        let response = client::get(&self.url, &format!("/api/sessions/{session}"), Some(&self.token)).await?;
        assert_eq!(response.status, 200, "{session}: {}", response.text());
        Ok(response.json())
    }
}

/// Resident memory of a process, in bytes.
pub fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
