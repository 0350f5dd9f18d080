// People, who log in under any name without a password, and allow or deny what is asked.

import { form } from './body.mjs';

const PAGE = `<!DOCTYPE html><title>Log in</title><form method="post">
  <input type="text" name="name">
  <button name="decision" value="allow">Allow</button>
  <button name="decision" value="deny">Deny</button>
</form>`;

/** Log-in and consent in one page, at the address that the package sends browsers to. */
export const people = (provider) => async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { params } = await provider.interactionDetails(ctx.req, ctx.res);
  if (ctx.method !== 'POST') {
    ctx.type = 'html';
    ctx.body = PAGE;
    return;
  }
  const { name, decision } = await form(ctx.req);
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, await result(provider, params, name, decision));
};

async function result(provider, { client_id: clientId, scope }, name, decision) {
  if (decision !== 'allow' || !name) {
    return { error: 'access_denied', error_description: 'the person did not consent' };
  }
  const grant = new provider.Grant({ accountId: name, clientId });
  grant.addOIDCScope(scope);
  return { login: { accountId: name }, consent: { grantId: await grant.save() } };
}
