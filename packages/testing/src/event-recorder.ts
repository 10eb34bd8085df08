import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type ChannelMessages, channelNames, type Listener } from '@reagent/core';

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
}
