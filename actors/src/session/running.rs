//! A durable turn as it runs: what was said before is read from the log, the answer is sought and said into it, and its
//! end is the session's to write.

use std::sync::Arc;

use greenroom_wire::{ChatError, ChatRequest, ErrorKind, FinishReason, Message, Role, chat::Tool};
use tokio_util::sync::CancellationToken;

use super::{
    answering::Answering,
    context::{asks_for_summary, excess, told_summary},
    core::Core,
    entry::unreadable,
    event::{Asked, EventBody},
    history::{History, Said, calls},
    info::Access,
    mailbox::OpenLog,
    op::{Op, Over},
    pairing::{paired, result_of_no_call},
    record::ShownSince,
    rules::ContextPolicy,
    turn::{Ends, Job, Outcome, plan, run},
};
use crate::{
    provider::ProfileId,
    router::plan::Needs,
    store::{Health, StoreError},
    usage::Asker,
};

/// Runs a turn in its own task, has what it says written meanwhile, and tells the session when it is over. `resumes` is
/// whether an earlier process began it.
pub(super) async fn run_turn(core: Arc<Core>, turn: u64, cancel: CancellationToken, resumes: bool) {
    let mut answering = tokio::spawn(answer(Arc::clone(&core), turn, cancel, resumes));
    let answered = loop {
        match tokio::time::timeout(core.write_after(), &mut answering).await {
            Ok(answered) => break answered,
            Err(_) => core.pump(),
        }
    };
    let (over, route) = answered.unwrap_or_else(|failed| {
        tracing::error!(session = %core.id, turn, "a turn's task failed: {failed}");
        let error = ChatError::new(ErrorKind::Server, "greenroom failed inside");
        (Over::failed(&error.with_hint("its log says where, please report it")), None)
    });
    core.handle_over(turn, over, route);
}

type Answered = (Over, Option<(Arc<str>, ProfileId)>);

async fn answer(core: Arc<Core>, turn: u64, cancel: CancellationToken, resumes: bool) -> Answered {
    let told = match Told::read(&core, turn, resumes).await {
        Ok(told) => told,
        Err(fault) => return (Over::failed(&unreadable(&fault)), None),
    };
    if let Some(budget) = core.with_record(|record| record.asks.budget)
        && let Err(error) = core.shared.ledger.admit_session(&core.id, budget).await
    {
        return (Over::failed(&error), None);
    }
    let mut answering = Answering::new(Arc::clone(&core.log), turn, core.shared.limits.bytes);
    if !told.has_started {
        answering.log(EventBody::TurnStarted);
    }
    let Told { mut asked, own, summary, said, shown, is_shortened, route, .. } = told;
    if resumes && own.as_ref().is_some_and(|own| !own.runs_on) {
        return (Over::Ended(EventBody::TurnCancelled), None);
    }
    if own.is_some()
        && !is_shortened
        && let Some((last, before)) = said.split_last()
        && let Some(id) = result_of_no_call(before.iter().flat_map(|said| &said.messages), &last.messages)
    {
        return (Over::failed(&no_such_call(id)), None);
    }
    answering.resume(shown);
    let messages = fit(&core, turn, &asked, summary, said, &cancel).await;
    asked.messages.extend(paired(messages));
    let suspends = !matches!(core.store.health(), Health::Temporary(_)) && own.as_ref().is_none_or(|own| own.runs_on);
    let job = Job {
        request: Arc::new(asked),
        owner: owner(&core),
        asker: asker(&core),
        prefer: route,
        on_interrupt: own.as_ref().and_then(|own| own.on_interrupt),
        ends: Ends::Given { suspends },
    };
    let Outcome { last, route } = run(&core.shared, &job, answering, &cancel).await;
    let over = match last {
        None => Over::Suspended,
        Some(EventBody::TurnFinished { reason: FinishReason::ToolCalls | FinishReason::Stop })
            if own.is_none()
                && let ids = core.log.with(|log| calls(log, turn))
                && !ids.is_empty() =>
        {
            Over::Waits(ids)
        }
        Some(last) => Over::Ended(last),
    };
    (over, route)
}

/// What a turn begins with.
struct Told {
    /// The request, with its instructions, and without what was said.
    asked: ChatRequest,
    /// What the turn asks by itself, if it does; its request has become the one above.
    own: Option<Asked>,
    /// What stands for the turns that are not shown any more.
    summary: Option<String>,
    /// What was said, up to the message that is answered.
    said: Vec<Said>,
    /// What was shown of the answer before.
    shown: Vec<EventBody>,
    has_started: bool,
    /// Whether it is not all that was ever said.
    is_shortened: bool,
    route: Option<(Arc<str>, ProfileId)>,
}

impl Told {
    async fn read(core: &Core, turn: u64, resumes: bool) -> Result<Self, StoreError> {
        let record = core.with_record(Clone::clone);
        let (first, mut at) = record.context.as_ref().map_or((0, 0), |since| (since.turn, since.at));
        let step_at = record.open.as_ref().filter(|open| open.turn == turn).map_or(u64::MAX, |open| open.step_at);
        let until = core.log.shown_until();
        let (mut history, mut shown, mut has_started) = (History::default(), Vec::new(), false);
        let mut own = None;
        while let events = core.page(at, until).await?
            && let Some(last) = events.last()
        {
            at = last.next;
            for mut event in events {
                let is_own = event.turn == Some(turn);
                has_started |= is_own && event.body == EventBody::TurnStarted;
                if let (true, EventBody::MessageUser { asked: Some(asked), .. }) = (is_own, &mut event.body) {
                    let messages = std::mem::take(&mut asked.request.messages);
                    own = Some(std::mem::take(&mut **asked));
                    asked.request.messages = messages;
                }
                let is_answer =
                    is_own && event.position >= step_at && !matches!(event.body, EventBody::MessageUser { .. });
                if is_answer && resumes {
                    shown.push(event.body);
                } else {
                    history.take(event);
                }
            }
        }
        let mut asked = match &mut own {
            Some(own) => std::mem::take(&mut own.request),
            None => ChatRequest { model: record.asks.model.unwrap_or_default(), ..ChatRequest::default() },
        };
        let instructions = match (&mut own, record.asks.system_at) {
            (Some(own), _) => own.instructions.take(),
            (None, Some(at)) => core.system(at).await?,
            (None, None) => None,
        };
        asked.messages.extend(instructions.map(|text| Message::text(Role::System, text)));
        let mut summary = None;
        if let Some(at) = record.context.and_then(|since| since.summary_at)
            && let Some(EventBody::Context { summary: told, .. }) = core.event_at(at).await?
        {
            summary = told;
        }
        if let Some(at) = record.asks.tools_at.filter(|_| own.is_none()) {
            asked.tools = core.tools(at).await?;
        }
        let route = record.route.map(|(provider, profile)| (provider.as_str().into(), profile.as_str().into()));
        let is_shortened = first > 0;
        Ok(Self { asked, own, is_shortened, summary, said: history.finish(first, turn), shown, has_started, route })
    }
}

/// Why a turn is not begun that brings what no call gave.
fn no_such_call(id: &str) -> ChatError {
    let message = format!("there is no call \"{id}\" in the conversation, of which the input has the output");
    let mut error = ChatError::new(ErrorKind::InvalidRequest, message)
        .with_hint("go on with the response that has the call, or send the call as well");
    error.details.param = Some("input".to_owned());
    error
}

impl Core {
    /// The instructions that the event at a position says.
    pub(crate) async fn system(&self, at: u64) -> Result<Option<String>, StoreError> {
        Ok(match self.event_at(at).await? {
            Some(EventBody::SessionCreated { system, .. } | EventBody::SessionUpdated { system, .. }) => system,
            _ => None,
        })
    }

    /// The tools that the event at a position says.
    pub(crate) async fn tools(&self, at: u64) -> Result<Vec<Tool>, StoreError> {
        Ok(match self.event_at(at).await? {
            Some(EventBody::SessionCreated { tools, .. }) => tools,
            Some(EventBody::SessionUpdated { tools, .. }) => tools.unwrap_or_default(),
            _ => Vec::new(),
        })
    }
}

/// What a model is shown of what was said: the oldest turns are left out, or summarised, where the prompt would not leave
/// the window its room.
async fn fit(
    core: &Arc<Core>,
    turn: u64,
    asked: &ChatRequest,
    summary: Option<String>,
    mut said: Vec<Said>,
    cancel: &CancellationToken,
) -> Vec<Message> {
    let shown = |summary: Option<&str>, said: Vec<Said>| {
        let said = said.into_iter().flat_map(|said| said.messages);
        summary.map(told_summary).into_iter().chain(said).collect::<Vec<_>>()
    };
    let policy = core.shared.rules.context;
    let window = match policy {
        ContextPolicy::Trim | ContextPolicy::Summarise if said.len() > 1 => window(core, asked, &said).await,
        _ => None,
    };
    let Some(window) = window else { return shown(summary.as_deref(), said) };
    let sizes: Vec<u64> = said.iter().map(|said| size(&said.messages)).collect();
    let before = size(&asked.messages) + summary.as_deref().map_or(0, |summary| size(&[told_summary(summary)]));
    let summarises = policy == ContextPolicy::Summarise;
    let left_out = excess(&sizes, before, window, summarises);
    if left_out == 0 {
        return shown(summary.as_deref(), said);
    }
    let stays = said.split_off(left_out);
    let new = match summarises {
        true => summarise(core, asked, summary.as_deref(), said, cancel).await,
        false => None,
    };
    let since = ShownSince {
        turn: stays.first().map_or(turn, |said| said.turn),
        at: stays.iter().map(|said| said.at).min().unwrap_or(0),
        summary_at: core.with_record(|record| record.context.as_ref().and_then(|since| since.summary_at)),
    };
    let dropped = u64::try_from(left_out).unwrap_or(u64::MAX);
    core.push(Op::Context { turn, dropped, since, summary: new.clone() });
    shown(new.or(summary).as_deref(), stays)
}

/// About how many tokens messages have.
fn size(messages: &[Message]) -> u64 {
    Needs::of(&ChatRequest { messages: messages.to_vec(), ..ChatRequest::default() }).prompt_tokens
}

/// The window of the model that is asked first, in tokens.
async fn window(core: &Core, asked: &ChatRequest, said: &[Said]) -> Option<u64> {
    let last = said.last().map(|said| said.messages.clone()).unwrap_or_default();
    let mut needs = Needs::of(&ChatRequest { messages: last, ..asked.clone() });
    needs.prompt_tokens = 0;
    let planned = plan(&core.shared, &asked.model, needs).await.ok()?;
    planned.candidates.first()?.model.longest_prompt()
}

/// In whose name a session waits in providers' queues: a client's sessions share its turn, and each of the owner's has one.
fn owner(core: &Core) -> Arc<str> {
    let admin = Access::Admin;
    core.with_record(|record| match record.client == admin.client() {
        true => Arc::clone(&core.id),
        false => record.client.as_str().into(),
    })
}

/// Under whom what a session uses is booked.
fn asker(core: &Core) -> Asker {
    Asker::Session { id: core.id.to_string(), client: core.with_record(|record| record.client.clone()) }
}

/// A summary of what is left out, and of what an earlier one says; none if no model makes one.
async fn summarise(
    core: &Core,
    asked: &ChatRequest,
    earlier: Option<&str>,
    said: Vec<Said>,
    cancel: &CancellationToken,
) -> Option<String> {
    let messages: Vec<Message> = said.into_iter().flat_map(|said| said.messages).collect();
    let request = asks_for_summary(asked.model.clone(), earlier, &messages);
    let log = OpenLog::new();
    let job = Job {
        request: Arc::new(request),
        owner: owner(core),
        asker: asker(core),
        prefer: None,
        on_interrupt: None,
        ends: Ends::Logged,
    };
    let answering = Answering::new(Arc::clone(&log), 1, core.shared.limits.bytes);
    run(&core.shared, &job, answering, cancel).await;
    let mut text = String::new();
    let mut finished = false;
    log.with(|log| {
        for (_, body) in log.iter() {
            match body {
                EventBody::Text { delta } => text.push_str(delta),
                EventBody::AnswerRestarted => text.clear(),
                EventBody::TurnFinished { .. } => finished = true,
                EventBody::TurnFailed { error } => {
                    tracing::warn!(session = %core.id, "what is left out can't be summarised: {}", error.message);
                }
                _ => {}
            }
        }
    });
    Some(text).filter(|text| finished && !text.trim().is_empty())
}
