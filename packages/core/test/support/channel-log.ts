import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { type ChannelMessages, channelNames, type HookEvent, type Listener } from '@reagent/core';
import { until } from './until.js';

/** What the tracing channel of hooks tells. */
const moments = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;

/** Notes, in order, what is told on all channels about one listener. `using` ends it. */
export class ChannelLog implements Disposable {
  /** Such as `'open'`, `'data:start'`, `'data:end'`, `'close'`. */
  readonly told: string[] = [];
  readonly #messages: { readonly name: string; readonly message: unknown }[] = [];
  readonly #listener: string;
  readonly #hooks: Record<(typeof moments)[number], (event: HookEvent) => void>;
  readonly #tracing = tracingChannel<unknown, HookEvent>('reagent:hook');
  readonly #noted = (message: unknown, name: string | symbol): void => {
    const { listener, owner } = message as { readonly listener?: Listener; readonly owner?: string };
    if ((listener?.name ?? owner) !== this.#listener) return;
    this.told.push(String(name).replace(/^reagent:(?:listener:|connection:)?/, ''));
    this.#messages.push({ name: String(name), message });
  };

  /** @param listener its name */
  constructor(listener: string) {
    this.#listener = listener;
    for (const name of channelNames) subscribe(name, this.#noted);
    const note = (moment: string) => (event: HookEvent) => {
      if (event.listener.name === listener) this.told.push(`${event.hook}:${moment}`);
    };
    this.#hooks = {
      start: note('start'),
      end: note('end'),
      asyncStart: note('asyncStart'),
      asyncEnd: note('asyncEnd'),
      error: note('error'),
    };
    this.#tracing.subscribe(this.#hooks);
  }

  /** All messages of a channel so far. */
  of<Name extends keyof ChannelMessages>(name: Name): ChannelMessages[Name][] {
    return this.#messages.filter((one) => one.name === name).map(({ message }) => message as ChannelMessages[Name]);
  }

  /** Waits until a channel has told this many messages, and returns the last of them. */
  async last<Name extends keyof ChannelMessages>(name: Name, count = 1): Promise<ChannelMessages[Name]> {
    await until(() => this.of(name).length >= count);
    return this.of(name)[count - 1] as ChannelMessages[Name];
  }

  [Symbol.dispose](): void {
    for (const name of channelNames) unsubscribe(name, this.#noted);
    this.#tracing.unsubscribe(this.#hooks);
  }
}
