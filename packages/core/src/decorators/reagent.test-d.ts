// What @Reagent lets through and what it refuses: each @ts-expect-error is a class that must not compile.

import type { Codec } from '../codec/codec.js';
import type { CloseReason, Connection } from '../connection/connection.js';
import { OnClose } from './on-close.js';
import { OnConnection } from './on-connection.js';
import { OnData } from './on-data.js';
import { OnError } from './on-error.js';
import { Reagent } from './reagent.js';

interface Request {
  readonly id: number;
}
declare const requests: Codec<Request, unknown>;
declare const lines: Codec<string>;
declare const commands: Codec<'get' | 'put'>;

// A plain Connection goes with any codec.
@Reagent({ port: 0, codec: requests })
export class PlainConnection {
  @OnData()
  async message(conn: Connection, request: Request) {
    return conn.send(String(request.id));
  }

  @OnClose()
  bye(_conn: Connection, _reason: CloseReason) {}

  @OnError()
  failed(_conn: Connection, _error: Error) {}
}

@Reagent({ port: 0, codec: requests })
export class TypedConnection {
  @OnData()
  message(conn: Connection<Request, unknown>, request: Request) {
    conn.send(request);
  }
}

// Hooks may have any name, fewer parameters, and wider ones.
@Reagent({ port: 0, codec: lines })
export class FewerParameters {
  @OnData()
  x(conn: Connection<string>) {
    conn.send('x');
  }
}

@Reagent({ port: 0, codec: commands })
export class WiderMessage {
  @OnData()
  command(_conn: Connection, _command: string) {}
}

@Reagent({ port: 0, codec: lines })
export class UnknownMessage {
  @OnData()
  line(_conn: Connection, _line: unknown) {}
}

@Reagent({ port: 0, codec: lines })
export class AnyMessage {
  @OnData()
  // biome-ignore lint/suspicious/noExplicitAny: that it compiles is the test
  line(_conn: any, _line: any) {}
}

// Other methods may take a connection and something else.
@Reagent({ port: 0, codec: lines })
export class WithHelper {
  @OnData()
  line(conn: Connection, _line: string) {
    this.reply(conn, 1);
  }

  reply(_conn: Connection, _status: number) {}
}

@Reagent({ port: 0, codec: lines })
export class PullWithHelper {
  @OnConnection()
  async handle(conn: Connection<string>) {
    this.reply(conn, 1);
  }

  reply(_conn: Connection<string>, _status: number) {}
}

@Reagent({ port: 0, codec: lines, scope: 'connection' })
export class OnePerConnection {
  constructor(readonly conn: Connection<string>) {}

  @OnConnection()
  hello() {
    this.conn.send('hello');
  }
}

// Without a codec in this descriptor nothing is known: it may come from an override.
@Reagent({ port: 0 })
export class WithoutCodec {
  @OnData()
  line(_conn: Connection, _line: string) {}
}

@Reagent()
export class WithoutDescriptor {
  @OnData()
  line(_conn: Connection, _line: string) {}
}

@Reagent({ port: 0, codec: lines })
export class Generic<T> {
  readonly held: T | undefined;

  @OnData()
  line(_conn: Connection, _line: string) {}
}

@Reagent((container) => ({ port: container.resolve<number>('port'), codec: lines }))
export class FromFunction {
  @OnData()
  line(_conn: Connection, _line: string) {}
}

// @ts-expect-error the codec gives text
@Reagent({ port: 0, codec: lines })
export class OtherMessage {
  @OnData()
  message(_conn: Connection, _request: Request) {}
}

// @ts-expect-error the codec gives text
@Reagent({ port: 0, codec: lines })
export class BytesOfTextCodec {
  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }

  @OnClose()
  bye(_conn: Connection, _reason: CloseReason) {}
}

// @ts-expect-error the codec gives two commands, and only one of them is taken
@Reagent({ port: 0, codec: commands })
export class NarrowerMessage {
  @OnData()
  command(_conn: Connection, _command: 'get') {}
}

// @ts-expect-error the codec gives text
@Reagent(() => ({ port: 0, codec: lines }))
export class OtherMessageFromFunction {
  @OnData()
  message(_conn: Connection, _request: Request) {}
}

// @ts-expect-error the codec gives text
@Reagent({ port: 0, codec: lines })
export class OtherConnection {
  @OnConnection()
  async handle(conn: Connection<Request, unknown>) {
    await conn.recv();
  }
}

export class TakesBytes {
  @OnData()
  echo(_conn: Connection, _data: Buffer) {}
}

// @ts-expect-error the codec gives text, the inherited handler takes bytes
@Reagent({ port: 0, codec: lines })
export class InheritedHandler extends TakesBytes {}

// @ts-expect-error a misspelt field
@Reagent({ port: 0, maxConnection: 5 })
export class MisspeltField {
  @OnData()
  echo() {}
}

// @ts-expect-error a value of the wrong type
@Reagent({ port: '8080' })
export class WrongType {
  @OnData()
  echo() {}
}

// @ts-expect-error the function may not be async
@Reagent(async () => ({ port: 0 }))
export class AsyncFunction {
  @OnData()
  echo() {}
}

// @ts-expect-error it has to be called
@Reagent
export class NotCalled {
  @OnData()
  echo() {}
}
