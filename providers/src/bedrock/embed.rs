//! Embeddings, by `InvokeModel`.

use aws_sdk_bedrockruntime::primitives::Blob;
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use greenroom_wire::{
    ChatError, Embeddings, ErrorKind,
    bedrock::{EmbedForm, decode_embeddings, encode_embed_request},
};

use super::{Bedrock, error};
use crate::{EmbedCall, scrub::hide_input, unsupported};

/// Most requests at a time, of models that take one text each.
const SIDE_BY_SIDE: usize = 8;

impl Bedrock {
    pub(super) async fn make_embeddings(&self, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
        let EmbedCall { request, model, credential, .. } = call;
        let form = EmbedForm::of_model(model)
            .ok_or_else(|| unsupported("bedrock", &format!("make embeddings with \"{model}\"")))?;
        let mut asked: Vec<BoxFuture<'_, _>> = Vec::new();
        for texts in request.input.chunks(form.most_texts()) {
            asked.push(Box::pin(self.embed_some(call, form, texts)));
        }
        // In the order of the texts.
        let made: Result<Vec<_>, _> = stream::iter(asked).buffered(SIDE_BY_SIDE).try_collect().await;
        let made = made.map_err(|error| hide_input(self.endpoint.scrub(error, credential, None), request))?;
        let mut all = Embeddings { model: model.to_owned(), ..Embeddings::default() };
        for some in made {
            all.vectors.extend(some.vectors);
            all.tokens = some.tokens.map(|tokens| tokens.saturating_add(all.tokens.unwrap_or(0))).or(all.tokens);
        }
        Ok(all)
    }

    async fn embed_some(
        &self,
        call: EmbedCall<'_>,
        form: EmbedForm,
        texts: &[String],
    ) -> Result<Embeddings, ChatError> {
        let (client, seen) = self.clients.whole(&self.endpoint, call.credential).await?;
        let body = Blob::new(encode_embed_request(form, texts, call.request));
        let asked = client.invoke_model().model_id(call.model).content_type("application/json").body(body);
        let answer = asked.customize().mutate_request(self.with_headers()?).send().await;
        let made = decode_embeddings(answer.map_err(error::of_request)?.body().as_ref())?;
        if made.vectors.len() != texts.len() {
            let (got, want) = (made.vectors.len(), texts.len());
            let message = format!("the provider answered with {got} embeddings of {want}");
            return Err(ChatError::new(ErrorKind::Protocol, message));
        }
        let tokens = made.tokens.or(seen.state().tokens);
        Ok(Embeddings { tokens, ..made })
    }
}
