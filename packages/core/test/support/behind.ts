import {
  type CloseReason,
  type Connection,
  type Endpoint,
  type Incoming,
  lines,
  OnAccept,
  OnClose,
  OnConnection,
  OnData,
  Reagent,
} from '@reagent/core';
import { createTestApp, type TestApp, type TestAppBuilder } from '@reagent/testing';
import { expect } from 'vitest';
import { counted } from './counted.js';
import { Mailbox } from './mailbox.js';

/** Stands behind a balancer: tells each client the ends of its connection, and then its lines. */
@Reagent({ port: 0, codec: lines(), proxyProtocol: true })
export class Behind {
  readonly accepted = new Mailbox<Incoming>();
  readonly opened = new Mailbox<Connection<string>>();
  readonly closed = new Mailbox<CloseReason>();

  @OnAccept()
  accept(incoming: Incoming) {
    this.accepted.put(incoming);
  }

  @OnConnection()
  hello(conn: Connection<string>) {
    this.opened.put(conn);
    conn.send(greeting(conn.remote, conn.local));
  }

  @OnData()
  echo(conn: Connection<string>, line: string) {
    conn.send(line);
  }

  @OnClose()
  bye(_: Connection<string>, reason: CloseReason) {
    this.closed.put(reason);
  }
}

type End = Pick<Endpoint, 'address' | 'port'>;

/** What a client between these ends is told. */
export function greeting(remote: End, local: End): string {
  return `${remote.address}:${remote.port} ${local.address}:${local.port}`;
}

/** An application with it, of which the descriptor is changed. */
export function behind(descriptor: object = {}): TestAppBuilder {
  return createTestApp(Behind, { descriptors: { Behind: descriptor } });
}

/** Why clients were turned away, and how many for each reason. */
export function rejected(app: TestApp): Record<string, number> {
  return counted(app.listener(Behind).stats().connections.rejected);
}

/** Waits until all are gone; whoever came was served or counted under one reason, and holds nothing any more. */
export async function nothingIsLeft(app: TestApp): Promise<void> {
  const listener = app.listener(Behind);
  await listener.waitForConnections((open) => open === 0, { timeout: 4_000 });
  const { connections, acceptors } = listener.stats();
  const { accepted, rejected, closed } = connections;
  expect(sum(rejected) + sum(closed)).toBe(accepted);
  expect({ busy: acceptors.busy, waiting: acceptors.waiting, queued: connections.waiting }).toEqual({
    busy: 0,
    waiting: 0,
    queued: 0,
  });
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
