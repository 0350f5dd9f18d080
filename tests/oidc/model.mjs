// A model in OpenAI's shape, which tells whoever has a valid token whose token that is.

import { text } from './body.mjs';

const MODEL = 'account-teller';

/** `/v1/models` and `/v1/chat/completions`; 401 for a token that is not known, has expired or was revoked. */
export const model = (provider) => async (ctx, next) => {
  if (!ctx.path.startsWith('/v1/')) return next();
  const [, bearer] = /^Bearer (.+)$/i.exec(ctx.get('authorization')) ?? [];
  const token = bearer && (await provider.AccessToken.find(bearer));
  if (!token) {
    ctx.status = 401;
    ctx.body = { error: { message: 'the token is not valid', type: 'invalid_request_error', code: 'invalid_api_key' } };
  } else if (ctx.path === '/v1/models') {
    ctx.body = { object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'tests' }] };
  } else if (ctx.path === '/v1/chat/completions' && ctx.method === 'POST') {
    answer(ctx, JSON.parse(await text(ctx.req)), `You are ${token.accountId}.`);
  }
};

function answer(ctx, { stream }, content) {
  const head = { id: 'chatcmpl-1', created: 0, model: MODEL };
  const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };
  if (!stream) {
    const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' };
    ctx.body = { ...head, object: 'chat.completion', choices: [choice], usage };
    return;
  }
  const chunk = (delta, finish_reason) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason }],
  });
  const chunks = [
    chunk({ role: 'assistant', content }, null),
    chunk({}, 'stop'),
    { ...head, object: 'chat.completion.chunk', choices: [], usage },
  ];
  ctx.type = 'text/event-stream';
  ctx.body = [...chunks.map((each) => JSON.stringify(each)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
}
