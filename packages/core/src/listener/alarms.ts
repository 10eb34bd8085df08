import type { Alarm } from '../descriptor/descriptor.js';
import { channels } from '../telemetry/channels.js';
import type { FloodGate } from '../telemetry/flood-gate.js';
import type { Listener } from './listener.js';

/** Announces that the number of connections has reached a threshold, and is then silent about it for its cooldown. */
export class Alarms {
  readonly #alarms: readonly Alarm[];
  readonly #quietUntil: number[];
  readonly #listener: Listener;
  readonly #gate: FloodGate;

  constructor(alarms: readonly Alarm[], listener: Listener, gate: FloodGate) {
    this.#alarms = alarms;
    this.#quietUntil = alarms.map(() => -Infinity);
    this.#listener = listener;
    this.#gate = gate;
  }

  check(connections: number): void {
    this.#alarms.forEach((alarm, index) => {
      if (connections < alarm.connections) return;
      const now = performance.now();
      if (now < (this.#quietUntil[index] ?? 0)) return;
      this.#quietUntil[index] = now + alarm.cooldown;
      const fields = { connections, threshold: alarm.connections };
      // A cooldown may be as short as one likes.
      this.#gate.write('warn', 'connections have reached an alarm', () => fields, String(alarm.connections));
      if (channels.listenerAlarm.hasSubscribers) {
        channels.listenerAlarm.publish({ listener: this.#listener, threshold: alarm.connections, connections });
      }
    });
  }
}
