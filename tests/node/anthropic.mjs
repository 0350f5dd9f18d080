// Anthropic's own client for Node against a greenroom that stands before a scripted provider.
//
// Called with the folder that has the package, the base URL, a model, and the address and the route of the provider that
// has it; ANTHROPIC_API_KEY holds the token. What the scripted provider answers is chosen by the text of the user's
// message. Ends with 0 if everything is as it should be, and prints a line for each check.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [modules, baseURL, model, provider, path] = process.argv.slice(2);
const load = createRequire(join(modules, 'package.json'));
const Anthropic = load('@anthropic-ai/sdk');
const { jsonSchemaOutputFormat } = load('@anthropic-ai/sdk/helpers/json-schema');
const { betaTool } = load('@anthropic-ai/sdk/helpers/beta/json-schema');

const client = new Anthropic({ baseURL, maxRetries: 0, timeout: 30_000 });
const unicode = 'é🌊\u2028\u2029\u0085 end';
const weather = {
  name: 'weather',
  description: 'The weather of a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

const asked = (content, more = {}) => ({ model, max_tokens: 4000, messages: [{ role: 'user', content }], ...more });

// The answer whole and streamed, which must be the same.
async function both(content, more) {
  const whole = await client.messages.create(asked(content, more));
  const streamed = await client.messages.stream(asked(content, more)).finalMessage();
  assert.deepEqual(streamed.content, whole.content);
  assert.equal(streamed.stop_reason, whole.stop_reason);
  return [whole, streamed];
}

const counters = async () => {
  const { routes } = await (await fetch(`${provider}/_scripted/stats`)).json();
  return routes.find((route) => route.path === path);
};

async function until(counter, count) {
  const end = Date.now() + 30_000;
  while ((await counters())[counter] !== count) {
    assert.ok(Date.now() < end, `${counter} is not ${count}`);
    await sleep(5);
  }
}

async function refused(kind, type, call) {
  const error = await call().then(() => null, (error) => error);
  assert.equal(error?.constructor, kind, `${error}`);
  assert.equal(error.error.error.type, type);
  assert.equal(error.requestID, error.error.request_id);
  return error;
}

const checks = {
  async greeting() {
    for (const message of await both('greet')) {
      assert.deepEqual(message.content.map((block) => [block.type, block.text]), [['text', 'Hello, world']]);
      assert.deepEqual([message.model, message.stop_reason], ['m-2026', 'end_turn']);
      const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
      assert.deepEqual([input_tokens, cache_read_input_tokens, output_tokens], [6, 4, 5]);
    }
  },

  async text() {
    const texts = [];
    const stream = client.messages.stream(asked('unicode')).on('text', (text) => texts.push(text));
    assert.equal(await stream.finalText(), unicode);
    assert.equal(texts.join(''), unicode);
    await both('unicode');
  },

  async events() {
    const names = [];
    for await (const event of await client.messages.create(asked('greet', { stream: true }))) names.push(event.type);
    assert.deepEqual([names[0], ...names.slice(-2)], ['message_start', 'message_delta', 'message_stop']);
  },

  async tools() {
    for (const message of await both('call tools', { tools: [weather] })) {
      const calls = message.content.filter((block) => block.type === 'tool_use');
      assert.deepEqual(calls.map(({ id, name, input }) => [id, name, input]), [
        ['call_a', 'weather', { city: 'Oslo' }],
        ['call_b', 'weather', { city: 'Bergen' }],
      ]);
      const results = calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: 'rain' }));
      const messages = [
        { role: 'user', content: 'round trip, call tools' },
        { role: 'assistant', content: message.content },
        { role: 'user', content: results },
      ];
      const answer = await client.messages.create(asked('', { messages, tools: [weather] }));
      assert.equal(answer.content[0].text, 'It rains.');
    }
  },

  async choice() {
    for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'weather' }]) {
      const [message] = await both('call tools', { tools: [weather], tool_choice });
      assert.equal(message.stop_reason, 'tool_use');
    }
    const [message] = await both('greet', { tools: [weather], tool_choice: { type: 'none' } });
    assert.equal(message.content[0].text, 'Hello, world');
  },

  async runner() {
    const run = ({ city }) => ({ Oslo: 'dry', Bergen: 'go on', Rome: 'round trip' })[city];
    const tools = [betaTool({ name: 'weather', description: 'The weather of a city', inputSchema: weather.input_schema, run })];
    const last = await client.beta.messages.toolRunner(asked('call tools', { tools }));
    assert.equal(last.content[0].text, 'It rains.');
  },

  async thinking() {
    const wish = { thinking: { type: 'enabled', budget_tokens: 2000 } };
    for (const message of await both('think', wish)) {
      assert.deepEqual(message.content.map((block) => block.type), ['thinking', 'text']);
      assert.equal(message.content[0].thinking, 'hm, yes');
      const back = [{ role: 'assistant', content: message.content }, { role: 'user', content: 'round trip' }];
      const answer = await client.messages.create(asked('', { messages: [...asked('think').messages, ...back] }));
      assert.equal(answer.content[0].text, 'It rains.');
    }
  },

  async beta() {
    const betas = ['interleaved-thinking-2025-05-14'];
    const message = await client.beta.messages.stream({ ...asked('greet'), betas }).finalMessage();
    assert.equal(message.content[0].text, 'Hello, world');
  },

  async structured() {
    const schema = {
      type: 'object', properties: { total: { type: 'integer' } }, required: ['total'], additionalProperties: false,
    };
    const more = { output_config: { format: jsonSchemaOutputFormat(schema) } };
    const message = await client.messages.parse(asked('add up', more));
    assert.deepEqual(message.parsed_output, { total: 3 });
  },

  async image() {
    const source = { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' };
    const [message] = await both([{ type: 'text', text: 'picture' }, { type: 'image', source }]);
    assert.equal(message.content[0].text, 'A cat.');
  },

  async long() {
    const [message] = await both(`large ${'x'.repeat(200_000)}`);
    assert.equal(message.content[0].text, 'Fine.');
  },

  async count() {
    const { messages } = asked('greet');
    const count = await client.messages.countTokens({ model, messages, tools: [weather] });
    assert.ok(count.input_tokens > 0);
  },

  async models() {
    const ids = [];
    for await (const listed of client.models.list({ limit: 1 })) ids.push(listed.id);
    assert.ok(ids.includes('smart') && ids.includes(model), `${ids}`);
    assert.equal((await client.models.retrieve(model)).type, 'model');
  },

  async errors() {
    const stranger = new Anthropic({ baseURL, apiKey: 'wrong', maxRetries: 0 });
    for (const stream of [false, true]) {
      const ask = (more, by = client) => () => by.messages.create(asked('greet', { ...more, stream }));
      const error = await refused(Anthropic.AuthenticationError, 'authentication_error', ask({}, stranger));
      assert.match(error.message, /greenroom auth token/);
      await refused(Anthropic.NotFoundError, 'not_found_error', ask({ model: 'smrat' }));
      const limited = await refused(Anthropic.RateLimitError, 'rate_limit_error', ask({ model: 'limited/m' }));
      const wait = Number(limited.headers.get('retry-after'));
      assert.ok(wait > 0 && wait <= 50, `${wait}`);
      const busy = await ask({ model: 'busy/m' })().catch((error) => error);
      assert.ok(busy instanceof Anthropic.InternalServerError && busy.status === 529, `${busy}`);
      const full = await refused(Anthropic.BadRequestError, 'invalid_request_error', ask({ model: 'full/m' }));
      assert.match(full.message, /prompt is too long/);
    }
  },

  async midway() {
    let text = '';
    const stream = client.messages.stream(asked('break off')).on('text', (more) => (text += more));
    const error = await stream.finalMessage().then(() => null, (error) => error);
    assert.ok(error instanceof Anthropic.APIError, `${error}`);
    assert.deepEqual([text, error.error.type], ['Hel', 'error']);
  },

  async cancel() {
    for (const stream of [true, false]) {
      const { cancelled } = await counters();
      const leaving = new AbortController();
      const asking = client.messages.create(asked('stall', { stream }), { signal: leaving.signal });
      if (stream) {
        for await (const event of await asking) if (event.type === 'content_block_delta') break;
      } else {
        const ended = asking.catch((error) => error);
        await until('open', 1);
        leaving.abort();
        assert.ok((await ended) instanceof Anthropic.APIUserAbortError);
      }
      await until('cancelled', cancelled + 1);
    }
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log('ok', name);
}
