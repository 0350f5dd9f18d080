//! `greenroom ipc`.

use std::io;

use axum::{
    body::Bytes,
    http::{HeaderValue, Method, header::CONTENT_TYPE},
};
use clap::Args;
use futures::{Stream, TryFutureExt as _, stream};
use greenroom::frontends::ipc::{Action, Asker, Refusal, serve};
use tokio_util::sync::CancellationToken;

use super::{
    Exit, Failure,
    attach::{Ask, Link, Need, failure, is_served, path},
    context::{Context, block_on},
    signals::stop_on_signals,
};

/// One for the actors and one for the connections; the main thread has the lines.
const WORKERS: usize = 2;

/// Arguments of `greenroom ipc`.
#[derive(Debug, Args)]
#[command(
    after_help = "Requests are lines of JSON on standard input, answers lines on standard output, told apart by id:\n\n  \
    {\"id\":1,\"action\":\"list_models\"}\n  \
    {\"id\":2,\"action\":\"stream_chat\",\"provider\":\"openai\",\"params\":{\"model\":\"gpt-5-mini\",\n    \
    \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"options\":{\"maxTokens\":100}}}\n  \
    {\"id\":3,\"action\":\"count_tokens\",\"params\":{\"model\":\"smart\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}}\n  \
    {\"id\":4,\"action\":\"authenticate\",\"provider\":\"openai\",\"params\":{\"api_key\":\"sk-…\"}}\n  \
    {\"id\":5,\"action\":\"cancel\",\"params\":{\"id\":2}}\n\n\
    {\"id\":2,\"success\":true,\"data\":{\"type\":\"content\",\"content\":\"Hello!\"},\"streaming\":true}\n\
    {\"id\":2,\"success\":true,\"data\":{\"type\":\"done\",\"usage\":{\"input_tokens\":8,…}},\"streaming\":true}\n\
    {\"id\":9,\"success\":false,\"error\":{\"code\":\"rate_limited\",\"message\":\"…\"}}\n\n\
    Examples:\n  echo '{\"action\":\"list_models\"}' | greenroom ipc\n\n\
    \"timeout\" (in milliseconds) bounds a request. At the end of the input what is in flight is answered; at SIGTERM it \
    has 5 seconds."
)]
pub(crate) struct IpcArgs {}

pub(crate) fn run(context: &Context, _: &IpcArgs) -> Result<Exit, Failure> {
    // Where somebody is to be asked, that one's configuration counts.
    let settings = if is_served(context) { None } else { Some(context.load(Vec::new())?.settings) };
    block_on(WORKERS, async {
        let stop = CancellationToken::new();
        stop_on_signals(&stop)?;
        let link = tokio::select! {
            link = Link::open(context, Need::Frontend, settings.clone()) => link?,
            () = stop.cancelled() => return Ok(Exit::Done),
        };
        if link.is_demo().await {
            context.tell_demo_answers();
            settings.iter().for_each(|settings| context.tell_ignored(settings));
        }
        let asker = Linked(&link);
        let served = tokio::select! {
            served = serve(tokio::io::stdin(), tokio::io::stdout(), &asker, &stop) => served,
            () = reader_gone() => Err(io::ErrorKind::BrokenPipe.into()),
        };
        link.leave_at(&stop).await;
        served.map(|()| Exit::Done).map_err(|error| Failure::stdout(&error))
    })
}

/// Whoever holds the data directory answers.
struct Linked<'a>(&'a Link<'a>);

impl Asker for Linked<'_> {
    fn ask(&self, line: Bytes, action: Action) -> impl Stream<Item = Result<Bytes, Refusal>> {
        let asking = async move {
            let mut ask = Ask::new(Method::POST, path(&["ipc"], &[]));
            ask.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
            ask.body = line;
            let answer = self.0.ask(ask, !action.is_harmless()).await.map_err(refusal)?;
            Ok(stream::unfold(answer.body, |mut pieces| async {
                let piece = pieces.next().await?;
                Some((piece.map_err(|lost| refusal(failure(&lost))), pieces))
            }))
        };
        asking.try_flatten_stream()
    }
}

/// Waits until nobody can read standard output any more, where the system tells: while all providers are silent nothing is
/// written, and the next write would be late to find it.
#[cfg(unix)]
async fn reader_gone() {
    use rustix::event::{PollFd, PollFlags, poll};

    let (tell, told) = tokio::sync::oneshot::channel();
    // It ends with the process.
    let watching = std::thread::Builder::new().name("greenroom-stdout".to_owned()).spawn(move || {
        let output = io::stdout();
        // Nothing is asked for, so that only what is always told ends the wait: an error, or a hang-up.
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
        let _nobody_waits = tell.send(());
    });
    match watching {
        Ok(_) if told.await.is_ok() => {}
        // The next write will find it.
        _ => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn reader_gone() {
    std::future::pending().await
}

/// What a command would tell a person, told to a program.
fn refusal(failure: Failure) -> Refusal {
    const SERVER: &str = "server";
    match failure {
        Failure::Told(told) => Refusal::new(SERVER, told.what, told.hint),
        Failure::Configuration(problems) => {
            let what = problems.errors.first().map_or_else(String::new, ToString::to_string);
            Refusal::new("config", what, "run `greenroom config check`")
        }
        Failure::ReaderGone => Refusal::new(SERVER, "nobody reads", "read what is written"),
    }
}
