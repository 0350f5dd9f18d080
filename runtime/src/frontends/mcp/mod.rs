//! The Model Context Protocol: the models as tools, sessions and the list of models as resources, and a few prompts. What an
//! embedder [adds](Added) stands beside them.
//!
//! `Handler` answers what is asked, whoever carries it: the address and the owner's door do
//! (`frontends/http/mcp`), and `greenroom mcp` carries lines to whichever of them is there.
#![expect(deprecated, reason = "log messages are of the revisions that clients speak today")]

mod added;
mod answer;
mod arguments;
mod changes;
mod completion;
mod log;
mod prompts;
mod resources;
mod tools;
mod transcript;
mod wishes;

use std::{borrow::Cow, sync::Arc};

use futures::stream::{FuturesUnordered, StreamExt as _};
pub use rmcp;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, Extensions,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter,
        UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;

pub use self::added::{Added, ToolCall};
use self::{changes::Watched, log::Log, wishes::Wishes};
use super::http::Who;
use crate::Runtime;

/// What a client's model is told of the server.
const INSTRUCTIONS: &str = "greenroom asks the models of several providers and keeps answers coming while one of them \
fails. ai_chat asks a model, ai_compare the same of several, ai_list_models says which there are. A conversation that is \
to be kept has a session of ai_chat; what was said in it is the resource greenroom://sessions/{id}.";

/// Answers what a client of the protocol asks. What it may see and ask is said by the [`Who`] that comes with each request.
#[derive(Debug, Clone)]
pub(in crate::frontends) struct Handler {
    runtime: Runtime,
    added: Arc<Added>,
    wishes: Arc<Wishes>,
    /// Cancelled once the server takes no more requests.
    draining: CancellationToken,
}

impl Handler {
    /// Until `draining`.
    pub(in crate::frontends) fn new(runtime: Runtime, added: Added, draining: CancellationToken) -> Self {
        Self { runtime, added: Arc::new(added), wishes: Arc::default(), draining }
    }

    /// The same for another session of the transport.
    pub(in crate::frontends) fn another(&self) -> Self {
        Self { wishes: Arc::default(), ..self.clone() }
    }

    /// Where log messages of a request go.
    fn log(&self, context: &RequestContext<RoleServer>) -> Log {
        Log::new(context.peer.clone(), context.meta.log_level().or_else(|| self.wishes.level()))
    }
}

/// Who asks. A transport that does not say lets nobody in.
fn who(context: &RequestContext<RoleServer>) -> Result<Who, ErrorData> {
    sent_by(&context.extensions)
        .ok_or_else(|| ErrorData::internal_error("greenroom does not know who asks, which is a fault of its own", None))
}

fn sent_by(extensions: &Extensions) -> Option<Who> {
    extensions.get::<axum::http::request::Parts>()?.extensions.get().cloned()
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions()
            .enable_logging()
            .build();
        let server = Implementation::new("greenroom", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let offered = tools::offered(&self.runtime.settings());
        let tools = offered.iter().map(tools::Offered::definition).chain(self.added.tools().cloned());
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let who = who(&context)?;
        let offered = tools::offered(&self.runtime.settings());
        let tool = offered.iter().find(|tool| tool.name == request.name);
        let (arguments, log) = (request.arguments.unwrap_or_default(), self.log(&context));
        if let Some(tool) = tool {
            let call = tools::Call { runtime: &self.runtime, who: &who, context: &context, log };
            return tool.call(&call, arguments).await.map(Into::into);
        }
        let Some((schema, answer)) = self.added.find_tool(&request.name) else {
            return Err(tools::unknown(&request.name, &offered, &self.added));
        };
        let (ended, client) = (context.ct.clone(), who.access().client().to_owned());
        let answering = answer(ToolCall::new(Arc::clone(schema), arguments, client, context, log));
        match ended.run_until_cancelled(answering).await {
            Some(result) => result.map(Into::into),
            None => Err(cancelled()),
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let after = page.and_then(|page| page.cursor);
        let mut page = resources::list(&self.runtime, &who(&context)?, after.as_deref()).await?;
        if after.is_none() {
            page.resources.extend(self.added.resources().cloned());
        }
        Ok(page)
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = resources::templates().into_iter().chain(self.added.templates().cloned());
        Ok(ListResourceTemplatesResult::with_all_items(templates.collect()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let who = who(&context)?;
        tokio::select! {
            read = resources::read(&self.runtime, &self.added, &who, &request.uri) => read.map(Into::into),
            () = context.ct.cancelled() => Err(cancelled()),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = prompts::all().into_iter().chain(self.added.prompts().cloned());
        Ok(ListPromptsResult::with_all_items(prompts.collect()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let said = request.arguments.unwrap_or_default();
        if !prompts::is_one(&request.name)
            && let Some(written) = self.added.write(&request.name, said.clone()).await
        {
            return written.map(Into::into);
        }
        prompts::get(&request.name, said).map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completion::complete(&self.runtime, &who(&context)?, &request).await
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.wishes.set_level(request.level);
        Ok(())
    }

    async fn subscribe(
        &self,
        SubscribeRequestParams { uri, .. }: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let who = who(&context)?;
        let resource = Watched::resource(&self.runtime, &self.added, &who, &uri).await?;
        self.wishes.subscribe(uri, resource, &context.peer, who.ended())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.wishes.unsubscribe(&request.uri);
        Ok(())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let Some(who) = sent_by(&context.extensions) else { return };
        let lists = [Watched::tools(&self.runtime), Watched::list(&self.runtime, &who)];
        self.wishes.lists(lists, &context.peer, who.ended());
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = requested.clone();
        if let Some(addresses) = &mut accepted.resource_subscriptions {
            addresses.retain(|uri| resources::place(uri).is_some() || self.added.changes(uri).is_some());
            addresses.truncate(wishes::MOST);
        }
        Some(accepted)
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let (wanted, who) = (subscription.accepted(), who(subscription.request_context())?);
        let mut watched = Vec::new();
        if wanted.tools_list_changed == Some(true) {
            watched.push(Watched::tools(&self.runtime));
        }
        if wanted.resources_list_changed == Some(true) {
            watched.push(Watched::list(&self.runtime, &who));
        }
        for uri in wanted.resource_subscriptions.iter().flatten() {
            // Of what is not there, or not to be seen, nothing is ever told.
            watched.extend(Watched::resource(&self.runtime, &self.added, &who, uri).await.ok());
        }
        let sink = subscription.sink();
        let mut telling: FuturesUnordered<_> = watched.into_iter().map(|one| one.tell(sink.clone())).collect();
        let all_told = async {
            while telling.next().await.is_some() {}
            subscription.cancelled().await;
        };
        tokio::select! {
            () = all_told => {}
            () = subscription.cancelled() => {}
            () = self.draining.cancelled() => {}
        }
        Ok(())
    }
}

/// What becomes of a request that its client gave up; nobody is sent it.
fn cancelled() -> ErrorData {
    ErrorData::internal_error("the request was cancelled", None)
}

/// An error of what the client sent, with what to do about it.
fn wrong(message: impl Into<Cow<'static, str>>, hint: impl Into<String>) -> ErrorData {
    ErrorData::invalid_params(message, Some(serde_json::json!({"hint": hint.into()})))
}
