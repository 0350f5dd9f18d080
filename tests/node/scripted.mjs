// What the programs of the clients share: who stands behind greenroom, and how checks are run.
//
// Such a program is called with the folder that has its packages, greenroom's address and a JSON object of models:
// {"lab/m1": {"url", "path"}} says at which scripted provider a model is, and at which path it is asked for an answer.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [modules, base, places] = process.argv.slice(2);
export const load = createRequire(join(modules, 'package.json'));
export const BASE = base;
export const MODELS = JSON.parse(places);
export const UNICODE = 'é🌊\u2028\u2029\u0085 end';
export const PNG = 'iVBORw0KGgo=';

// The counters of the provider that has the model, of its route for answers.
export async function counters(model) {
  const { url, path } = MODELS[model];
  const { routes } = await (await fetch(`${url}/_scripted/stats`)).json();
  return routes.find((route) => route.path === path);
}

export async function until(model, counter, count) {
  const end = Date.now() + 30_000;
  while ((await counters(model))[counter] !== count) {
    assert.ok(Date.now() < end, `${counter} is not ${count}`);
    await sleep(5);
  }
}

// Another model of the same provider: one whose answers break off is left alone for a while.
export const breaking = (model, mode) => `${model.split('/')[0]}/breaks-${mode}`;

// Leaves once the provider has the request, which then sees the connection closed.
export async function leaves(model, ask) {
  const { cancelled } = await counters(model);
  const leaving = new AbortController();
  const ended = ask(leaving.signal).then(() => null, (error) => error);
  await until(model, 'open', 1);
  leaving.abort();
  assert.ok((await ended) instanceof Error, 'it was not cancelled');
  await until(model, 'cancelled', cancelled + 1);
}

// Runs each check for each case, and says which.
export async function run(checks, cases) {
  for (const [name, check] of Object.entries(checks)) {
    for (const of of cases) {
      await check(...of);
      console.log('ok', name, ...of);
    }
  }
}
