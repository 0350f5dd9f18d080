// OpenAI's own client for Node, both of its APIs, before each provider. Called as scripted.mjs says; OPENAI_API_KEY
// holds the token. Ends with 0 if everything is as it should be, and prints a line for each check.

import assert from 'node:assert/strict';
import { BASE, MODELS, PNG, UNICODE, breaking, counters, leaves, load, run, until } from './scripted.mjs';

const OpenAI = load('openai');
const { zodResponseFormat, zodTextFormat, zodFunction } = load('openai/helpers/zod');
const { z } = load('zod');

const client = new OpenAI({ baseURL: `${BASE}/v1`, maxRetries: 0, timeout: 30_000 });
const stranger = client.withOptions({ apiKey: 'wrong' });
const Sum = z.object({ total: z.number().int() });
const City = z.object({ city: z.string() });
const schema = { ...z.toJSONSchema(City), additionalProperties: false };
const own = { name: 'weather', description: 'The weather of a city', parameters: schema, strict: true };
const picture = `data:image/png;base64,${PNG}`;

const callsOfChat = (answer) => answer.choices[0].message.tool_calls;
const callsOf = (answer) => answer.output.filter(({ type }) => type === 'function_call');

// What the two APIs call alike things.
const APIS = {
  chat: {
    asked: (model, content, more) => ({ model, messages: [{ role: 'user', content }], ...more }),
    whole: (body, by = client, options) => by.chat.completions.create(body, options),
    stream: (body) => client.chat.completions.stream(body),
    final: (stream) => stream.finalChatCompletion(),
    parse: (body) => client.chat.completions.parse(body),
    text: (answer) => answer.choices[0].message.content,
    parsed: (answer) => answer.choices[0].message.parsed,
    delta: (event) => event.choices[0]?.delta.content ?? '',
    tool: { type: 'function', function: own },
    image: [{ type: 'text', text: 'picture' }, { type: 'image_url', image_url: { url: picture, detail: 'low' } }],
    format: { response_format: zodResponseFormat(Sum, 'sum') },
    counts: ({ usage }) => [usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens],
    calls: (answer) => callsOfChat(answer).map(({ function: { name, arguments: json } }) => [name, JSON.parse(json)]),
    named: { type: 'function', function: { name: 'weather' } },
    back: (answer, results) => [
      answer.choices[0].message,
      ...callsOfChat(answer).map(({ id }, at) => ({ role: 'tool', tool_call_id: id, content: results[at] })),
    ],
  },
  responses: {
    asked: (model, content, more) => ({
      model,
      input: typeof content === 'string' ? content : [{ role: 'user', content }],
      // An answer is kept unless it is said that it is not to be.
      store: false,
      ...more,
    }),
    whole: (body, by = client, options) => by.responses.create(body, options),
    stream: (body) => client.responses.stream(body),
    final: (stream) => stream.finalResponse(),
    parse: (body) => client.responses.parse(body),
    text: (answer) => answer.output_text,
    parsed: (answer) => answer.output_parsed,
    delta: (event) => (event.type === 'response.output_text.delta' ? event.delta : ''),
    tool: { type: 'function', ...own },
    image: [{ type: 'input_text', text: 'picture' }, { type: 'input_image', image_url: picture, detail: 'low' }],
    format: { text: { format: zodTextFormat(Sum, 'sum') } },
    counts: ({ usage }) => [usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens],
    calls: (answer) => callsOf(answer).map(({ name, arguments: json }) => [name, JSON.parse(json)]),
    named: { type: 'function', name: 'weather' },
    back: (answer, results) => [
      ...answer.output,
      ...callsOf(answer).map(({ call_id }, at) => ({ type: 'function_call_output', call_id, output: results[at] })),
    ],
  },
};

const users = (api, content) => api.asked('', content).messages ?? [{ role: 'user', content }];
const saying = (mode, said) => ({ [mode === 'chat' ? 'messages' : 'input']: said });
const usage = (mode) => (mode === 'chat' ? { stream_options: { include_usage: true } } : {});

// The answer whole and streamed.
async function both(model, mode, content, more) {
  const api = APIS[mode];
  const whole = await api.whole(api.asked(model, content, more));
  const streamed = await api.final(api.stream(api.asked(model, content, { ...more, ...usage(mode) })));
  return [whole, streamed];
}

async function refused(kind, code, call) {
  const error = await call().then(() => null, (error) => error);
  assert.equal(error?.constructor, kind, `${error}`);
  assert.equal(error.code, code);
  assert.match(error.requestID, /^req_/);
  return error;
}

const checks = {
  async greeting(model, mode) {
    for (const answer of await both(model, mode, 'greet')) {
      assert.equal(APIS[mode].text(answer), 'Hello, world');
      assert.deepEqual(APIS[mode].counts(answer), [10, 5, 4]);
    }
  },

  async unicode(model, mode) {
    for (const answer of await both(model, mode, 'unicode')) assert.equal(APIS[mode].text(answer), UNICODE);
    const api = APIS[mode];
    let text = '';
    for await (const event of await api.whole(api.asked(model, 'unicode', { stream: true }))) text += api.delta(event);
    assert.equal(text, UNICODE);
  },

  async image(model, mode) {
    for (const answer of await both(model, mode, APIS[mode].image)) assert.equal(APIS[mode].text(answer), 'A cat.');
  },

  // Calls side by side, results, one more call, its result, the answer; and another question.
  async tools(model, mode) {
    const api = APIS[mode];
    const more = { tools: [api.tool], parallel_tool_calls: true };
    for (const answers of [api.whole, async (body) => api.final(api.stream(body))]) {
      const said = [{ role: 'developer', content: 'be brief' }, ...users(api, 'call tools')];
      const ask = () => answers(api.asked(model, '', { ...more, ...saying(mode, said) }));
      const first = await ask();
      assert.deepEqual(api.calls(first), [['weather', { city: 'Oslo' }], ['weather', { city: 'Bergen' }]]);
      said.push(...api.back(first, ['dry', 'go on']));
      const second = await ask();
      assert.deepEqual(api.calls(second), [['weather', { city: 'Rome' }]]);
      said.push(...api.back(second, ['round trip']));
      const third = await ask();
      assert.equal(api.text(third), 'It rains.');
      said.push({ role: 'assistant', content: api.text(third) }, ...users(api, 'and now?'));
      assert.equal(api.text(await ask()), 'It rains.');
    }
  },

  async runner(model, mode) {
    if (mode !== 'chat') return;
    const weather = ({ city }) => ({ Oslo: 'dry', Bergen: 'go on', Rome: 'round trip' })[city];
    const tools = [zodFunction({ name: 'weather', parameters: City, function: weather })];
    for (const stream of [false, true]) {
      const runner = client.chat.completions.runTools(APIS.chat.asked(model, 'call tools', { tools, stream }));
      assert.equal(await runner.finalContent(), 'It rains.');
    }
  },

  async empty(model, mode) {
    const api = APIS[mode];
    const clock = { name: 'clock', parameters: { type: 'object', properties: {} }, strict: false };
    const tool = { type: 'function', ...(mode === 'chat' ? { function: clock } : clock) };
    for (const answer of await both(model, mode, 'call clock', { tools: [tool] })) {
      assert.deepEqual(api.calls(answer), [['clock', {}]]);
    }
  },

  async choice(model, mode) {
    const api = APIS[mode];
    for (const tool_choice of ['auto', 'required', api.named]) {
      const answer = await api.whole(api.asked(model, 'call tools', { tools: [api.tool], tool_choice }));
      assert.equal(api.calls(answer).length, 2);
    }
    const answer = await api.whole(api.asked(model, 'greet', { tools: [api.tool], tool_choice: 'none' }));
    assert.equal(api.text(answer), 'Hello, world');
  },

  async structured(model, mode) {
    const api = APIS[mode];
    assert.deepEqual(api.parsed(await api.parse(api.asked(model, 'add up', api.format))), { total: 3 });
    const streamed = await api.final(api.stream(api.asked(model, 'add up', api.format)));
    assert.deepEqual(api.parsed(streamed), { total: 3 });
    const object = { type: 'json_object' };
    const loose = mode === 'chat' ? { response_format: object } : { text: { format: object } };
    assert.equal(api.text(await api.whole(api.asked(model, 'add up as JSON', loose))), '{"total":3}');
  },

  async options(model, mode) {
    const common = { temperature: 0.5, top_p: 0.9, metadata: { a: 'b' }, user: 'someone', service_tier: 'auto' };
    const chat = { seed: 7, n: 1, max_completion_tokens: 1000, stop: ['END'], logprobs: false };
    const reasoning = { effort: 'low', summary: 'auto' };
    const own = {
      chat: { ...chat, reasoning_effort: 'low', verbosity: 'low' },
      responses: { max_output_tokens: 1000, reasoning, truncation: 'disabled', include: [] },
    };
    const said = [{ role: 'developer', content: 'be brief' }, ...users(APIS[mode], 'greet')];
    const body = APIS[mode].asked(model, '', { ...common, ...own[mode], ...saying(mode, said) });
    assert.equal(APIS[mode].text(await APIS[mode].whole(body)), 'Hello, world');
  },

  async thinks(model, mode) {
    if (mode === 'chat') return;
    const wanted = { reasoning: { effort: 'low', summary: 'auto' }, include: ['reasoning.encrypted_content'] };
    for (const answer of await both(model, mode, 'think', wanted)) {
      assert.deepEqual(answer.output.map(({ type }) => type), ['reasoning', 'message']);
      const said = [{ role: 'user', content: 'think' }, ...answer.output, { role: 'user', content: 'round trip' }];
      assert.equal((await APIS[mode].whole(APIS[mode].asked(model, '', { input: said }))).output_text, 'It rains.');
    }
  },

  async short(model, mode) {
    const api = APIS[mode];
    const whole = await api.whole(api.asked(model, 'too long'));
    if (mode === 'chat') assert.equal(whole.choices[0].finish_reason, 'length');
    else assert.equal(whole.incomplete_details.reason, 'max_output_tokens');
  },

  async errors(model, mode) {
    for (const stream of [false, true]) {
      const ask = (of, by, more) => () => APIS[mode].whole(APIS[mode].asked(of, 'greet', { ...more, stream }), by);
      const error = await refused(OpenAI.AuthenticationError, 'invalid_api_key', ask(model, stranger));
      assert.match(error.message, /greenroom auth token/);
      await refused(OpenAI.NotFoundError, 'model_not_found', ask('nobody/nothing'));
      const limited = await refused(OpenAI.RateLimitError, 'rate_limit_exceeded', ask('limited/m1'));
      assert.ok(Number(limited.headers.get('retry-after')) > 0);
      const hot = await refused(OpenAI.BadRequestError, null, ask(model, client, { temperature: 'hot' }));
      assert.equal(hot.param, 'temperature');
    }
  },

  async midway(model, mode) {
    const api = APIS[mode];
    let text = '';
    const read = async () => {
      const body = api.asked(breaking(model, mode), 'break off', { stream: true });
      for await (const event of await api.whole(body)) text += api.delta(event);
    };
    const error = await read().then(() => null, (error) => error);
    assert.ok(error instanceof OpenAI.APIError, `${error}`);
    assert.equal(text, 'Hel');
  },

  async cancel(model, mode) {
    const api = APIS[mode];
    await leaves(model, (signal) => api.whole(api.asked(model, 'stall'), client, { signal }));
    const { cancelled } = await counters(model);
    for await (const event of await api.whole(api.asked(model, 'stall', { stream: true }))) {
      if (api.delta(event) === 'Hel') break;
    }
    await until(model, 'cancelled', cancelled + 1);
  },

  async others(model, mode) {
    if (model !== 'lab/m1' || mode !== 'chat') return;
    const listed = [];
    for await (const { id } of client.models.list()) listed.push(id);
    assert.ok(listed.includes('smart') && listed.includes(model), `${listed}`);
    assert.equal((await client.models.retrieve(model)).id, model);
    await refused(OpenAI.NotFoundError, 'model_not_found', () => client.models.retrieve('lab/nothing'));
    const made = await client.embeddings.create({ model, input: ['a text', 'a second'] });
    assert.deepEqual(made.data.map(({ embedding }) => [...embedding]), [[0.5, -1.25], [0.5, -1.25]]);
  },

  async long(model, mode) {
    for (const answer of await both(model, mode, `large ${'x'.repeat(200_000)}`)) {
      assert.equal(APIS[mode].text(answer), 'Fine.');
    }
  },
};

await run(checks, Object.keys(MODELS).flatMap((model) => Object.keys(APIS).map((mode) => [model, mode])));
