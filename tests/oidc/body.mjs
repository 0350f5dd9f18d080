// Bodies of requests.

/** The whole body as text. */
export async function text(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** The fields of a form. */
export async function form(request) {
  return Object.fromEntries(new URLSearchParams(await text(request)));
}
