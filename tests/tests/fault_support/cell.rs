//! One way to play a row of the table.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use greenroom_tests::client::{Event, Response};
use greenroom_tests::{Recorded, ScriptedProvider};
use serde_json::{Value, json};

use super::http_support::{Api, LIMIT, ask, events, is_done, last_error, text, with};
use super::marks::{Mark, state_of};
use super::wire::{BEGUN, MODELS, SECOND, USAGE, WHOLE, Wire};
use super::{Comes, Fault, Reach, Sees, server};

/// One way to play a row.
pub struct Cell {
    fault: Fault,
    name: String,
    wire: Wire,
    has_other: bool,
    streamed: bool,
    first: ScriptedProvider,
    second: ScriptedProvider,
}

/// Ends the check with what was expected of `what` and what it is, if they differ.
fn same<T: PartialEq + Debug>(what: &str, is: T, expected: T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, is {is:?}")) }
}

impl Cell {
    pub async fn new(number: usize, fault: Fault, wire: Wire, has_other: bool, streamed: bool) -> Self {
        let first = server(wire, (fault.plays)(wire)).await;
        let behind = wire.other();
        let second = match &fault.second {
            Some(plays) => plays(behind),
            None => behind.behind(),
        };
        Self {
            fault,
            name: format!("c{number}"),
            wire,
            has_other,
            streamed,
            first,
            second: server(behind, second).await,
        }
    }

    fn first_name(&self) -> String {
        format!("{}-first", self.name)
    }

    fn second_name(&self) -> String {
        format!("{}-second", self.name)
    }

    /// The sections of its providers.
    pub fn config(&self) -> String {
        let url = match self.fault.reach {
            Reach::Loopback => self.first.url(),
            Reach::Far => self.first.url().replace("127.0.0.1", "0.0.0.0"),
            Reach::Https => self.first.url().replace("http://", "https://"),
            Reach::At(url) => url.to_owned(),
        };
        let [first, second] = &self.fault.config;
        let mut config = self.wire.section(&self.first_name(), &url) + first;
        if self.has_other {
            config += &self.wire.other().section(&self.second_name(), &self.second.url());
            config += second;
        }
        config
    }

    /// The line of its alias.
    pub fn alias(&self) -> String {
        let mut models = vec![format!("\"{}/m1\"", self.first_name())];
        models.extend(self.has_other.then(|| format!("\"{}/m1\"", self.second_name())));
        format!("{} = [{}]\n", self.name, models.join(", "))
    }

    /// Asks, and tells what was not as it should have been.
    pub async fn play(self, api: Api) -> Result<(), String> {
        let comes = if self.has_other { &self.fault.with_other } else { &self.fault.alone };
        let since = SystemTime::now();
        let checked = self.check(&api, comes, since);
        tokio::time::timeout(LIMIT, checked).await.unwrap_or_else(|_| Err(format!("it is not over after {LIMIT:?}")))
    }

    /// Which row it is, and in which way.
    pub fn label(&self) -> String {
        let behind = if self.has_other { "with another behind" } else { "alone" };
        let way = if self.streamed { "streamed" } else { "whole" };
        format!("{}, {:?}, {behind}, {way}", self.fault.name, self.wire)
    }

    async fn check(&self, api: &Api, comes: &Comes, since: SystemTime) -> Result<(), String> {
        self.ask(api, &comes.sees).await?;
        same("asked", self.asked(&self.first).len(), comes.asked)?;
        let second = match &comes.sees {
            Sees::Second => 1,
            Sees::GoesOn { attempts } => *attempts as usize - comes.asked,
            _ => 0,
        };
        let second = self.fault.second_asked.filter(|_| second > 0).unwrap_or(second);
        same("the one behind was asked", self.asked(&self.second).len(), second)?;
        for pair in self.asked(&self.first).windows(2) {
            let gap = pair[1].at - pair[0].at;
            if gap < self.fault.gap {
                return Err(format!("asked again after {gap:?}"));
            }
        }
        comes.mark.check(&state_of(api, &self.first_name()).await, since)?;
        self.check_left_alone(api, comes.mark).await
    }

    fn asked(&self, server: &ScriptedProvider) -> Vec<Recorded> {
        server.requests().into_iter().filter(|request| request.method == "POST").collect()
    }

    /// What is left alone is not asked by the next request either.
    async fn check_left_alone(&self, api: &Api, mark: Mark) -> Result<(), String> {
        if mark == Mark::None {
            return Ok(());
        }
        let before = self.asked(&self.first).len();
        let model = if self.has_other { self.name.clone() } else { format!("{}/m1", self.first_name()) };
        let marked = state_of(api, &self.first_name()).await;
        // Where no other is behind, the window's end is waited for.
        let response = tokio::time::timeout(Duration::from_secs(1), api.chat(&ask(&model))).await;
        let now = state_of(api, &self.first_name()).await;
        // A machine so busy that the window is over by now asks again, and rightly.
        if mark.is_open(&now) && marked == now {
            same("asked though it is left alone", self.asked(&self.first).len(), before)?;
        }
        match response {
            Ok(response) if self.has_other => same("another answers", whole_text(&response).as_str(), SECOND),
            _ => Ok(()),
        }
    }

    async fn ask(&self, api: &Api, sees: &Sees) -> Result<(), String> {
        if !self.streamed {
            return self.check_whole(&api.chat(&ask(&self.name)).await, sees);
        }
        let body = with(ask(&self.name), json!({"stream": true, "stream_options": {"include_usage": true}}));
        let mut connection = api.begin(&body).await;
        let head = connection.head().await.map_err(|error| error.to_string())?;
        if head.status != 200 {
            let body = connection.body().await.map_err(|error| error.to_string())?;
            return self.check_whole(&Response { status: head.status, headers: head.headers, body }, sees);
        }
        let attempts = head.headers.get("x-greenroom-attempts").map(str::to_owned);
        let provider = head.headers.get("x-greenroom-provider").map(str::to_owned);
        self.check_events(&events(&mut connection).await, sees, provider, attempts)
    }

    /// The number of the attempt that answers, and which provider it is of.
    fn answering(&self, sees: &Sees) -> (usize, usize) {
        let comes = if self.has_other { &self.fault.with_other } else { &self.fault.alone };
        match sees {
            Sees::Second => (comes.asked + self.fault.unseen + 1, 1),
            Sees::GoesOn { attempts } => (*attempts as usize, usize::from(*attempts as usize > comes.asked)),
            _ => (comes.asked, 0),
        }
    }

    fn name_of(&self, who: usize) -> String {
        if who == 0 { self.first_name() } else { self.second_name() }
    }

    fn check_whole(&self, response: &Response, sees: &Sees) -> Result<(), String> {
        match sees {
            Sees::Fails(status, kind, code, kinds) | Sees::Breaks(status, kind, code, kinds) => {
                if let Sees::Breaks(..) = sees
                    && self.streamed
                {
                    return Err(format!("nothing came of a stream but {}", response.text()));
                }
                same("status", response.status, *status).map_err(|wrong| format!("{wrong}: {}", response.text()))?;
                let attempts = response.header("x-greenroom-attempts");
                same("x-greenroom-attempts", attempts, Some(kinds.len().to_string().as_str()))?;
                let seconds = response.header("retry-after").map(|seconds| seconds.parse::<u64>().unwrap());
                if let Some(most) = self.fault.retry_after
                    && !self.has_other
                    && seconds.is_none_or(|seconds| seconds > most || seconds * 2 < most)
                {
                    return Err(format!("told to wait for {seconds:?}"));
                }
                return self.check_error(&response.json()["error"], kind, code, kinds);
            }
            _ => {}
        }
        same("status", response.status, 200).map_err(|wrong| format!("{wrong}: {}", response.text()))?;
        let json = response.json();
        let choice = &json["choices"][0];
        let (attempt, who) = self.answering(sees);
        let text = choice["message"]["content"].as_str().unwrap_or_default();
        self.check_text(text, sees)?;
        let finish = if matches!(sees, Sees::Length(_)) { "length" } else { "stop" };
        same("finish reason", &choice["finish_reason"], &json!(finish))?;
        same("attempts", response.header("x-greenroom-attempts"), Some(attempt.to_string().as_str()))?;
        same("provider", response.header("x-greenroom-provider"), Some(self.name_of(who).as_str()))?;
        same("model", &json["model"], &json!(MODELS[who]))?;
        self.check_usage(&json["usage"], sees)
    }

    fn check_events(
        &self,
        events: &[Event],
        sees: &Sees,
        provider: Option<String>,
        attempts: Option<String>,
    ) -> Result<(), String> {
        let shown = |wrong: String| format!("{wrong}; the events end with {:?}", events.last());
        let said = text(events);
        if let Sees::Breaks(_, kind, code, kinds) = sees {
            same("text", said.as_str(), BEGUN).map_err(shown)?;
            return self.check_error(&last_error(events), kind, code, kinds);
        }
        if let Sees::Fails(..) = sees {
            return Err(format!("a stream of {said:?} came, and then {:?}", events.last()));
        }
        self.check_text(&said, sees).map_err(shown)?;
        same("it is complete", is_done(events), true).map_err(shown)?;
        let chunks: Vec<Value> = events.iter().map(Event::json).filter(Value::is_object).collect();
        let reasons: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["finish_reason"])
            .filter(|reason| !reason.is_null())
            .collect();
        let finish = if matches!(sees, Sees::Length(_)) { json!("length") } else { json!("stop") };
        same("finish reasons", reasons, vec![&finish])?;
        // The head leaves with the first token, and so names who began.
        let (attempt, who) = match sees {
            Sees::GoesOn { .. } => (1, 0),
            _ => self.answering(sees),
        };
        same("attempts", attempts, Some(attempt.to_string()))?;
        same("provider", provider, Some(self.name_of(who)))?;
        same("model", &chunks[0]["model"], &json!(MODELS[who]))?;
        let last = self.answering(sees).1;
        same("the model at the end", &chunks[chunks.len() - 1]["model"], &json!(MODELS[last]))?;
        let usage: Vec<&Value> = chunks.iter().map(|chunk| &chunk["usage"]).filter(|usage| usage.is_object()).collect();
        match (sees, &usage[..]) {
            // Who is stopped has not told it.
            (Sees::Length(_), _) => Ok(()),
            (_, [usage]) => self.check_usage(usage, sees),
            _ => Err(format!("usage is told {} times", usage.len())),
        }
    }

    fn check_text(&self, text: &str, sees: &Sees) -> Result<(), String> {
        match sees {
            Sees::Second => same("text", text, SECOND),
            Sees::Length(begins) => same("text begins", text.starts_with(begins), true),
            _ => same("text", text, WHOLE),
        }
    }

    /// Usage is that of the attempt that answers; what failed before it said a word is not added.
    fn check_usage(&self, usage: &Value, sees: &Sees) -> Result<(), String> {
        let [prompt, answer] = match sees {
            Sees::First => USAGE[0],
            Sees::Second => USAGE[1],
            // Partly estimated where an answer is broken off.
            _ => return Ok(()),
        };
        same("usage", [&usage["prompt_tokens"], &usage["completion_tokens"]], [&json!(prompt), &json!(answer)])
    }

    fn check_error(&self, error: &Value, kind: &str, code: &str, kinds: &[&str]) -> Result<(), String> {
        let shown = |wrong: String| format!("{wrong}: {error}");
        let word = |key: &str| error[key].as_str().unwrap_or("null");
        same("error", (word("type"), word("code")), (kind, code)).map_err(shown)?;
        let message = word("message");
        same("it says why", message.contains(self.fault.told) && !message.is_empty(), true).map_err(shown)?;
        let listed = error["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
        // One failure is told as itself.
        let expected = if kinds.len() > 1 { kinds } else { &[] };
        let listed_kinds: Vec<&str> = listed.iter().map(|attempt| attempt["kind"].as_str().unwrap_or("null")).collect();
        same("each attempt", &listed_kinds[..], expected).map_err(shown)?;
        let name = self.first_name();
        let is_told = |attempt: &Value| {
            attempt["provider"] == name.as_str() && attempt["model"] == "m1" && attempt["message"].is_string()
        };
        same("who failed", listed.iter().all(is_told), true).map_err(shown)
    }
}

fn whole_text(response: &Response) -> String {
    response.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}
