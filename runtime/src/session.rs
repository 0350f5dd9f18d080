//! One session as a library's user holds it.

use greenroom_actors::{
    Sent,
    session::{
        error::SessionError,
        info::{Access, CallResult, Cancelled, Claim, Outgoing, SessionInfo, Standing, Update},
        log::Cursor,
    },
    sessions::{Export, From as ReadFrom, Reader, SessionRef},
};
use greenroom_wire::Part;

mod events;

pub use events::{Events, Turn};

/// A conversation. Clones are the same one; dropping all of them ends nothing, unless it is
/// [in memory alone](crate::Runtime::ephemeral).
#[derive(Debug, Clone)]
pub struct Session {
    session: SessionRef,
    /// Whose the sessions are that are forked from it.
    access: Access,
}

impl Session {
    pub(crate) fn new(session: SessionRef, access: Access) -> Self {
        Self { session, access }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.session.id()
    }

    /// What is to be known of it but its log.
    ///
    /// # Errors
    /// It was removed, or can't be read.
    pub async fn info(&self) -> Result<SessionInfo, SessionError> {
        self.session.info().await
    }

    /// Says something and gives the turn that answers; durable when this returns. If another turn runs, this one waits
    /// for it.
    ///
    /// ```no_run
    /// use futures::StreamExt as _;
    /// use greenroom::event::EventBody;
    ///
    /// # async fn run(session: greenroom::Session) -> Result<(), greenroom::SessionError> {
    /// let mut turn = session.send("hello").await?;
    /// while let Some(event) = turn.next().await {
    ///     if let EventBody::Text { delta } = event.body {
    ///         print!("{delta}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The text is empty, too many messages wait, or it can't be kept. Nothing of it is in the log then.
    pub async fn send(&self, text: impl Into<String>) -> Result<Turn, SessionError> {
        let text = text.into();
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::text(text)] };
        self.send_message(Outgoing { parts, ..Outgoing::default() }).await
    }

    /// Says something of several parts; what becomes of it while another turn runs, where the log has to end for it, and
    /// its idempotency key are the message's to say.
    ///
    /// # Errors
    /// The message was not taken, for what it is or for what it asks. Nothing of it is in the log then.
    pub async fn send_message(&self, message: Outgoing) -> Result<Turn, SessionError> {
        let sent = self.session.send(message).await?;
        let events = self.events_from(Some(self.place(sent.position).await?)).await?;
        Ok(Turn::new(events, sent))
    }

    /// The same without following the turn.
    pub(crate) async fn post(&self, message: Outgoing) -> Result<Sent, SessionError> {
        self.session.send(message).await
    }

    /// Changes what later turns ask.
    ///
    /// # Errors
    /// The change can't be kept.
    pub async fn update(&self, update: Update) -> Result<(), SessionError> {
        self.session.update(update).await
    }

    /// Cancels a turn that runs or waits, and says whether it had ended before; doing it twice is fine.
    ///
    /// # Errors
    /// There has been no such turn.
    pub async fn cancel(&self, turn: u64) -> Result<Cancelled, SessionError> {
        self.session.cancel(turn).await
    }

    /// Claims a call of a tool that is awaited, so that nobody else runs it; with the claim of before, renews that.
    ///
    /// # Errors
    /// No such call is awaited, or somebody else has claimed it.
    pub async fn claim(&self, id: &str, claim: Option<String>) -> Result<Claim, SessionError> {
        self.session.claim(id, claim).await
    }

    /// Gives what a call of a tool gave; durable when this returns. With the last one that is awaited the turn goes on.
    ///
    /// # Errors
    /// No such call is awaited, it has its result, somebody else has claimed it, or the result can't be kept.
    pub async fn result(&self, result: CallResult) -> Result<Sent, SessionError> {
        self.session.result(result).await
    }

    /// Makes a session of what this one has up to a place, under this id or a random one.
    ///
    /// # Errors
    /// There is no such place, the id can't be one or is taken, or the session can't be kept.
    pub async fn fork(&self, at: Cursor, id: Option<String>) -> Result<Self, SessionError> {
        Ok(Self::new(self.session.fork(&self.access, at, id).await?, self.access.clone()))
    }

    /// Makes a session of what this one has up to the end of a turn, which is at `at`, under an id. Its turns are no
    /// responses of the new one.
    pub(crate) async fn fork_behind(&self, turn: u64, at: Cursor, id: String) -> Result<Self, SessionError> {
        let session = self.session.fork_behind(&self.access, turn, at, Some(id)).await?;
        Ok(Self::new(session, self.access.clone()))
    }

    /// How far its turns are.
    pub(crate) async fn standing(&self) -> Result<Standing, SessionError> {
        self.session.standing().await
    }

    /// Whether a turn is a response that was not deleted.
    pub(crate) async fn is_response(&self, turn: u64) -> Result<bool, SessionError> {
        self.session.is_response(turn).await
    }

    /// Has a turn be no response any more; with the last one the session goes.
    pub(crate) async fn delete_response(&self, turn: u64) -> Result<(), SessionError> {
        self.session.delete_response(turn).await
    }

    /// Reads a cursor, `EPOCH-POSITION`; a bare number is a position of the current epoch.
    ///
    /// # Errors
    /// The text is no cursor.
    pub async fn cursor(&self, text: &str) -> Result<Cursor, SessionError> {
        self.session.cursor(text).await
    }

    /// All events from a cursor on, or from the start, and those to come. Any number may read at once, each at its own
    /// pace; a slow one costs the others nothing.
    ///
    /// ```no_run
    /// use futures::StreamExt as _;
    ///
    /// # async fn run(session: greenroom::Session, kept: &str) -> Result<(), greenroom::SessionError> {
    /// let cursor = session.cursor(kept).await?;
    /// let mut events = session.events_from(Some(cursor)).await?;
    /// while let Some(event) = events.next().await {
    ///     println!("{event:?}");
    ///     let _kept = events.cursor().to_string();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The session was removed, or can't be read. A cursor that holds no more is no error: a `Reset` comes first.
    pub async fn events_from(&self, cursor: Option<Cursor>) -> Result<Events, SessionError> {
        Ok(Events::new(self.reader(ReadFrom { cursor, ..ReadFrom::default() }).await?, cursor))
    }

    /// A reader, for a frontend that takes events by the piece and says what a cursor that holds no more is to mean.
    ///
    /// # Errors
    /// The session was removed, or can't be read.
    pub async fn reader(&self, from: ReadFrom) -> Result<Reader, SessionError> {
        self.session.read(from).await
    }

    /// The session as lines of JSON, for [`Sessions::import`](crate::Sessions::import).
    ///
    /// # Errors
    /// It was removed, or can't be read.
    pub async fn export(&self) -> Result<Export, SessionError> {
        self.session.export().await
    }

    /// Where the log ends now.
    ///
    /// # Errors
    /// The session was removed, or can't be read.
    pub async fn end(&self) -> Result<Cursor, SessionError> {
        self.session.end().await
    }

    /// The cursor of a position that the session has just told.
    async fn place(&self, position: u64) -> Result<Cursor, SessionError> {
        Ok(Cursor { position, ..self.end().await? })
    }
}
