//! Embeddings, by `InvokeModel`.

use aws_sdk_bedrockruntime::primitives::Blob;
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use greenroom_wire::{
    ChatError, Embeddings,
    bedrock::{EmbedForm, decode_embeddings, encode_embed_request},
};

use super::{Bedrock, error};
use crate::{
    EmbedCall,
    embeddings::{counted, join},
    scrub::hide_input,
    unsupported,
};

/// Most requests at a time, of models that take one text each.
const SIDE_BY_SIDE: usize = 8;

impl Bedrock {
    pub(super) async fn make_embeddings(&self, call: EmbedCall<'_>) -> Result<Embeddings, ChatError> {
        let EmbedCall { request, model, credential, .. } = call;
        let form = EmbedForm::of_model(model)
            .ok_or_else(|| unsupported("bedrock", &format!("make embeddings with \"{model}\"")))?;
        let texts = request.texts()?;
        let mut asked: Vec<BoxFuture<'_, _>> = Vec::new();
        for texts in texts.chunks(form.most_texts()) {
            asked.push(Box::pin(self.embed_some(call, form, texts)));
        }
        // In the order of the texts.
        let made: Result<Vec<_>, _> = stream::iter(asked).buffered(SIDE_BY_SIDE).try_collect().await;
        let made = made.map_err(|error| hide_input(self.endpoint.scrub(error, credential, None), request))?;
        let mut all = Embeddings { model: model.to_owned(), ..Embeddings::default() };
        made.into_iter().for_each(|some| join(&mut all, some));
        Ok(all)
    }

    async fn embed_some(&self, call: EmbedCall<'_>, form: EmbedForm, texts: &[&str]) -> Result<Embeddings, ChatError> {
        let (client, seen) = self.clients.whole(&self.endpoint, call.credential).await?;
        let body = Blob::new(encode_embed_request(form, texts, call.request));
        let asked = client.invoke_model().model_id(call.model).content_type("application/json").body(body);
        let answer = asked.customize().mutate_request(self.with_headers()?).send().await;
        let made = decode_embeddings(answer.map_err(error::of_request)?.body().as_ref())?;
        let tokens = made.tokens.or(seen.state().tokens);
        counted(Embeddings { tokens, ..made }, texts.len())
    }
}
