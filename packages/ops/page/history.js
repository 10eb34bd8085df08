// The last minutes, kept here: they outlive a restart of the server.

/**
 * @typedef {import('../src/report.js').OperationsReport} OperationsReport
 * @typedef {import('../src/recorder.js').Sample} Sample
 * @typedef {import('../src/recorder.js').ListenerSample} ListenerSample
 */

/**
 * What the charts show at one moment. What happened per second is measured since the sample before, and is `undefined` where there is
 * none that it could be compared with.
 *
 * @typedef {object} Point
 * @property {number} time
 * @property {boolean} restarted whether the server is another one than before
 * @property {number} active
 * @property {number} waiting
 * @property {number} busy
 * @property {number | undefined} accepted
 * @property {number | undefined} rejected
 * @property {number | undefined} messagesIn
 * @property {number | undefined} messagesOut
 * @property {number | undefined} bytesIn
 * @property {number | undefined} bytesOut
 * @property {number | undefined} cpu parts of a core
 * @property {number} delayMedian
 * @property {number} delayHigh
 * @property {number} delayWorst
 */

/** How far back the charts go, in milliseconds. */
export const SPAN = 300_000;

/** Samples further apart than this, in milliseconds, have nothing to do with each other. */
export const GAP = 12_000;

/** Over how long a rate in figures is taken, in milliseconds: shorter, and it could not be read. */
const CALM = 5_000;

/** @param {Readonly<Record<string, number | undefined>>} counts */
export function total(counts) {
  return Object.values(counts).reduce((/** @type {number} */ sum, count) => sum + (count ?? 0), 0);
}

export class Timeline {
  /** @type {{ sample: Sample, started: number }[]} */
  #entries = [];

  /** The time of the newest sample, on the server's clock; 0 if there is none. */
  get newest() {
    return this.#entries.at(-1)?.sample.time ?? 0;
  }

  /** @param {OperationsReport} report */
  add({ samples = [], process, time }) {
    const { started } = process;
    // The server's clock was set back: nothing of what comes would be newer for a while.
    if (time < this.newest - GAP) this.#entries = [];
    const newest = this.newest;
    for (const sample of samples) if (sample.time > newest) this.#entries.push({ sample, started });
    const oldest = this.newest - SPAN - GAP;
    this.#entries = this.#entries.filter(({ sample }) => sample.time >= oldest);
  }

  /**
   * The points of the charts, the oldest first.
   *
   * @param {string | undefined} listener the one that is looked at; without, all
   * @returns {Point[]}
   */
  points(listener) {
    return this.#entries.map((entry, index) => this.#point(entry, this.#entries[index - 1], listener));
  }

  /**
   * What happened per second lately.
   *
   * @param {string | undefined} listener
   */
  lately(listener) {
    const last = this.#entries.at(-1);
    if (last === undefined) return undefined;
    const before = this.#entries.findLast(({ sample }) => sample.time <= last.sample.time - CALM);
    return this.#point(last, before ?? this.#entries[0], listener);
  }

  /**
   * How much something was counted up within the span.
   *
   * @param {string | undefined} listener
   * @param {(figures: ListenerSample) => number} value
   */
  more(listener, value) {
    let sum = 0;
    for (const [index, { sample, started }] of this.#entries.entries()) {
      const before = this.#entries[index - 1];
      if (before?.started === started) sum += increase(chosen(sample, listener), before.sample, value);
    }
    return sum;
  }

  /**
   * @param {{ sample: Sample, started: number }} entry
   * @param {{ sample: Sample, started: number } | undefined} before
   * @param {string | undefined} listener
   * @returns {Point}
   */
  #point({ sample, started }, before, listener) {
    const restarted = before !== undefined && before.started !== started;
    const seconds = before === undefined ? 0 : (sample.time - before.sample.time) / 1_000;
    const comparable = before !== undefined && !restarted && seconds > 0 && seconds * 1_000 < GAP;
    const figures = chosen(sample, listener);
    const now = (/** @type {(figures: ListenerSample) => number} */ value) =>
      figures.reduce((sum, [, each]) => sum + value(each), 0);
    const perSecond = (/** @type {(figures: ListenerSample) => number} */ value) => {
      return comparable ? increase(figures, before.sample, value) / seconds : undefined;
    };
    return {
      time: sample.time,
      restarted,
      active: now(({ active }) => active),
      waiting: now(({ waiting }) => waiting),
      busy: now(({ busy }) => busy),
      accepted: perSecond(({ accepted }) => accepted),
      rejected: perSecond(({ rejected }) => total(rejected)),
      messagesIn: perSecond(({ messagesIn }) => messagesIn),
      messagesOut: perSecond(({ messagesOut }) => messagesOut),
      bytesIn: perSecond(({ bytesIn }) => bytesIn),
      bytesOut: perSecond(({ bytesOut }) => bytesOut),
      cpu: comparable ? Math.max(0, sample.cpuSeconds - before.sample.cpuSeconds) / seconds : undefined,
      delayMedian: sample.eventLoopDelay.p50,
      delayHigh: sample.eventLoopDelay.p99,
      delayWorst: sample.eventLoopDelay.max,
    };
  }
}

/**
 * How much more something was counted in the figures than in the sample before.
 *
 * @param {[name: string, figures: ListenerSample][]} figures
 * @param {Sample} before
 * @param {(figures: ListenerSample) => number} value
 */
function increase(figures, before, value) {
  return figures.reduce((sum, [name, each]) => {
    const earlier = before.listeners[name];
    // A listener of that name may have stopped, and another one started.
    return sum + Math.max(0, value(each) - (earlier === undefined ? 0 : value(earlier)));
  }, 0);
}

/**
 * @param {Sample} sample
 * @param {string | undefined} listener
 */
function chosen({ listeners }, listener) {
  return Object.entries(listeners).filter(([name]) => listener === undefined || name === listener);
}
