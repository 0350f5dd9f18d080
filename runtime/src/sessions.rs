//! The sessions of a runtime.

use std::sync::Arc;

use greenroom_actors::{
    session::{
        error::SessionError,
        info::{Access, NewSession, SessionSummary},
    },
    sessions,
};

use tokio::sync::broadcast::{self, error::RecvError};

use crate::Session;

/// The sessions of a runtime, as one client sees them. Clones are the same.
#[derive(Debug, Clone)]
pub struct Sessions {
    sessions: sessions::Sessions,
    access: Access,
}

impl Sessions {
    pub(crate) fn new(sessions: sessions::Sessions, access: Access) -> Self {
        Self { sessions, access }
    }

    /// The same sessions as this client sees them: its own alone, which is whose those are that it makes.
    #[must_use]
    pub fn of(&self, access: Access) -> Self {
        Self { access, ..self.clone() }
    }

    /// Makes a session, and says whether it is new: one of this id that is the client's own is given as it is. It is
    /// durable when this returns.
    ///
    /// ```no_run
    /// use greenroom::NewSession;
    ///
    /// # async fn run(runtime: greenroom::Runtime) -> Result<(), greenroom::SessionError> {
    /// let system = Some("be brief".to_owned());
    /// let new = NewSession { id: Some("telegram:42".to_owned()), system, ..NewSession::default() };
    /// let (session, is_new) = runtime.sessions().create(new).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The id can't be one or is another client's, or the session can't be kept.
    pub async fn create(&self, new: NewSession) -> Result<(Session, bool), SessionError> {
        let (session, is_new) = self.sessions.create(&self.access, new).await?;
        Ok((self.session(session), is_new))
    }

    /// The session of this id.
    ///
    /// # Errors
    /// There is none, or none that this client sees; or it can't be read.
    pub async fn open(&self, id: &str) -> Result<Session, SessionError> {
        Ok(self.session(self.sessions.open(&self.access, id).await?))
    }

    /// At most so many sessions, in the order of their ids, from the first behind `after` on.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn list(&self, after: Option<&str>, most: usize) -> Result<Vec<SessionSummary>, SessionError> {
        self.sessions.list(&self.access, after, most).await
    }

    /// What tells that the list has changed.
    pub(crate) fn changes(&self) -> Result<ListChanges, SessionError> {
        Ok(ListChanges { whose: self.sessions.changes()?, access: self.access.clone() })
    }

    /// Removes a session with all that was said in it. A turn that runs is cancelled; whoever reads it comes to its end.
    ///
    /// # Errors
    /// There is none, or its removal can't be kept.
    pub async fn remove(&self, id: &str) -> Result<(), SessionError> {
        self.sessions.remove(&self.access, id).await
    }

    /// Makes a session of what [an export](Session::export) gave, all of it, under the id that it had or another.
    ///
    /// # Errors
    /// It is no export, the id can't be one or is taken, or the session can't be kept. Nothing is made then.
    pub async fn import(&self, id: Option<String>, lines: &[u8]) -> Result<Session, SessionError> {
        Ok(self.session(self.sessions.import(&self.access, id, lines).await?))
    }

    fn session(&self, session: sessions::SessionRef) -> Session {
        Session::new(session, self.access.clone())
    }
}

/// Tells when sessions that its client sees were made or removed.
#[derive(Debug)]
pub(crate) struct ListChanges {
    whose: broadcast::Receiver<Arc<str>>,
    access: Access,
}

impl ListChanges {
    /// Waits for a change, with which those are told that came meanwhile; `false` once there are no more.
    pub(crate) async fn next(&mut self) -> bool {
        loop {
            let is_seen = match self.whose.recv().await {
                Ok(client) => self.access.sees(&client),
                // Any of those that were missed may be.
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return false,
            };
            if is_seen {
                self.whose = self.whose.resubscribe();
                return true;
            }
        }
    }
}
