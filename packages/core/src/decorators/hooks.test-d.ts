// Which methods the hook decorators take and which they refuse: each @ts-expect-error is a method that must not compile.

import type { CloseReason, Connection } from '../connection/connection.js';
import type { Incoming } from '../listener/incoming.js';
import type { Listener } from '../listener/listener.js';
import { OnAccept } from './on-accept.js';
import { OnClose } from './on-close.js';
import { OnConnection } from './on-connection.js';
import { OnData } from './on-data.js';
import { OnError } from './on-error.js';
import { OnShutdown } from './on-shutdown.js';
import { OnTimeout } from './on-timeout.js';

class Player {}

export class Accepted {
  @OnAccept()
  static admit(incoming: Incoming, _listener: Listener) {
    incoming.reject();
  }

  @OnAccept()
  async admitLater(_incoming: Incoming) {}

  @OnConnection()
  without() {}

  @OnConnection()
  async pull(conn: Connection<string>) {
    conn.send('name?');
  }

  @OnConnection()
  owner(_conn: Connection) {
    return new Player();
  }

  @OnConnection()
  async perhapsOwner(conn: Connection) {
    return conn.secure ? new Player() : undefined;
  }

  @OnData()
  echo(conn: Connection, data: Buffer) {
    return conn.send(data);
  }

  @OnData()
  async store(_conn: Connection<{ id: number }, never>, message: { id: number }) {
    return message.id;
  }

  @OnClose()
  bye(_conn: Connection, _reason: CloseReason) {}

  @OnError()
  failed(_conn: Connection, _error: Error) {}

  @OnTimeout()
  keep(conn: Connection) {
    return conn.secure ? 'keep' : undefined;
  }

  @OnTimeout()
  async keepLater() {
    return 'keep' as const;
  }

  @OnTimeout()
  giveUp(_conn: Connection) {}

  @OnShutdown()
  leave(conn: Connection) {
    conn.close();
  }

  @OnData()
  'any name'() {}

  @OnData()
  @OnConnection()
  twoHooks(_conn: Connection) {}

  @OnData()
  protected hidden(_conn: Connection) {}
}

export class Refused {
  // @ts-expect-error no connection
  @OnData()
  noConnection(conn: string) {
    return conn;
  }

  // @ts-expect-error more than there is to pass
  @OnData()
  tooMany(_conn: Connection, _data: Buffer, _more: number) {}

  // @ts-expect-error a value that means nothing
  @OnData()
  meaningless(_conn: Connection) {
    return 5;
  }

  // @ts-expect-error a generator never runs
  @OnData()
  async *generator(conn: Connection) {
    yield conn;
  }

  // @ts-expect-error a generator is no owner
  @OnConnection()
  *generatorOwner(conn: Connection) {
    yield conn;
  }

  // @ts-expect-error an async generator is none either
  @OnConnection()
  async *asyncGeneratorOwner(conn: Connection) {
    yield conn;
  }

  // @ts-expect-error an owner is an object
  @OnConnection()
  textOwner() {
    return 'player';
  }

  // @ts-expect-error @OnConnection has no message
  @OnConnection()
  message(_conn: Connection, _data: Buffer) {}

  // @ts-expect-error false does not reject
  @OnAccept()
  refuses(_incoming: Incoming) {
    return false;
  }

  // @ts-expect-error a promise of false does not either
  @OnAccept()
  async refusesLater() {
    return false;
  }

  // @ts-expect-error there is no connection yet
  @OnAccept()
  connection(_conn: Connection) {}

  // @ts-expect-error the reason is no text
  @OnClose()
  reason(_conn: Connection, _reason: string) {}

  // @ts-expect-error not every error has an errno
  @OnError()
  error(_conn: Connection, _error: Error & { errno: number }) {}

  // @ts-expect-error only 'keep' means something
  @OnTimeout()
  yes() {
    return true;
  }

  // @ts-expect-error only @OnAccept may be static
  @OnData()
  static noInstance(_conn: Connection) {}

  // @ts-expect-error not a method
  @OnData()
  property = (_conn: Connection) => {};

  // @ts-expect-error a getter is no method, whatever it gives
  @OnData()
  get getter() {
    return true;
  }

  // @ts-expect-error it has to be called
  @OnData
  notCalled(_conn: Connection) {}
}
