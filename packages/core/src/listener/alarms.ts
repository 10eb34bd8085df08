import type { Alarm } from '../descriptor/descriptor.js';
import { channels } from '../telemetry/channels.js';
import type { Logger } from '../telemetry/logger.js';
import type { Listener } from './listener.js';

/** Announces that the number of connections has reached a threshold, and is then silent about it for its cooldown. */
export class Alarms {
  readonly #alarms: readonly Alarm[];
  readonly #quietUntil: number[];
  readonly #listener: Listener;
  readonly #logger: Logger;

  constructor(alarms: readonly Alarm[], listener: Listener, logger: Logger) {
    this.#alarms = alarms;
    this.#quietUntil = alarms.map(() => -Infinity);
    this.#listener = listener;
    this.#logger = logger;
  }

  check(connections: number): void {
    this.#alarms.forEach((alarm, index) => {
      if (connections < alarm.connections) return;
      const now = performance.now();
      if (now < (this.#quietUntil[index] ?? 0)) return;
      this.#quietUntil[index] = now + alarm.cooldown;
      this.#logger.warn(
        { listener: this.#listener.name, connections, threshold: alarm.connections },
        'connections have reached an alarm',
      );
      if (channels.listenerAlarm.hasSubscribers) {
        channels.listenerAlarm.publish({ listener: this.#listener, threshold: alarm.connections, connections });
      }
    });
  }
}
