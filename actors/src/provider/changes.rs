//! What of a provider's actor changes its profiles while it runs: refreshed logins, profiles that come in, and go.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ractor::ActorRef;

use super::{
    actor::{ProviderMsg, State},
    args::ProfileArgs,
    login::Login,
    profiles::{Change, ProfileId},
};

/// How long it relies on the machine's clock to go on as before.
const LONGEST_NAP: Duration = Duration::from_secs(3600);

impl State {
    /// A token was refused. Whether another is being had, so that nothing is wrong with the profile yet.
    pub(super) fn handle_refused(&mut self, profile: &str, generation: Option<u64>) -> bool {
        let (Some(login), Some(generation)) = (self.login(profile), generation) else { return false };
        let asks_again = login.handle_refused(generation, &self.myself);
        self.see_entry(profile);
        asks_again
    }

    pub(super) fn login(&self, profile: &str) -> Option<Arc<Login>> {
        let seat = self.seats.iter().find(|seat| *seat.profile.id == *profile && !seat.gone)?;
        seat.profile.way.login().cloned()
    }

    /// Has a profile's login refreshed.
    pub(super) fn refresh(&self, at: usize) {
        if let Some(login) = self.seats[at].profile.way.login() {
            login.refresh(&self.myself);
        }
    }

    /// Waits for the refreshes that are under way: a process that ends in their midst loses what they gave.
    pub(super) fn refreshes(&self) -> impl Future<Output = ()> + Send + 'static {
        let logins: Vec<Arc<Login>> = self.seats.iter().filter_map(|seat| seat.profile.way.login().cloned()).collect();
        async move {
            for login in logins {
                login.wait().await;
            }
        }
    }

    /// Takes note of where it stands with a profile's login.
    pub(super) fn see_entry(&mut self, profile: &str) {
        let now = SystemTime::now();
        for (at, seat) in self.seats.iter().enumerate().filter(|(_, seat)| *seat.profile.id == *profile) {
            if let Some(login) = seat.profile.way.login() {
                self.profiles.set_entry(at, login.entry(now));
            }
        }
    }

    /// Sees to it that a profile's login is refreshed ahead of its end.
    pub(super) fn renew_later(&mut self, myself: &ActorRef<ProviderMsg>, profile: &ProfileId) {
        self.see_entry(profile);
        let now = SystemTime::now();
        if let Some(due) = self.login(profile).and_then(|login| login.due()) {
            // A clock that is set is noticed within the hour, and by whoever comes.
            let wait = due.duration_since(now).unwrap_or_default().min(LONGEST_NAP);
            let profile = Arc::clone(profile);
            myself.send_after(wait + Duration::from_millis(1), || ProviderMsg::Renew(profile));
        }
    }

    pub(super) fn handle_renew(&mut self, myself: &ActorRef<ProviderMsg>, profile: &ProfileId) {
        let now = SystemTime::now();
        let Some(login) = self.login(profile) else { return };
        match login.due() {
            Some(due) if due <= now => login.refresh(&self.myself),
            Some(_) => self.renew_later(myself, profile),
            None => {}
        }
    }

    pub(super) fn handle_set_profile(&mut self, profile: ProfileArgs) {
        let (id, weight, tier) = (Arc::clone(&profile.id), profile.weight, profile.way.tier());
        self.limiters.seat(profile);
        self.seats = self.limiters.seats();
        let change = self.profiles.admit(&id, weight, tier);
        self.keeper.handle_added(&id);
        // Whatever was kept under its name was of another.
        self.keeper.handle(change.max(Change::Marks));
        // What it may use, others might not.
        self.lists.handle_outdated();
    }

    pub(super) fn handle_remove_profile(&mut self, id: &str) -> bool {
        let was_there = self.limiters.unseat(id);
        self.seats = self.limiters.seats();
        if was_there {
            let change = self.profiles.remove(id);
            self.keeper.handle(change);
        }
        was_there
    }
}
