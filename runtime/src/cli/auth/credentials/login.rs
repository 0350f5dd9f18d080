//! `greenroom auth login`.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use greenroom::{CredentialsError, ErrorKind, LoginStep, NewLogin, config::OAuthFlow};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Hand, Place, WORKERS, closed, hand, named, paste};
use crate::cli::{
    Exit, Failure,
    context::{Context, block_on},
    notes::{self, one_line},
    output::Output,
    signals::Interrupt,
    style::Style,
};

/// Steps of a login that are not shown yet.
const STEPS: usize = 16;
/// How often the line of progress is written anew.
const TICK: Duration = Duration::from_secs(1);

/// Arguments of `greenroom auth login`.
#[derive(Debug, Args)]
pub(in super::super) struct LoginArgs {
    /// The provider, or PROVIDER/PROFILE
    provider: String,
    /// The profile: an account beside others [default: default]
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// How: in a browser that comes back to this machine, or by a code typed in on any device [default: as configured]
    #[arg(long, value_name = "FLOW")]
    flow: Option<Flow>,
    /// The client id in place of the configured one
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Print the address and open no browser
    #[arg(long)]
    no_browser: bool,
    /// Print a line of JSON for each step, and open no browser
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flow {
    Pkce,
    Device,
}

pub(in super::super) fn login(context: &Context, args: &LoginArgs) -> Result<Exit, Failure> {
    let (provider, profile) = named(&args.provider, args.profile.as_deref())?;
    let flow = args.flow.map(|flow| match flow {
        Flow::Pkce => OAuthFlow::Pkce,
        Flow::Device => OAuthFlow::Device,
    });
    let new = NewLogin { provider, profile, flow, client_id: args.client_id.clone() };
    block_on(WORKERS, async {
        let interrupt = Interrupt::listen()?;
        let hand = hand(context, Place::Made).await?;
        let mut screen = Screen::new(args, &new, Style::of_errors(&context.environment));
        let outcome = tokio::select! {
            outcome = run(hand, new, &mut screen) => outcome,
            () = interrupt.came() => {
                screen.end_line();
                return Ok(Exit::Interrupted);
            }
        };
        screen.end_line();
        match outcome {
            Ok(()) => screen.done().map(|()| Exit::Done),
            Err(NoLogin { code, failure }) => screen.failed(&code, failure),
        }
    })
}

/// Why there is no login, and which kind of error that is.
pub(in crate::cli) struct NoLogin {
    pub(in crate::cli) code: String,
    pub(in crate::cli) failure: Failure,
}

impl From<Failure> for NoLogin {
    fn from(failure: Failure) -> Self {
        Self { code: ErrorKind::Server.as_str().to_owned(), failure }
    }
}

async fn run(hand: Hand, new: NewLogin, screen: &mut Screen) -> Result<(), NoLogin> {
    let (tell, mut steps) = mpsc::channel(STEPS);
    let own = (new.provider.clone(), new.profile.clone());
    let mut lines = paste::lines(screen.takes_pastes());
    match hand {
        Hand::Daemon(daemon) => {
            let mut login = daemon.login(&new).await?;
            let mut tick = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    line = login.next() => match line? {
                        Some(data) => screen.show(data)?,
                        None => return Ok(()),
                    },
                    Some(pasted) = lines.recv() => {
                        screen.pasted(daemon.paste(&own.0, &own.1, &pasted).await)?;
                    }
                    _ = tick.tick() => screen.tick(),
                }
            }
        }
        Hand::Here(credentials) => {
            let outcome = async {
                // There is room for those that are shown; a step of waiting says nothing new.
                let mut step = |step: LoginStep| _ = tell.try_send(step);
                let login = credentials.login(new, &mut step);
                tokio::pin!(login);
                let mut tick = tokio::time::interval(TICK);
                loop {
                    tokio::select! {
                        outcome = &mut login => return Ok::<_, Failure>(outcome),
                        Some(step) = steps.recv() => {
                            if matches!(step, LoginStep::Browser { .. } | LoginStep::Device { .. }) {
                                screen.show(step.told())?;
                            }
                        }
                        Some(pasted) = lines.recv() => {
                            let taken = credentials.paste(&own.0, &own.1, &pasted).await;
                            screen.pasted(taken.map_err(Failure::from))?;
                        }
                        _ = tick.tick() => screen.tick(),
                    }
                }
            };
            match outcome.await {
                Ok(outcome) => {
                    let code = outcome.as_ref().err().map_or(ErrorKind::Server, CredentialsError::kind);
                    let closed = closed(credentials, outcome).await.map(drop);
                    closed.map_err(|failure| NoLogin { code: code.as_str().to_owned(), failure })
                }
                Err(failure) => {
                    closed(credentials, Ok(())).await?;
                    Err(NoLogin::from(failure))
                }
            }
        }
    }
}

/// What a person sees of a login.
struct Screen {
    output: Output,
    json: bool,
    opens_browser: bool,
    name: String,
    /// What standard error may be given.
    errors: Style,
    /// Until when a code is good, while one is shown.
    until: Option<Instant>,
    shown: bool,
}

impl Screen {
    fn new(args: &LoginArgs, new: &NewLogin, errors: Style) -> Self {
        Self {
            output: Output::new(),
            json: args.json,
            opens_browser: !args.no_browser && !args.json,
            name: format!("{}/{}", new.provider, new.profile),
            errors,
            until: None,
            shown: false,
        }
    }

    /// Whether what is typed is the address that a browser elsewhere came to.
    fn takes_pastes(&self) -> bool {
        // With --json whoever reads the lines may well write the address.
        self.json || io::stdin().is_terminal()
    }

    fn show(&mut self, data: Value) -> Result<(), Failure> {
        if self.json {
            return self.output.json(&json!({"success": true, "streaming": true, "data": data}));
        }
        let text = |name: &str| data[name].as_str().map(one_line).unwrap_or_default();
        if data["type"] == "device_flow" {
            let seconds = data["expires_in"].as_u64().unwrap_or_default();
            self.until = Some(Instant::now() + Duration::from_secs(seconds));
            self.output.line(&format!("Open {} and type in this code:", text("verification_uri")))?;
            self.output.line(&format!("\n    {}\n", text("user_code")))?;
            let complete = text("verification_uri_complete");
            if !complete.is_empty() {
                self.output.line(&format!("(or open {complete})"))?;
            }
            let open = if complete.is_empty() { text("verification_uri") } else { complete };
            self.open(&open);
            return Ok(());
        }
        let url = text("url");
        let opened = self.open(&url);
        let how = if opened { "A browser was opened. If it wasn't, open" } else { "Open" };
        self.output.line(&format!("{how} this address:\n\n    {url}\n"))?;
        if self.takes_pastes() {
            notes::note("if the browser is on another machine, paste here the address that it ends with");
        }
        Ok(())
    }

    /// Whether a browser was opened.
    fn open(&self, url: &str) -> bool {
        self.opens_browser && has_desktop() && open::that_detached(url).is_ok()
    }

    /// What became of what was pasted; the login goes on whatever it was.
    fn pasted(&mut self, taken: Result<(), Failure>) -> Result<(), Failure> {
        match taken {
            Err(Failure::Told(told)) if !self.json => {
                self.end_line();
                notes::error(&told.what);
                notes::hint(&told.hint);
                Ok(())
            }
            other => other,
        }
    }

    /// On a terminal, how long the code is still good.
    fn tick(&mut self) {
        let Some(until) = self.until.filter(|_| !self.json && self.errors.writes_over()) else { return };
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        eprint!("\rwaiting for you to confirm, {}:{:02} left \x1b[K", left / 60, left % 60);
        self.shown = true;
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprintln!();
        }
    }

    /// Whoever reads lines is told by one.
    fn failed(&mut self, code: &str, failure: Failure) -> Result<Exit, Failure> {
        match failure {
            Failure::Told(told) if self.json => {
                let error = json!({"code": code, "message": told.what, "hint": told.hint});
                self.output.json(&json!({"success": false, "error": error}))?;
                Ok(told.exit)
            }
            other => Err(other),
        }
    }

    fn done(&mut self) -> Result<(), Failure> {
        if self.json {
            return self.output.json(&json!({"success": true, "data": true}));
        }
        self.output.line(&format!("{} is logged in", self.name))
    }
}

/// Whether there is somewhere that a browser could be shown.
fn has_desktop() -> bool {
    if cfg!(any(target_os = "macos", windows)) {
        return true;
    }
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
