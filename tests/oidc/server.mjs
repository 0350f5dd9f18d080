// An OAuth server for tests: the package oidc-provider on a free port of loopback, with people who log in by plain forms
// (people.mjs), a model that answers whoever has a valid token of its own (model.mjs), and routes by which a test looks
// at it and makes it fail (admin.mjs).
//
// node server.mjs --modules FOLDER [--access-token-seconds N]
//
// FOLDER is where `npm ci` was run. One line of JSON says where it listens; it ends when its standard input does.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { admin } from './admin.mjs';
import { model } from './model.mjs';
import { people } from './people.mjs';

const { values: options } = parseArgs({
  options: { modules: { type: 'string' }, 'access-token-seconds': { type: 'string', default: '3600' } },
});

// The package's advice for those who deploy it; notices would go to standard output.
console.info = console.warn = () => {};
const entry = createRequire(`${options.modules}/`).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(entry));

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const url = `http://127.0.0.1:${server.address().port}`;

const redirects = ['127.0.0.1', '[::1]', 'localhost'].flatMap((host) =>
  ['/callback', '/auth/callback'].map((path) => `http://${host}${path}`),
);
// A native client may be sent back to any port of these.
const client = {
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  redirect_uris: redirects,
  id_token_signed_response_alg: 'ES256',
};
const day = 24 * 60 * 60;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const provider = new Provider(url, {
  clients: [
    { ...client, client_id: 'public', token_endpoint_auth_method: 'none' },
    {
      ...client,
      client_id: 'confidential',
      client_secret: 'confidential-secret',
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  scopes: ['openid', 'offline_access', 'chat'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  findAccount: (_, name) => ({ accountId: name, claims: () => ({ sub: name }) }),
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: page,
      userCodeConfirmSource: page,
      successSource: (ctx) => page(ctx, '<p>The device is logged in.</p>'),
    },
  },
  cookies: { keys: ['of a test'] },
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256' }] },
  // What has expired is refused from that second on; the package would go on taking it for a quarter of a minute.
  clockTolerance: 0,
  ttl: {
    AccessToken: Number(options['access-token-seconds']),
    AuthorizationCode: 60,
    DeviceCode: 600,
    Grant: day,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: day,
    Session: day,
  },
});

function page(ctx, body) {
  ctx.type = 'html';
  ctx.body = `<!DOCTYPE html><title>${provider.issuer}</title>${body}`;
}

provider.use(async (ctx, next) => {
  await next();
  // The package leaves it to the standard's five seconds, for which no test wants to wait.
  if (ctx.body?.device_code) ctx.body.interval = 1;
});
for (const routes of [admin, people, model]) provider.use(routes(provider));
server.on('request', provider.callback());

console.log(
  JSON.stringify({
    url,
    // By the standard of OpenID, `offline_access` is granted only to who asks for consent.
    authorize_url: `${provider.urlFor('authorization')}?prompt=consent`,
    token_url: provider.urlFor('token'),
    device_url: provider.urlFor('device_authorization'),
  }),
);
process.stdin.resume().on('end', () => process.exit());
