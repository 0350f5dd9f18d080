//! By what items are known from their start on.

use serde_json::Value;

/// What the provider said of an item as it began.
#[derive(Debug)]
pub(super) struct Head {
    kind: String,
    call: Option<String>,
    pub(super) id: String,
    pub(super) phase: Option<String>,
}

impl Head {
    fn of(json: &Value) -> Option<Self> {
        let word = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self { kind: word("type")?, call: word("call_id"), id: word("id")?, phase: word("phase") })
    }
}

/// The heads of items that were not served yet.
#[derive(Debug, Default)]
pub(super) struct Heads(Vec<Head>);

impl Heads {
    /// Takes how an item begins.
    pub(super) fn take(&mut self, json: &Value) {
        self.0.extend(Head::of(json));
    }

    /// The head of the message or the reasoning that begins. Those before it are of items in which nothing was said.
    pub(super) fn of_kind(&mut self, kind: &str) -> Option<Head> {
        let at = self.0.iter().rposition(|head| head.kind == kind)?;
        let head = self.0.swap_remove(at);
        self.0.retain(|other| other.kind != kind);
        Some(head)
    }

    /// The head of a call.
    pub(super) fn of_call(&mut self, call: &str) -> Option<Head> {
        let at = self.0.iter().position(|head| head.call.as_deref() == Some(call))?;
        Some(self.0.swap_remove(at))
    }

    /// An item was served whole.
    pub(super) fn forget(&mut self, id: &str) {
        self.0.retain(|head| head.id != id);
    }
}
