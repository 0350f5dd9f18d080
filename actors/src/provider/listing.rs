//! How a provider's actor has its provider list its models, and answers who asks for them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use greenroom_wire::{ChatError, ErrorKind};
use ractor::RpcReplyPort;

use super::{
    actor::{ProviderMsg, State, answer},
    args::Way,
    lists::ModelList,
    profiles::Wanted,
};

/// A list that does not come in this time does not come.
const LIST_WAIT: Duration = Duration::from_secs(10);

impl State {
    pub(super) fn handle_models(&mut self, fresh: bool, reply: RpcReplyPort<ModelList>) {
        let known = if fresh { self.lists.fresh() } else { self.lists.any() };
        if let Some(list) = known {
            answer(reply, Ok(list));
            self.handle_refresh();
        } else {
            self.list_waiters.push(reply);
            self.ask_for_list();
        }
    }

    pub(super) fn handle_refresh(&mut self) {
        if self.lists.is_due() {
            self.ask_for_list();
        }
    }

    /// Has the provider list its models, if it isn't asked already.
    fn ask_for_list(&mut self) {
        if std::mem::replace(&mut self.lists.asking, true) {
            return;
        }
        let now = SystemTime::now();
        let any = Wanted { model: "", exclude: &[], only: None, prefer: None };
        let there = || self.seats.iter().position(|seat| !seat.gone);
        let at = self.profiles.order(&any, now).ok().map(|order| order[0]).or_else(there);
        let (provider, name) = (Arc::clone(&self.args.provider), Arc::clone(&self.args.name));
        let (way, myself) = (at.map(|at| self.seats[at].profile.way.clone()), self.myself.clone());
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            let asked = async {
                let credential = match way {
                    Some(Way::Fixed(credential)) => credential,
                    Some(Way::Login(login)) => login.credential(&myself).await?,
                    None => return Err(no_profile(&name)),
                };
                provider.models(&credential).await.map(Arc::from)
            };
            let list = match tokio::time::timeout(LIST_WAIT, asked).await {
                Ok(list) => list,
                Err(_) => Err(ChatError::new(ErrorKind::Timeout, format!("{name} did not list its models in time"))),
            };
            myself.cast(ProviderMsg::Listed(list));
        });
    }

    pub(super) fn handle_listed(&mut self, list: ModelList) {
        self.lists.handle_listed(&list);
        match &list {
            // Before who waits is answered: they may ask at once for what the hook tells.
            Ok(models) => self.args.listed.iter().for_each(|listed| listed(&self.args.name, models)),
            Err(error) => tracing::debug!(provider = %self.args.name, kind = %error.kind, "no list of models: {error}"),
        }
        for reply in self.list_waiters.drain(..) {
            answer(reply, list.clone());
        }
    }
}

/// What is told where nothing lets in to a provider.
pub(crate) fn no_profile(provider: &str) -> ChatError {
    let message = format!("there is no credential for {provider}");
    ChatError::new(ErrorKind::Auth, message).with_hint(format!("`greenroom auth add {provider}` adds a key"))
}
