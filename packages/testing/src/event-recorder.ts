import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type ChannelMessages, type Connection, channelNames, type Listener } from '@reagent/core';
import { releaseCalls } from './release-calls.js';

/** Something that the application has told on one of its diagnostics channels. */
export type RecordedEvent = {
  readonly [Name in keyof ChannelMessages]: { readonly name: Name; readonly message: ChannelMessages[Name] };
}[keyof ChannelMessages];

/** Keeps what is told about the listeners of one application. */
export class EventRecorder {
  readonly events: RecordedEvent[] = [];
  readonly #isOurs: (listener: Listener) => boolean;
  readonly #told = (message: unknown, name: string | symbol): void => {
    const { listener } = message as { readonly listener?: Listener };
    if (listener !== undefined && this.#isOurs(listener)) this.events.push({ name, message } as RecordedEvent);
  };

  /** @param isOurs whether a listener is one of the application's */
  constructor(isOurs: (listener: Listener) => boolean) {
    this.#isOurs = isOurs;
    for (const name of channelNames) subscribe(name, this.#told);
  }

  stop(): void {
    for (const name of channelNames) unsubscribe(name, this.#told);
  }

  /** Keeps of connections that have closed only what they were, so that neither this nor an error in it holds them. */
  letGo(): void {
    for (const [index, { name, message }] of this.events.entries()) {
      releaseCalls(name === 'reagent:connection:close' ? [message.reason.error] : Object.values(message));
      const connection = 'connection' in message ? message.connection : undefined;
      if (connection === undefined || connection.listener.connections.has(connection)) continue;
      const copy = { ...message, connection: factsOf(connection) };
      this.events[index] = { name, message: copy } as RecordedEvent;
    }
  }
}

type AnyConnection = Connection<unknown, unknown>;

function factsOf(connection: AnyConnection): AnyConnection {
  const { id, listener, remote, local, secure, bytesRead, bytesWritten } = connection;
  return Object.freeze({ id, listener, remote, local, secure, bytesRead, bytesWritten }) as AnyConnection;
}
