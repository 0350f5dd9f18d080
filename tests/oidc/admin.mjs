// What only a test may: count the requests for tokens, end what an account has granted, and make the token endpoint fail.

import { setTimeout } from 'node:timers/promises';

import { form, text } from './body.mjs';

/**
 * `GET /admin/counts`: requests for tokens by grant type, counted as they arrive.
 * `POST /admin/revoke {account}`: ends every grant of the account, with all of its tokens; says how many.
 * `POST /admin/mood {mood, requests, delay_ms}`: how the token endpoint takes its next requests.
 */
export const admin = (provider) => {
  const counts = {};
  const grants = new Map();
  let mood = { requests: 0 };

  provider.on('grant.saved', ({ accountId, jti }) => {
    grants.set(accountId, [...(grants.get(accountId) ?? []), jti]);
  });

  async function revoke(account) {
    const ended = grants.get(account) ?? [];
    grants.delete(account);
    const { AccessToken, AuthorizationCode, DeviceCode, Grant, RefreshToken } = provider;
    for (const grant of ended) {
      for (const kind of [AccessToken, AuthorizationCode, DeviceCode, RefreshToken]) await kind.revokeByGrantId(grant);
      await Grant.adapter.destroy(grant);
    }
    return { revoked: ended.length };
  }

  async function token(ctx, next) {
    // The package takes a body that was read before it from here.
    const body = (ctx.req.body = await form(ctx.req));
    counts[body.grant_type] = (counts[body.grant_type] ?? 0) + 1;
    if (mood.requests === 0) return next();
    mood.requests -= 1;
    if (mood.mood === 'slow') {
      await setTimeout(mood.delay_ms);
      // Who has given up by then has used nothing, its refresh token neither.
      return ctx.req.socket.destroyed ? undefined : next();
    }
    ctx.status = mood.mood === 'html' ? 200 : 500;
    ctx.type = mood.mood === 'html' ? 'html' : 'text';
    ctx.body = mood.mood === 'html' ? '<!DOCTYPE html><title>Welcome</title><p>Pay for this network first.' : 'oops';
  }

  return async (ctx, next) => {
    switch (`${ctx.method} ${ctx.path}`) {
      case `POST ${provider.pathFor('token')}`:
        return token(ctx, next);
      case 'GET /admin/counts':
        ctx.body = counts;
        return;
      case 'POST /admin/revoke':
        ctx.body = await revoke(JSON.parse(await text(ctx.req)).account);
        return;
      case 'POST /admin/mood':
        mood = JSON.parse(await text(ctx.req));
        ctx.status = 204;
        return;
      default:
        return next();
    }
  };
};
