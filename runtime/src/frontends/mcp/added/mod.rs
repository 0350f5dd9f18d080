//! What an embedder adds to the server: tools, resources and prompts beside greenroom's own.

mod address;
mod call;

use std::{collections::HashMap, fmt, future::Future, sync::Arc};

use futures::future::{BoxFuture, FutureExt as _};
use rmcp::{
    ErrorData,
    model::{
        CallToolResult, GetPromptResult, JsonObject, Prompt, ReadResourceResult, Resource, ResourceContents,
        ResourceTemplate, Tool,
    },
};
use serde_json::{Value, json};
use tokio::sync::watch;

pub use self::call::ToolCall;
use super::arguments;

type Answer<A, T> = Arc<dyn Fn(A) -> BoxFuture<'static, Result<T, ErrorData>> + Send + Sync>;
type Contents = Vec<ResourceContents>;
type Words = HashMap<String, String>;
type ReadTemplate = Answer<(String, Words), Contents>;

/// Tools, resources and prompts beside greenroom's own, for [`Server::mcp`](crate::frontends::http::Server::mcp). Whoever is
/// let in has all of them. What has a name or an address that one of greenroom's own has is not reached.
///
/// ```
/// use greenroom::frontends::mcp::{Added, ToolCall, rmcp::model::{CallToolResult, ContentBlock, Tool}};
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
/// let schema = schema.as_object().expect("it is one").clone();
/// let added = Added::default().tool(Tool::new("greet", "Greets somebody", schema), |call: ToolCall| async move {
///     let said: std::collections::HashMap<String, String> = call.arguments()?;
///     Ok(CallToolResult::success(vec![ContentBlock::text(format!("Hello, {}", said["name"]))]))
/// });
/// ```
#[derive(Clone, Default)]
pub struct Added {
    tools: Vec<(Tool, Answer<ToolCall, CallToolResult>)>,
    resources: Vec<AddedResource>,
    templates: Vec<(ResourceTemplate, ReadTemplate)>,
    prompts: Vec<(Prompt, Answer<Words, GetPromptResult>)>,
}

#[derive(Clone)]
struct AddedResource {
    definition: Resource,
    read: Answer<(), Contents>,
    changed: Option<watch::Receiver<()>>,
}

impl fmt::Debug for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Added").finish_non_exhaustive()
    }
}

fn answer<A: Send + 'static, T, F, W>(answer: F) -> Answer<A, T>
where
    F: Fn(A) -> W + Send + Sync + 'static,
    W: Future<Output = Result<T, ErrorData>> + Send + 'static,
{
    Arc::new(move |asked| answer(asked).boxed())
}

impl Added {
    /// Adds a tool. What fails of its work is a result that says so (`CallToolResult::error`), which the client's model reads;
    /// an error is for a call that can't be understood. A call that its client gives up is dropped.
    #[must_use]
    pub fn tool<F, W>(mut self, definition: Tool, call: F) -> Self
    where
        F: Fn(ToolCall) -> W + Send + Sync + 'static,
        W: Future<Output = Result<CallToolResult, ErrorData>> + Send + 'static,
    {
        self.tools.push((definition, answer(call)));
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource<F, W>(self, definition: Resource, read: F) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<Vec<ResourceContents>, ErrorData>> + Send + 'static,
    {
        self.add_resource(definition, read, None)
    }

    /// Adds a resource that changes: who subscribes to it is told whenever `changed` says so.
    #[must_use]
    pub fn watched_resource<F, W>(self, definition: Resource, read: F, changed: watch::Receiver<()>) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<Vec<ResourceContents>, ErrorData>> + Send + 'static,
    {
        self.add_resource(definition, read, Some(changed))
    }

    fn add_resource<F, W>(mut self, definition: Resource, read: F, changed: Option<watch::Receiver<()>>) -> Self
    where
        F: Fn() -> W + Send + Sync + 'static,
        W: Future<Output = Result<Vec<ResourceContents>, ErrorData>> + Send + 'static,
    {
        self.resources.push(AddedResource { definition, read: answer(move |()| read()), changed });
        self
    }

    /// Adds all resources of a form of addresses, `scheme://kind/{name}`. A name stands for one segment; `read` is given the
    /// address and what its names stand for.
    #[must_use]
    pub fn resource_template<F, W>(mut self, definition: ResourceTemplate, read: F) -> Self
    where
        F: Fn(String, HashMap<String, String>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Vec<ResourceContents>, ErrorData>> + Send + 'static,
    {
        self.templates.push((definition, answer(move |(uri, words)| read(uri, words))));
        self
    }

    /// Adds a prompt. `write` is given what was said to the arguments that its definition names, each required one of which
    /// is there.
    #[must_use]
    pub fn prompt<F, W>(mut self, definition: Prompt, write: F) -> Self
    where
        F: Fn(HashMap<String, String>) -> W + Send + Sync + 'static,
        W: Future<Output = Result<GetPromptResult, ErrorData>> + Send + 'static,
    {
        self.prompts.push((definition, answer(write)));
        self
    }

    pub(super) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().map(|(definition, _)| definition)
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().map(|resource| &resource.definition)
    }

    pub(super) fn templates(&self) -> impl Iterator<Item = &ResourceTemplate> {
        self.templates.iter().map(|(definition, _)| definition)
    }

    pub(super) fn prompts(&self) -> impl Iterator<Item = &Prompt> {
        self.prompts.iter().map(|(definition, _)| definition)
    }

    /// The schema of a tool's arguments, and what answers it.
    pub(super) fn find_tool(&self, name: &str) -> Option<(&Arc<JsonObject>, &Answer<ToolCall, CallToolResult>)> {
        let found = self.tools.iter().find(|(definition, _)| definition.name == name);
        found.map(|(definition, call)| (&definition.input_schema, call))
    }

    /// Reads an address, if it is one of those.
    pub(super) async fn read(&self, uri: &str) -> Option<Result<ReadResourceResult, ErrorData>> {
        let reading = match self.resources.iter().find(|resource| resource.definition.uri == uri) {
            Some(resource) => (resource.read)(()),
            None => self.templates.iter().find_map(|(definition, read)| {
                Some(read((uri.to_owned(), address::filled(&definition.uri_template, uri)?)))
            })?,
        };
        Some(reading.await.map(ReadResourceResult::new))
    }

    /// What says that an address changes; of one that never does it is none.
    pub(super) fn changes(&self, uri: &str) -> Option<watch::Receiver<()>> {
        self.resources.iter().find(|resource| resource.definition.uri == uri)?.changed.clone()
    }

    /// Fills in a prompt, if it is one of those.
    pub(super) async fn write(&self, name: &str, said: JsonObject) -> Option<Result<GetPromptResult, ErrorData>> {
        let (definition, write) = self.prompts.iter().find(|(definition, _)| definition.name == name)?;
        let known = definition.arguments.iter().flatten();
        let names: JsonObject = known.clone().map(|argument| (argument.name.clone(), json!({}))).collect();
        let required = known.filter(|argument| argument.required == Some(true));
        let required: Vec<Value> = required.map(|argument| argument.name.as_str().into()).collect();
        let schema = JsonObject::from_iter([
            ("properties".to_owned(), Value::Object(names)),
            ("required".to_owned(), required.into()),
        ]);
        match arguments::read(&schema, said) {
            Ok(said) => Some(write(said).await),
            Err(refused) => Some(Err(refused)),
        }
    }
}
