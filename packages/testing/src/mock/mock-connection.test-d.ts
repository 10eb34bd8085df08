// A mock connection goes where a connection goes, with the types of its codec.

import { type Connection, json, lengthPrefixed, lines } from '@reagent/core';
import { z } from 'zod';
import { decodeChunks, encodeMessages } from './codec-alone.js';
import { mockConnection } from './mock-connection.js';

declare function bytesHandler(conn: Connection, data: Buffer): void;
declare function lineHandler(conn: Connection<string>): void;
declare function requestHandler(conn: Connection<{ id: number }>): void;
declare function exactHandler(conn: Connection<{ id: number }, { ok: boolean }>): void;

const bytes = mockConnection();
bytesHandler(bytes, Buffer.from(''));
bytes.receive(Buffer.from(''));
// @ts-expect-error messages are bytes
bytes.receive('text');
// @ts-expect-error it has bytes, not lines
lineHandler(bytes);

const text = mockConnection(lines());
lineHandler(text);
text.receive('one', 'two');
export const sentText: readonly (string | Uint8Array)[] = text.sent;
// @ts-expect-error lines are text
text.receive(17);

const codec = lengthPrefixed({ bytes: 2 }).pipe(json(z.object({ id: z.number() }), z.object({ ok: z.boolean() })));
const requests = mockConnection(codec, { secure: true });
requestHandler(requests);
exactHandler(requests);
requests.receive({ id: 1 });
// @ts-expect-error no request
requests.receive({ name: 'x' });
export const sentAnswers: readonly { ok: boolean }[] = requests.sent;

export const decoded: { id: number }[] = decodeChunks(codec, ['']);
encodeMessages(codec, { ok: true });
// @ts-expect-error no answer
encodeMessages(codec, { id: 1 });
