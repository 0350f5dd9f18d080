//! The Model Context Protocol: the models as tools, sessions and the list of models as resources, and a few prompts.
//!
//! [`Handler`] answers what is asked, whoever carries it: the address and the owner's door do
//! (`frontends/http/mcp`), and `greenroom mcp` carries lines to whichever of them is there.

mod answer;
mod arguments;
mod completion;
mod prompts;
mod resources;
mod tools;
mod transcript;

use std::borrow::Cow;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, GetPromptRequestParams,
        GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};

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
}

impl Handler {
    pub(in crate::frontends) fn new(runtime: Runtime) -> Self {
        Self { runtime }
    }
}

/// Who asks. A transport that does not say lets nobody in.
fn who(context: &RequestContext<RoleServer>) -> Result<Who, ErrorData> {
    let parts: Option<&axum::http::request::Parts> = context.extensions.get();
    let who = parts.and_then(|parts| parts.extensions.get::<Who>()).cloned();
    who.ok_or_else(|| ErrorData::internal_error("greenroom does not know who asks, which is a fault of its own", None))
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
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
        Ok(ListToolsResult::with_all_items(offered.iter().map(tools::Offered::definition).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let who = who(&context)?;
        let offered = tools::offered(&self.runtime.settings());
        let tool = offered.iter().find(|tool| tool.name == request.name);
        let Some(tool) = tool else { return Err(tools::unknown(&request.name, &offered)) };
        let call = tools::Call { runtime: &self.runtime, who: &who, context: &context };
        let result = tool.call(&call, request.arguments.unwrap_or_default()).await?;
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let after = page.and_then(|page| page.cursor);
        resources::list(&self.runtime, &who(&context)?, after.as_deref()).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let who = who(&context)?;
        tokio::select! {
            read = resources::read(&self.runtime, &who, &request.uri) => read.map(Into::into),
            () = context.ct.cancelled() => Err(cancelled()),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::all()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request.name, request.arguments.unwrap_or_default()).map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completion::complete(&self.runtime, &who(&context)?, &request).await
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
