// Counts texts by npm's `gpt-tokenizer`: a JSON array of texts comes in, one of [o200k, cl100k] goes out.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const resolve = createRequire(join(process.env.GREENROOM_TOKENIZER, 'package.json')).resolve;
const load = (name) => import(pathToFileURL(resolve(`gpt-tokenizer/encoding/${name}`)));
const [o200k, cl100k] = await Promise.all([load('o200k_base'), load('cl100k_base')]);
// What looks like a special token is text.
const plain = { allowedSpecial: new Set(), disallowedSpecial: new Set() };
const texts = JSON.parse(await text(process.stdin));
const counts = texts.map((each) => [o200k.encode(each, plain).length, cl100k.encode(each, plain).length]);
process.stdout.write(JSON.stringify(counts));
