// The ways for bytes to come and go. Each suite of this folder runs over all of them; what differs between them stands here.

import {
  type CloseReason,
  type Constructor,
  type DescriptorInput,
  Module,
  type Provider,
  reagentOf,
} from '@reagent/core';
import { type ClosedHow, certificates, createTestApp, type TestApp, type TestAppOptions } from '@reagent/testing';
import { describe, expect } from 'vitest';

export interface StartOptions {
  /** What the application provides besides the reagent. */
  readonly providers?: readonly Provider[];
  /** Changes to the reagent's descriptor, but for where it listens. */
  readonly descriptor?: DescriptorInput;
}

export interface Transport {
  /** As in the name of a test: "over TCP". */
  readonly name: string;
  /** Whether connections are encrypted. */
  readonly secure: boolean;
  /** Whether the other side can tell a reset from an end. */
  readonly hasReset: boolean;
  /** What a client sees when the server resets the connection. */
  readonly serverReset: ClosedHow;
  /** Why a connection has closed whose client has reset it and left nothing unread. */
  readonly clientReset: Partial<CloseReason>;
  /** What the error says when a client connects to a listener that has stopped. */
  readonly refusal: string;
  /** Starts an application with this reagent, whose clients connect over the transport. */
  readonly start: (reagent: Constructor, options?: StartOptions) => Promise<TestApp>;
}

const withReset = {
  hasReset: true,
  serverReset: 'reset',
  clientReset: { kind: 'reset', error: expect.objectContaining({ code: 'ECONNRESET' }) },
} as const;

/** Who resets a connection closes it, and the other side sees the end of the stream. */
const withoutReset = { hasReset: false, serverReset: 'end', clientReset: { kind: 'client' } } as const;

const tcp: Transport = {
  name: 'TCP',
  secure: false,
  ...withReset,
  refusal: 'ECONNREFUSED',
  start: (reagent, options) => startOver('tcp', reagent, options),
};

const { server: certificate } = await certificates();

const tls: Transport = {
  name: 'TLS',
  secure: true,
  ...withReset,
  refusal: 'ECONNREFUSED',
  start: (reagent, { descriptor, ...options } = {}) =>
    startOver('tcp', reagent, { ...options, descriptor: { ...descriptor, secure: { ...certificate } } }),
};

const unix: Transport = {
  name: 'a Unix socket',
  secure: false,
  ...withoutReset,
  // The file of the socket is gone.
  refusal: 'ENOENT',
  start: (reagent, options) => startOver('unix', reagent, options),
};

const memory: Transport = {
  name: 'memory',
  secure: false,
  ...withReset,
  refusal: 'takes no connection',
  start: (reagent, options) => startOver('memory', reagent, options),
};

const transports: readonly Transport[] = [tcp, tls, unix, memory];

/** A suite of tests that runs over each of them. */
export function overEveryTransport(name: string, suite: (transport: Transport) => void): void {
  for (const transport of transports) describe(`over ${transport.name}: ${name}`, () => suite(transport));
}

function startOver(
  transport: NonNullable<TestAppOptions['transport']>,
  reagent: Constructor,
  { providers = [], descriptor = {} }: StartOptions = {},
): Promise<TestApp> {
  @Module({ providers, reagents: [reagent] })
  class AppModule {}

  return createTestApp(AppModule, { transport, descriptors: { [nameOf(reagent)]: descriptor } }).start();
}

/** What its listener is called. */
function nameOf(reagent: Constructor): string {
  const source = reagentOf(reagent)?.descriptor;
  return (typeof source === 'object' ? source.name : undefined) ?? reagent.name;
}
