// The types of messages, as they flow from codecs to handlers and connections: each @ts-expect-error must not compile.

import { z } from 'zod';
import type { Connection } from '../connection/connection.js';
import { OnConnection } from '../decorators/on-connection.js';
import { OnData } from '../decorators/on-data.js';
import { Reagent } from '../decorators/reagent.js';
import { bytes } from './bytes.js';
import type { ByteSink, Codec, MessageOf, OutgoingOf } from './codec.js';
import { delimited } from './delimited.js';
import { fixed } from './fixed.js';
import type { FramedCodec, Payload } from './framed-codec.js';
import { json } from './json.js';
import { lengthPrefixed } from './length-prefixed.js';
import { lines } from './lines.js';
import { text } from './text.js';

const Request = z.object({ id: z.number(), at: z.string().transform((value) => new Date(value)) });
type Request = z.infer<typeof Request>;
const Reply = z.object({ ok: z.boolean(), note: z.string().default('') });

declare const output: ByteSink;

const aLine = lines();
const aFrame = lengthPrefixed({ bytes: 4 });
const anyJson = lines().pipe(json());
const requests = lines().pipe(json(Request));
const replies = delimited('\0').pipe(json(Request, Reply));
const texts = fixed(8).pipe(text());
const commands = aFrame.pipe({
  decode: (frame) => ({ type: frame[0] ?? 0, body: frame.subarray(1) }),
  encode: (command: { type: number; body: Buffer }) => Buffer.concat([Buffer.from([command.type]), command.body]),
});

// What they give.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export const given: [
  Same<MessageOf<typeof aLine>, string>,
  Same<MessageOf<typeof aFrame>, Buffer>,
  Same<MessageOf<ReturnType<typeof bytes>>, Buffer>,
  Same<MessageOf<typeof anyJson>, unknown>,
  Same<MessageOf<typeof requests>, { id: number; at: Date }>,
  Same<MessageOf<typeof replies>, { id: number; at: Date }>,
  Same<MessageOf<typeof texts>, string>,
  Same<MessageOf<typeof commands>, { type: number; body: Buffer<ArrayBufferLike> }>,
] = [true, true, true, true, true, true, true, true];

// What they take.
export const taken: [
  Same<OutgoingOf<typeof aLine>, string | Uint8Array>,
  Same<OutgoingOf<typeof aFrame>, Uint8Array | string>,
  Same<OutgoingOf<typeof requests>, unknown>,
  Same<OutgoingOf<typeof replies>, { ok: boolean; note?: string | undefined }>,
  Same<OutgoingOf<typeof texts>, string>,
  Same<OutgoingOf<typeof commands>, { type: number; body: Buffer<ArrayBufferLike> }>,
] = [true, true, true, true, true, true];

aLine.encode('a', output);
aLine.encode(Buffer.from('a block'), output);
// @ts-expect-error a line is text, and a block is bytes
aLine.encode(5, output);
// @ts-expect-error a frame is bytes or text
aFrame.encode(5, output);
// @ts-expect-error as above
delimited('\0').encode({}, output);
// @ts-expect-error as above
fixed(1).encode(null, output);
// @ts-expect-error text is text
texts.encode(Buffer.from('a'), output);
requests.encode({ anything: true }, output);
replies.encode({ ok: true }, output);
// @ts-expect-error the second schema takes a boolean
replies.encode({ ok: 'yes' }, output);
// @ts-expect-error a command has a body
commands.encode({ type: 1 }, output);

// Payloads go on frames of their kind.
// @ts-expect-error lines are text already
lines().pipe(text());
// @ts-expect-error it has to be called
lines().pipe(json);
// @ts-expect-error chunks are no frames
bytes().pipe(json());
// @ts-expect-error the frames of lines() are text, both ways
lines().pipe({ decode: (line) => line.length, encode: (size: number) => Buffer.alloc(size) });
export const payload: Payload<Request, unknown, Buffer, string> = json(Request);
export const framed: FramedCodec<Request, unknown> = requests;
export const codec: Codec<Request, unknown> = requests;

// @ts-expect-error no such option
lines({ maxLenght: 5 });
// @ts-expect-error no such encoding
lines({ encoding: 'utf16le' });
// @ts-expect-error the size is not left out
lengthPrefixed({});
// @ts-expect-error no such size
lengthPrefixed({ bytes: 8 });
// @ts-expect-error no schema
json({ id: 'number' });

// What connections give and take.
export async function reads(
  plain: Connection,
  line: Connection<string>,
  request: Connection<Request>,
  typed: Connection<MessageOf<typeof replies>, OutgoingOf<typeof replies>>,
) {
  const name: string | null = await line.recv();
  // @ts-expect-error a line is text
  const bytesOfLine: Buffer | null = await line.recv();
  for await (const { id, at } of request) line.send(`${id.toFixed()} ${at.getTime()}`);
  for await (const message of request) {
    // @ts-expect-error no such field
    message.name;
  }
  request.send({ kind: 'hello' });
  // @ts-expect-error a line is text
  line.send(5);
  // @ts-expect-error bytes or text
  plain.send({});
  typed.send({ ok: true });
  // @ts-expect-error the reply is typed
  typed.send({ kind: 'hello' });
  line.codec = lines({ delimiter: '\r\n' });
  request.codec = requests;
  // @ts-expect-error the codec gives other messages
  line.codec = requests;
  // @ts-expect-error the codec gives bytes
  line.codec = bytes();
  return [name, bytesOfLine];
}

// What handlers take.
@Reagent({ port: 0, codec: lines().pipe(json(Request)), scope: 'connection' })
export class Session {
  constructor(private readonly conn: Connection<Request>) {}

  @OnConnection()
  hello() {
    this.conn.send({ kind: 'hello' });
  }

  @OnData()
  async message(_conn: Connection, request: Request) {
    return request.id;
  }
}

@Reagent({ port: 0, codec: lengthPrefixed({ bytes: 2 }).pipe(text()) })
export class Texts {
  @OnData()
  message(conn: Connection<string>, message: string) {
    conn.send(message);
  }
}

@Reagent({ port: 0, codec: replies })
export class Replies {
  @OnConnection()
  async handle(conn: Connection<Request, OutgoingOf<typeof replies>>) {
    for await (const request of conn) conn.send({ ok: request.id > 0 });
  }
}

// @ts-expect-error lines give text
@Reagent({ port: 0, codec: lines() })
export class LinesAsBytes {
  @OnData()
  line(_conn: Connection, _line: Buffer) {}
}

// @ts-expect-error frames are bytes
@Reagent({ port: 0, codec: lengthPrefixed({ bytes: 1 }) })
export class FramesAsText {
  @OnData()
  frame(_conn: Connection, _frame: string) {}
}

// @ts-expect-error frames are bytes
@Reagent({ port: 0, codec: delimited('\0') })
export class DelimitedAsText {
  @OnData()
  frame(_conn: Connection, _frame: string) {}
}

// @ts-expect-error frames are bytes
@Reagent({ port: 0, codec: fixed(8) })
export class FixedAsText {
  @OnConnection()
  async handle(conn: Connection<string>) {
    await conn.recv();
  }
}

// @ts-expect-error text is no bytes any more
@Reagent({ port: 0, codec: fixed(8).pipe(text()) })
export class TextAsBytes {
  @OnData()
  frame(_conn: Connection, _frame: Buffer) {}
}

// @ts-expect-error nobody knows what JSON without a schema is
@Reagent({ port: 0, codec: lines().pipe(json()) })
export class UncheckedJson {
  @OnData()
  message(_conn: Connection, _request: Request) {}
}

// @ts-expect-error the schema gives a Date
@Reagent({ port: 0, codec: lines().pipe(json(Request)) })
export class BeforeTheSchema {
  @OnData()
  message(_conn: Connection, _request: { id: number; at: string }) {}
}

// @ts-expect-error the payload gives commands
@Reagent({ port: 0, codec: commands })
export class BelowThePayload {
  @OnData()
  message(_conn: Connection, _frame: Buffer) {}
}
