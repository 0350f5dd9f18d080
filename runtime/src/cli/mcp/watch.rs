//! What the client wants to be told of without having asked just then.
//!
//! The server knows nothing of a client that asks so that each request stands by itself, so its wishes are remembered here:
//! the level of log messages goes with each call of a tool, and for each thing that is watched a request listens to whoever
//! holds. Where another one holds, changes may have been missed, so it is told that there was one.

use std::{cell::RefCell, collections::HashMap, future::Future, time::Duration};

use futures::future::join;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    envelope::Wish,
    relay::{Messages, Relay, to_mcp},
};
use crate::cli::Failure;

/// The request that is answered with changes as they come.
pub(super) const LISTEN: &str = "subscriptions/listen";
/// The revision that has it.
const REVISION: &str = "2026-07-28";
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
/// Where a call says from which level on it wants log messages.
const LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Pause before a holder that did not listen, or is gone, is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Most addresses that are watched.
pub(super) const MOST: usize = 64;

/// The wishes of the client.
#[derive(Default)]
pub(super) struct Watches {
    level: RefCell<Option<String>>,
    /// What ends the watching of each address.
    addresses: RefCell<HashMap<String, CancellationToken>>,
    all: CancellationToken,
}

impl Watches {
    /// Nothing is watched any more.
    pub(super) fn end(&self) {
        self.all.cancel();
    }

    /// Cancelled once nothing is watched any more.
    pub(super) fn ended(&self) -> CancellationToken {
        self.all.child_token()
    }

    /// Whether one more address is one too many.
    pub(super) fn are_too_many(&self, uri: &str) -> bool {
        let addresses = self.addresses.borrow();
        let of_lists = usize::from(addresses.contains_key(""));
        addresses.len() - of_lists >= MOST && !addresses.contains_key(uri)
    }

    /// How many things are watched at most now.
    pub(super) fn count(&self) -> usize {
        self.addresses.borrow().len() + 1
    }

    /// Remembers what the server took.
    pub(super) fn heed(&self, wish: Option<Wish>) {
        match wish {
            Some(Wish::Level(level)) => *self.level.borrow_mut() = Some(level),
            Some(Wish::Unsubscribe(uri)) => {
                if let Some(watched) = self.addresses.borrow_mut().remove(&uri) {
                    watched.cancel();
                }
            }
            Some(Wish::Subscribe(_)) | None => {}
        }
    }

    /// A call of a tool with the level of log messages that the client wants, unless it says so itself.
    pub(super) fn with_level(&self, call: Vec<u8>) -> Vec<u8> {
        let Some(level) = &*self.level.borrow() else { return call };
        let Ok(mut message) = serde_json::from_slice::<Value>(&call) else { return call };
        let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) else { return call };
        let meta = params.entry("_meta").or_insert_with(|| json!({}));
        let Some(meta) = meta.as_object_mut() else { return call };
        meta.entry(LEVEL).or_insert_with(|| level.as_str().into());
        message.to_string().into_bytes()
    }
}

impl Relay<'_> {
    /// Tells of changes of the lists.
    pub(super) async fn watch_lists(&self) {
        if !self.watches.begin(String::new()) {
            return;
        }
        let missed = ["notifications/tools/list_changed", "notifications/resources/list_changed"];
        let missed = missed.map(|method| json!({"jsonrpc": "2.0", "method": method}));
        let wanted = json!({"toolsListChanged": true, "resourcesListChanged": true});
        self.watches.ended().run_until_cancelled_owned(self.watch(wanted, &missed, &Notify::new())).await;
    }

    /// Carries a subscription once what is at the address is watched, so that no change is missed, and tells of changes if
    /// it was taken.
    pub(super) async fn watch_address(&self, uri: String, carry: impl Future<Output = bool>) {
        let Some(ends) = self.watches.begin_address(&uri) else {
            // It is watched already, or nothing is any more.
            carry.await;
            return;
        };
        let listens = Notify::new();
        let missed = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}});
        let wanted = json!({"resourceSubscriptions": [uri]});
        let carried = async {
            tokio::select! {
                () = listens.notified() => {}
                () = ends.cancelled() => {}
            }
            if !carry.await {
                self.watches.heed(Some(Wish::Unsubscribe(uri.clone())));
            }
        };
        join(ends.run_until_cancelled(self.watch(wanted, &[missed], &listens)), carried).await;
    }

    /// Tells of changes for ever; that it listens, or can't at first, is told to `listens`.
    async fn watch(&self, wanted: Value, missed: &[Value], listens: &Notify) {
        let mut is_first = true;
        loop {
            let missed = if is_first { &[] } else { missed };
            if let Err(Failure::Told(told)) = self.listen(&wanted, missed, listens).await {
                tracing::debug!("changes are not heard of: {}", told.what);
            }
            listens.notify_one();
            is_first = false;
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Tells of changes until whoever holds tells no more.
    async fn listen(&self, wanted: &Value, missed: &[Value], listens: &Notify) -> Result<(), Failure> {
        let params = json!({
            "notifications": wanted,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        });
        let message = json!({"jsonrpc": "2.0", "id": "greenroom", "method": LISTEN, "params": params});
        let ask = to_mcp(message.to_string().into_bytes())
            .header("mcp-protocol-version", REVISION)
            .header("mcp-method", LISTEN);
        let (answer, _) = self.link.ask_any(&ask, false).await?;
        let mut messages = Messages::of(answer);
        while let Some((back, message)) = messages.next().await? {
            match back.method.as_deref() {
                Some(ACKNOWLEDGED) => {
                    listens.notify_one();
                    for missed in missed {
                        self.say(missed).await;
                    }
                }
                Some(_) => self.put(message).await,
                None => break,
            }
        }
        Ok(())
    }
}

impl Watches {
    /// Whether something is to be watched that was not.
    fn begin(&self, uri: String) -> bool {
        let mut addresses = self.addresses.borrow_mut();
        if self.all.is_cancelled() || addresses.contains_key(&uri) {
            return false;
        }
        addresses.insert(uri, self.all.child_token());
        true
    }

    /// What ends the watching of an address that was not watched.
    fn begin_address(&self, uri: &str) -> Option<CancellationToken> {
        if !self.begin(uri.to_owned()) {
            return None;
        }
        self.addresses.borrow().get(uri).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_says_the_level_that_was_asked_for_unless_it_says_another() {
        let watches = Watches::default();
        let call = |meta: Value| json!({"id": 1, "params": {"name": "a", "_meta": meta}});
        let sent = |watches: &Watches, call: &Value| -> Value {
            serde_json::from_slice(&watches.with_level(call.to_string().into_bytes())).unwrap()
        };
        assert_eq!(sent(&watches, &call(json!({}))), call(json!({})));
        watches.heed(Some(Wish::Level("info".to_owned())));
        assert_eq!(sent(&watches, &call(json!({"progressToken": 2})))["params"]["_meta"][LEVEL], "info");
        assert_eq!(sent(&watches, &call(json!({LEVEL: "error"})))["params"]["_meta"][LEVEL], "error");
        assert_eq!(sent(&watches, &json!({"id": 1, "params": {"name": "a"}}))["params"]["_meta"][LEVEL], "info");
    }
}
