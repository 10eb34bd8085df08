// The ways to write a server that the guide begins with: they have to compile as they stand there.

import {
  bootstrap,
  type CloseReason,
  Connection,
  type Incoming,
  injectable,
  json,
  Listener,
  Logger,
  lines,
  Module,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
  start,
} from '@reagent/core';

interface Request {
  readonly kind: string;
}
declare const Request: {
  readonly '~standard': { readonly version: 1; readonly vendor: string; validate(value: unknown): { value: Request } };
};

@injectable()
class UserStore {}

@Reagent({ port: 8080 })
export class Echo {
  constructor(readonly log: Logger) {}

  @OnData()
  echo(conn: Connection, data: Buffer) {
    conn.send(data);
  }
}

@Reagent({ port: 8081, codec: lines() })
class Greeter {
  @OnConnection()
  async handle(conn: Connection<string>) {
    conn.send('name?');
    const name = await conn.recv({ timeout: 10_000 });
    if (name === null) return;
    for await (const line of conn) conn.send(`${name}: ${line}`);
  }
}

@Reagent({ port: 8082, scope: 'connection', codec: lines().pipe(json(Request)) })
class Session {
  #seen = 0;

  constructor(
    private readonly conn: Connection<Request>,
    readonly users: UserStore,
  ) {}

  @OnAccept()
  static admit(incoming: Incoming, listener: Listener) {
    if (listener.connections.size > 10) incoming.reject();
  }

  @OnConnection()
  hello() {
    this.conn.send({ kind: 'hello' });
  }

  @OnData()
  async message(_conn: Connection, request: Request) {
    this.#seen += request.kind.length;
  }

  @OnClose()
  bye(_conn: Connection, _reason: CloseReason) {}
}

@Module({ reagents: [Echo, Greeter, Session], providers: [UserStore] })
export class AppModule {}

export async function main() {
  await bootstrap(AppModule);
  const app = await start(Echo, { port: 8080 });
  await app.stop();
}
