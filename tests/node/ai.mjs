// The AI SDK by its three ways to greenroom: chat completions, the Responses API and Anthropic's messages, before each
// provider. Called as scripted.mjs says; OPENAI_API_KEY holds the token. Ends with 0 if everything is as it should be,
// and prints a line for each check.

import assert from 'node:assert/strict';
import { BASE, MODELS, PNG, UNICODE, breaking, counters, leaves, load, run, until } from './scripted.mjs';

const ai = load('ai');
const { APICallError, Output, ToolLoopAgent, embed, embedMany, generateText, stepCountIs, streamText, tool } = ai;
const { createAnthropic } = load('@ai-sdk/anthropic');
const { createOpenAI } = load('@ai-sdk/openai');
const { createOpenAICompatible } = load('@ai-sdk/openai-compatible');
const { z } = load('zod');

const token = process.env.OPENAI_API_KEY;
const baseURL = `${BASE}/v1`;
const compatible = (apiKey) =>
  createOpenAICompatible({ name: 'greenroom', baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true });
// Each model by the key that it is asked with.
const MODES = {
  compatible: (apiKey) => compatible(apiKey).chatModel,
  chat: (apiKey) => createOpenAI({ baseURL, apiKey }).chat,
  responses: (apiKey) => createOpenAI({ baseURL, apiKey }).responses,
  anthropic: (apiKey) => createAnthropic({ baseURL, apiKey }),
};
// An answer is kept unless it is said that it is not to be.
const providerOptions = { openai: { store: false } };

const asking = (model, mode, key = token) => ({
  model: MODES[mode](key)(model),
  providerOptions,
  maxRetries: 0,
  // What is thrown by a stream comes out of it.
  onError() {},
});
const generate = (model, mode, more) => generateText({ ...asking(model, mode), ...more });

// What a stream gave, like what comes whole.
async function stream(model, mode, more) {
  const result = streamText({ ...asking(model, mode), ...more });
  let text = '';
  for await (const part of result.fullStream) {
    if (part.type === 'error') throw part.error;
    if (part.type === 'text-delta') text += part.text;
  }
  const [whole, usage, finishReason, steps, output, reasoningText, response] = await Promise.all([
    result.text,
    result.totalUsage,
    result.finishReason,
    result.steps,
    more.output && result.output,
    result.reasoningText,
    result.response,
  ]);
  if (steps.length === 1) assert.equal(text, whole);
  return { text: whole, totalUsage: usage, finishReason, steps, output, reasoningText, response };
}

const both = (model, mode, more) => Promise.all([generate, stream].map((ask) => ask(model, mode, more)));
const Sum = z.object({ total: z.number().int() });
const City = z.object({ city: z.string() });
const say = { Oslo: 'dry', Bergen: 'go on', Rome: 'round trip' };
const weather = tool({
  description: 'The weather of a city',
  inputSchema: City,
  execute: async ({ city }) => say[city],
});
const messages = (content) => [{ role: 'user', content }];

function checkWay({ steps, text }) {
  assert.equal(text, 'It rains.');
  const calls = steps.map((step) => step.toolCalls.map(({ toolName, input }) => `${toolName} ${input.city}`));
  assert.deepEqual(calls, [['weather Oslo', 'weather Bergen'], ['weather Rome'], []]);
}

async function refused(status, call) {
  const error = await call().then(() => null, (error) => error);
  assert.ok(APICallError.isInstance(error), `${error}`);
  assert.equal(error.statusCode, status, `${error}`);
  return error;
}

const checks = {
  async greeting(model, mode) {
    const asked = { instructions: 'be brief', prompt: 'greet' };
    for (const { text, totalUsage: usage, finishReason } of await both(model, mode, asked)) {
      assert.deepEqual([text, finishReason], ['Hello, world', 'stop']);
      assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.inputTokenDetails.cacheReadTokens], [10, 5, 4]);
    }
  },

  async unicode(model, mode) {
    for (const { text } of await both(model, mode, { prompt: 'unicode' })) assert.equal(text, UNICODE);
  },

  async image(model, mode) {
    const data = Buffer.from(PNG, 'base64');
    const mediaType = 'image/png';
    for (const part of [{ type: 'image', image: data, mediaType }, { type: 'file', data, mediaType }]) {
      const asked = { messages: messages([{ type: 'text', text: 'picture' }, part]) };
      for (const { text } of await both(model, mode, asked)) assert.equal(text, 'A cat.');
    }
  },

  // Calls side by side, results, one more call, its result, the answer; and another question.
  async tools(model, mode) {
    const more = { tools: { weather }, stopWhen: stepCountIs(5) };
    for (const ask of [generate, stream]) {
      const answer = await ask(model, mode, { ...more, prompt: 'call tools' });
      checkWay(answer);
      const said = [...messages('call tools'), ...answer.response.messages, ...messages('and now?')];
      assert.equal((await ask(model, mode, { ...more, messages: said })).text, 'It rains.');
    }
    const agent = new ToolLoopAgent({ ...asking(model, mode), instructions: 'be brief', tools: { weather } });
    checkWay(await agent.generate({ prompt: 'call tools' }));
  },

  async choice(model, mode) {
    for (const toolChoice of ['auto', 'required', { type: 'tool', toolName: 'weather' }]) {
      const { toolCalls } = await generate(model, mode, { tools: { weather }, toolChoice, prompt: 'call tools' });
      assert.equal(toolCalls.length, 2);
    }
    const { text } = await generate(model, mode, { tools: { weather }, toolChoice: 'none', prompt: 'greet' });
    assert.equal(text, 'Hello, world');
  },

  async structured(model, mode) {
    // What Anthropic's models can do is judged by their names.
    const anthropic = { structuredOutputMode: 'outputFormat' };
    const more = { output: Output.object({ schema: Sum }), providerOptions: { ...providerOptions, anthropic } };
    const answers = await both(model, mode, { ...more, prompt: 'add up' });
    for (const { output } of answers) assert.deepEqual(output, { total: 3 });
    const partial = streamText({ ...asking(model, mode), ...more, prompt: 'add up' }).partialOutputStream;
    const seen = [];
    for await (const part of partial) seen.push(part);
    assert.deepEqual(seen.at(-1), { total: 3 });
  },

  async options(model, mode) {
    const options = { temperature: 0.5, topP: 0.9, maxOutputTokens: 1000, headers: { 'x-mine': '1' } };
    const chat = { seed: 7, stopSequences: ['END'], frequencyPenalty: 0.1, presencePenalty: 0.1 };
    const own = {
      openai: { store: false, reasoningEffort: 'low', parallelToolCalls: true, serviceTier: 'auto', user: 'someone' },
      greenroom: { reasoningEffort: 'low', user: 'someone' },
      anthropic: { thinking: { type: 'disabled' } },
    };
    const sampling = ['chat', 'compatible'].includes(mode) ? chat : {};
    const more = { ...options, ...sampling, providerOptions: own, prompt: 'greet' };
    for (const { text } of await both(model, mode, more)) assert.equal(text, 'Hello, world');
  },

  async thinks(model, mode) {
    if (mode === 'chat') return;
    const own = {
      openai: { ...providerOptions.openai, forceReasoning: true, reasoningEffort: 'low', reasoningSummary: 'auto' },
      anthropic: { thinking: { type: 'enabled', budgetTokens: 2000 } },
    };
    for (const answer of await both(model, mode, { providerOptions: own, prompt: 'think' })) {
      assert.deepEqual([answer.text, answer.reasoningText], ['Yes.', 'hm, yes']);
      const said = [...messages('think'), ...answer.response.messages, ...messages('round trip')];
      assert.equal((await generate(model, mode, { providerOptions: own, messages: said })).text, 'It rains.');
    }
  },

  async short(model, mode) {
    const answers = await both(model, mode, { prompt: 'too long' });
    for (const { finishReason } of answers) assert.equal(finishReason, 'length');
  },

  async errors(model, mode) {
    for (const ask of [generate, stream]) {
      const wrong = await refused(401, () => ask(model, mode, { ...asking(model, mode, 'wrong'), prompt: 'greet' }));
      assert.match(wrong.message, /greenroom auth token/);
      await refused(404, () => ask('nobody/nothing', mode, { prompt: 'greet' }));
      const limited = await refused(429, () => ask('limited/m1', mode, { prompt: 'greet' }));
      assert.ok(limited.isRetryable && Number(limited.responseHeaders['retry-after']) > 0);
    }
  },

  async midway(model, mode) {
    const result = streamText({ ...asking(breaking(model, mode), mode), prompt: 'break off' });
    let [text, failed] = ['', null];
    for await (const part of result.fullStream) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'error') failed = part.error;
    }
    assert.equal(text, 'Hel');
    assert.ok(failed, 'a stream that broke off looked complete');
  },

  async cancel(model, mode) {
    const ask = (abortSignal) => generate(model, mode, { prompt: 'stall', abortSignal });
    await leaves(model, ask);
    const { cancelled } = await counters(model);
    const leaving = new AbortController();
    const result = streamText({ ...asking(model, mode), prompt: 'stall', abortSignal: leaving.signal });
    for await (const part of result.fullStream) {
      if (part.type === 'text-delta') leaving.abort();
    }
    await until(model, 'cancelled', cancelled + 1);
  },

  // `greenroom serve` prints what Anthropic's own clients want it to be, without the version.
  async address(model, mode) {
    if (mode !== 'anthropic') return;
    process.env.ANTHROPIC_BASE_URL = BASE;
    const asked = createAnthropic({ apiKey: token })(model);
    const { text } = await generateText({ model: asked, prompt: 'greet', maxRetries: 0 });
    assert.equal(text, 'Hello, world');
  },

  async empty(model, mode) {
    const clock = tool({ description: 'The time', inputSchema: z.object({}), execute: async () => 'round trip' });
    const asked = { tools: { clock }, stopWhen: stepCountIs(3), prompt: 'call clock' };
    for (const answer of await both(model, mode, asked)) {
      assert.equal(answer.text, 'It rains.');
    }
  },

  async embeddings(model, mode) {
    if (model !== 'lab/m1' || !['chat', 'compatible'].includes(mode)) return;
    const by = (mode === 'chat' ? createOpenAI({ baseURL, apiKey: token }) : compatible(token)).embeddingModel(model);
    const one = await embed({ model: by, value: 'a text' });
    assert.deepEqual([one.embedding, one.usage.tokens], [[0.5, -1.25], 3]);
    const { embeddings } = await embedMany({ model: by, values: ['a text', 'a second'] });
    assert.deepEqual(embeddings, [[0.5, -1.25], [0.5, -1.25]]);
  },

  async long(model, mode) {
    const asked = { prompt: `large ${'x'.repeat(200_000)}` };
    for (const { text } of await both(model, mode, asked)) assert.equal(text, 'Fine.');
  },
};

await run(checks, Object.keys(MODELS).flatMap((model) => Object.keys(MODES).map((mode) => [model, mode])));
