//! OpenAI's Batch API, at whichever server has it.

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use greenroom_wire::{
    ChatError, ErrorKind,
    batch::{
        Asked, BatchForm, BatchStatus, Upload, decode_file, decode_files, decode_openai_batch, decode_openai_batches,
        encode_create,
    },
    encode::Encoded,
    openai_chat::{ToolNames, decode_error, encode_embed_request, encode_request},
    openai_responses,
};
use reqwest::{Method, RequestBuilder};

use super::{ASK_LIMIT, BatchCall, BatchItem, BatchLimits, Batches, SEND_LIMIT, lines_of};
use crate::{Credential, ModelInfo, embeddings::within, openai::OpenAi, openai_chat, openai_responses as responses};

impl OpenAi {
    /// A request with a query.
    fn listing(
        &self,
        path: &str,
        query: &[(&str, &str)],
        credential: &Credential,
    ) -> Result<RequestBuilder, ChatError> {
        let make = |client: reqwest::Client, mut url: url::Url| {
            url.query_pairs_mut().extend_pairs(query);
            client.get(url)
        };
        let request = self.endpoint.request(make, path, credential)?;
        Ok(match credential.expose() {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    }

    async fn answer(&self, request: RequestBuilder, credential: &Credential) -> Result<Vec<u8>, ChatError> {
        within(ASK_LIMIT, self.endpoint.fetch(request, credential, &decode_error)).await
    }
}

/// The name of a batch's file.
fn name(mark: &str) -> String {
    format!("{mark}.jsonl")
}

impl Batches for OpenAi {
    fn limits(&self) -> BatchLimits {
        BatchLimits { requests: 50_000, bytes: 200_000_000, models: 1 }
    }

    fn form(&self, asked: &Asked, info: &ModelInfo, credential: &Credential) -> Result<BatchForm, ChatError> {
        Ok(match asked {
            Asked::Vectors(_) => BatchForm::OpenaiEmbeddings,
            Asked::Chat(request) if self.is_for_responses(request, info, credential) => BatchForm::OpenaiResponses,
            Asked::Chat(_) => BatchForm::OpenaiChat,
        })
    }

    fn encode(&self, form: BatchForm, item: BatchItem<'_>) -> (Encoded, Vec<String>) {
        let BatchItem { asked, info, provider, credential } = item;
        let encoded = match asked {
            Asked::Vectors(request) => {
                let body = encode_embed_request(request, &info.id);
                Encoded { body, left_out: Vec::new(), names: ToolNames::default() }
            }
            Asked::Chat(request) if form == BatchForm::OpenaiResponses => {
                let dialect = responses::dialect(self.endpoint.base(credential), &info.id, info);
                openai_responses::encode_request(request, provider, &info.id, &dialect)
            }
            Asked::Chat(request) => {
                encode_request(request, provider, &info.id, &openai_chat::of_model(self.dialect, info))
            }
        };
        (encoded, Vec::new())
    }

    fn upload<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Option<String>, ChatError>> {
        Box::pin(async move {
            // Random, so that no text of the file can be it.
            let boundary = format!("greenroom-{:032x}", rand::random::<u128>());
            let Upload { content_type, head, tail } = Upload::new(&boundary, &name(call.mark));
            let request = self.endpoint.bearer(Method::POST, "files", call.credential)?;
            let request = call.body.send(request.header("content-type", content_type), head, tail);
            let body = within(SEND_LIMIT, self.endpoint.fetch(request, call.credential, &decode_error)).await?;
            Ok(Some(decode_file(&body)?.id))
        })
    }

    fn find_upload<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Option<String>, ChatError>> {
        Box::pin(async move {
            let query = [("purpose", "batch"), ("limit", "1000"), ("order", "desc")];
            let body = self.answer(self.listing("files", &query, call.credential)?, call.credential).await?;
            let name = name(call.mark);
            let whole = |bytes: u64| bytes == call.body.length;
            Ok(decode_files(&body)?
                .into_iter()
                .find(|file| file.filename == name && whole(file.bytes))
                .map(|file| file.id))
        })
    }

    fn create<'a>(
        &'a self,
        call: BatchCall<'a>,
        file: Option<&'a str>,
    ) -> BoxFuture<'a, Result<BatchStatus, ChatError>> {
        Box::pin(async move {
            let file = file.ok_or_else(|| ChatError::new(ErrorKind::Protocol, "the file was given no id"))?;
            let request = self.endpoint.bearer(Method::POST, "batches", call.credential)?;
            let request = request.header("content-type", "application/json");
            let request = request.body(encode_create(call.form, file, call.mark));
            decode_openai_batch(&self.answer(request, call.credential).await?)
        })
    }

    fn find<'a>(&'a self, call: BatchCall<'a>) -> BoxFuture<'a, Result<Vec<BatchStatus>, ChatError>> {
        Box::pin(async move {
            let newest = self.listing("batches", &[("limit", "100")], call.credential)?;
            let mut found = decode_openai_batches(&self.answer(newest, call.credential).await?)?;
            found.retain(|batch| batch.mark.as_deref() == Some(call.mark));
            Ok(found)
        })
    }

    fn status<'a>(&'a self, id: &'a str, credential: &'a Credential) -> BoxFuture<'a, Result<BatchStatus, ChatError>> {
        Box::pin(async move {
            let request = self.endpoint.bearer(Method::GET, &format!("batches/{id}"), credential)?;
            decode_openai_batch(&self.answer(request, credential).await?)
        })
    }

    fn cancel<'a>(&'a self, id: &'a str, credential: &'a Credential) -> BoxFuture<'a, Result<BatchStatus, ChatError>> {
        Box::pin(async move {
            let request = self.endpoint.bearer(Method::POST, &format!("batches/{id}/cancel"), credential)?;
            decode_openai_batch(&self.answer(request, credential).await?)
        })
    }

    fn parts(&self, status: &BatchStatus) -> usize {
        status.files.len()
    }

    fn results<'a>(
        &'a self,
        status: &'a BatchStatus,
        part: usize,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, ChatError>>, ChatError>> {
        Box::pin(async move {
            let missing = || ChatError::new(ErrorKind::NotFound, "the batch has no such file of results");
            let path = format!("files/{}/content", status.files.get(part).ok_or_else(missing)?);
            let request = self.endpoint.bearer(Method::GET, &path, credential)?;
            lines_of(&self.endpoint, request, credential, &decode_error).await
        })
    }
}
