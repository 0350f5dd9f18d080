//! An actor that fails before it has started, for tests of supervision: any actor, wrapped.

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

/// The actor, which panics in `pre_start` if it is to fail.
pub(super) struct Failing<A> {
    pub(super) actor: A,
    pub(super) fails: bool,
}

impl<A: Actor> Actor for Failing<A> {
    type Msg = A::Msg;
    type State = A::State;
    type Arguments = A::Arguments;

    async fn pre_start(&self, myself: ActorRef<A::Msg>, args: A::Arguments) -> Result<A::State, ActorProcessingErr> {
        assert!(!self.fails, "an actor was asked to fail before it has started");
        self.actor.pre_start(myself, args).await
    }

    async fn handle(
        &self,
        myself: ActorRef<A::Msg>,
        message: A::Msg,
        state: &mut A::State,
    ) -> Result<(), ActorProcessingErr> {
        self.actor.handle(myself, message, state).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<A::Msg>,
        event: SupervisionEvent,
        state: &mut A::State,
    ) -> Result<(), ActorProcessingErr> {
        self.actor.handle_supervisor_evt(myself, event, state).await
    }
}
