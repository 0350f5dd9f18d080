//! What `GET /api/providers` shows of a provider after a fault.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::http_support::Api;

/// What is left alone after a fault, why, and the length of its window in seconds, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    /// The model, for this profile or whatever the profile.
    Model(&'static str, u64, u64),
    /// The profile, for every model.
    Profile(&'static str, u64, u64),
}

impl Mark {
    /// Holds a provider's state, as it was seen after `since`, against this.
    pub fn check(self, state: &Value, since: SystemTime) -> Result<(), String> {
        let profile = &state["profiles"][0];
        let model = &profile["models"][0];
        let shown = format!("expected {self:?}, and the state is {state}");
        let count = profile["models"].as_array().map_or(0, Vec::len);
        let (mark, states, kind, least, most) = match self {
            Self::None => {
                let is_clear = state["state"] == "ok" && profile["state"] == "ok" && profile["reason"].is_null();
                return if is_clear && count == 0 { Ok(()) } else { Err(shown) };
            }
            Self::Model(kind, least, most) => (model, ["ok", "ok"], kind, least, most),
            Self::Profile(kind, least, most) => (profile, ["cooling", "cooling"], kind, least, most),
        };
        let unix = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (since, now) = (unix(since), unix(SystemTime::now()));
        if count == 0 && profile["reason"].is_null() && now >= since + least {
            // On a machine so busy that the window is over by now.
            return Ok(());
        }
        let is_so = state["state"] == states[0] && profile["state"] == states[1] && mark["reason"] == kind;
        let models = usize::from(matches!(self, Self::Model(..)));
        if !is_so || count != models || models == 1 && model["model"] != "m1" {
            return Err(shown);
        }
        let until = humantime::parse_rfc3339(mark["until"].as_str().unwrap_or_default()).map_err(|_| shown.clone())?;
        // What is shown is cut to whole seconds.
        let until = unix(until);
        if until + 1 < since + least || until > now + most { Err(shown) } else { Ok(()) }
    }

    /// Whether anything of the provider is left alone now.
    pub fn is_open(self, state: &Value) -> bool {
        let profile = &state["profiles"][0];
        !profile["reason"].is_null() || profile["models"].as_array().is_some_and(|models| !models.is_empty())
    }
}

/// The state of one provider.
pub async fn state_of(api: &Api, provider: &str) -> Value {
    let all = api.get("/api/providers").await.json();
    let found = all["providers"].as_array().into_iter().flatten().find(|state| state["provider"] == provider);
    found.cloned().unwrap_or_default()
}
