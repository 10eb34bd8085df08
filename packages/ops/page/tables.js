// The tables: rows that stay where they are while their figures change.

import { setText, span } from './document.js';
import { formatByteRate, formatBytes, formatCount, formatDelay, formatPercent, formatRate } from './format.js';
import { total } from './history.js';

/**
 * @typedef {import('./history.js').OperationsReport} OperationsReport
 * @typedef {import('./history.js').Point} Point
 */

/** What the reasons mean, and what to look at. */
export const rejections = {
  maxConnections: 'No room under maxConnections, and the queue was full.',
  maxConnectionsPerIp: 'One address had as many connections as it may.',
  acceptRate: 'One address came faster than acceptRate allows.',
  fileDescriptors: 'The process is running out of file descriptors: raise ulimit -n, or set maxConnections.',
  wait: 'It waited for room longer than timeouts.wait.',
  untrusted: 'It did not come from a network that proxyProtocol trusts.',
  proxyHeader: 'The PROXY header was missing, invalid or late.',
  accept: '@OnAccept turned it away, threw, or took too long.',
  handshake: 'The TLS handshake failed or took too long.',
  client: 'It was gone before it could be served.',
  shutdown: 'The listener was stopping.',
};

export const closings = {
  client: 'The client ended it, and all was answered.',
  server: 'The server ended it.',
  reset: 'The client reset it, or the network lost it.',
  timeout: 'A time limit passed.',
  error: 'A handler threw, or the input was refused.',
  shutdown: 'The listener or the application stopped.',
};

const roles = { table: 'table', 'thead, tbody': 'rowgroup', tr: 'row', 'thead th': 'columnheader' };

/**
 * Says what the parts of the tables are: some browsers forget it where a table is laid out as something else, a list for one.
 */
export function spellOutRoles() {
  for (const [selector, role] of Object.entries(roles)) {
    for (const element of document.querySelectorAll(selector)) element.setAttribute('role', role);
  }
}

/**
 * A cell, with the name of its column for where the table is shown as a list.
 *
 * @param {string} column
 * @param {string} className
 */
function cell(column, className = '') {
  const element = document.createElement('td');
  element.setAttribute('role', 'cell');
  element.dataset.column = column;
  element.className = className;
  return element;
}

/**
 * The cell that says what its row is about.
 *
 * @param {...HTMLElement} content
 */
function headCell(...content) {
  const element = document.createElement('th');
  element.setAttribute('role', 'rowheader');
  element.scope = 'row';
  element.append(...content);
  return element;
}

/** How full something is: a number in words, and a bar where there is a limit. */
class Meter {
  element = span('meter');
  #text = span('amount');
  #bar = span('fill');

  constructor() {
    const track = span('track');
    track.append(this.#bar);
    this.element.append(this.#text, track);
  }

  /**
   * @param {string} text
   * @param {number} value
   * @param {number | null} limit without one, there is no bar
   */
  show(text, value, limit) {
    setText(this.#text, text);
    const part = limit === null ? 0 : Math.min(1, value / limit);
    this.element.dataset.level = limit === null ? 'none' : part >= 0.95 ? 'full' : part >= 0.8 ? 'high' : 'fine';
    this.#bar.style.inlineSize = `${(part * 100).toFixed(1)}%`;
  }
}

/**
 * A table whose rows have a key each.
 *
 * @template Item
 */
class Rows {
  #body;
  #make;
  /** @type {Map<string, { element: HTMLTableRowElement, update: (item: Item) => void }>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} body
   * @param {(row: HTMLTableRowElement) => (item: Item) => void} make fills a new row, and returns what updates it
   */
  constructor(body, make) {
    this.#body = body;
    this.#make = make;
  }

  /** @param {readonly (readonly [key: string, item: Item])[]} items in the order in which they are shown */
  show(items) {
    const keys = new Set(items.map(([key]) => key));
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    for (const [index, [key, item]] of items.entries()) {
      const row = this.#rows.get(key) ?? this.#add(key);
      row.update(item);
      const there = this.#body.children[index] ?? null;
      if (there !== row.element) this.#body.insertBefore(row.element, there);
    }
  }

  /** @param {string} key */
  #add(key) {
    const element = document.createElement('tr');
    element.setAttribute('role', 'row');
    const row = { element, update: this.#make(element) };
    this.#rows.set(key, row);
    return row;
  }
}

/**
 * @typedef {OperationsReport['listeners'][number]} ListenerReport
 *
 * A listener, what happens there per second, and what has happened in the last minutes.
 *
 * @typedef {{ listener: ListenerReport, lately: Point | undefined, rejections: number, errors: number, handshakes: number }} ListenerRow
 */

/** @param {HTMLElement} body */
export function listenerRows(body) {
  return new Rows(body, (row) => {
    const name = span('name');
    const status = span('status');
    const address = span('soft address');
    const connections = cell('Connections');
    const open = new Meter();
    const waiting = span('soft');
    connections.append(open.element, waiting);
    const acceptors = cell('Acceptors busy');
    const busy = new Meter();
    const queued = span('soft');
    acceptors.append(busy.element, queued);
    const two = (/** @type {string} */ column) => {
      const element = cell(column, 'number');
      const first = span('');
      const second = span('soft');
      element.append(first, second);
      return { element, first, second };
    };
    const accepted = two('Accepted');
    const rejected = two('Rejected');
    const messages = two('Messages in / out');
    const bytes = two('Bytes in / out');
    const failures = two('Errors');
    const numbers = [accepted, rejected, messages, bytes, failures];
    row.append(headCell(name, status, address), connections, acceptors, ...numbers.map(({ element }) => element));

    return (/** @type {ListenerRow} */ { listener, lately, rejections, errors, handshakes }) => {
      setText(name, listener.name);
      setText(status, listener.status);
      status.dataset.status = listener.status;
      setText(address, `${placeOf(listener)}${listener.secure ? ', TLS' : ''}`);
      const { active, waiting: clients } = listener.connections;
      // In JSON there is no Infinity.
      const limit = /** @type {number | null} */ (listener.maxConnections);
      open.show(
        limit === null ? formatCount(active) : `${formatCount(active)} of ${formatCount(limit)}`,
        active,
        limit,
      );
      setText(waiting, clients === 0 ? '' : `${formatCount(clients)} waiting`);
      const { size, busy: used, waiting: admitted } = listener.acceptors;
      busy.show(`${formatCount(used)} of ${formatCount(size)}`, used, size);
      setText(queued, admitted === 0 ? '' : `${formatCount(admitted)} waiting`);
      setText(accepted.first, formatCount(listener.connections.accepted));
      setText(accepted.second, rate(lately?.accepted));
      setText(rejected.first, formatCount(total(listener.connections.rejected)));
      setText(rejected.second, rejections === 0 ? '' : `${formatCount(rejections)} in 5 min`);
      rejected.element.dataset.alarm = String(rejections > 0);
      setText(messages.first, `${formatCount(listener.messages.in)} / ${formatCount(listener.messages.out)}`);
      setText(messages.second, pairOfRates(lately?.messagesIn, lately?.messagesOut, formatRate));
      setText(bytes.first, `${formatBytes(listener.bytes.in)} / ${formatBytes(listener.bytes.out)}`);
      setText(bytes.second, pairOfRates(lately?.bytesIn, lately?.bytesOut, formatByteRate));
      setText(failures.first, formatCount(listener.handlerErrors + total(listener.tls.failed)));
      setText(
        failures.second,
        [
          ...(errors === 0 ? [] : [`${formatCount(errors)} in 5 min`]),
          ...(handshakes === 0 ? [] : [`${formatCount(handshakes)} TLS in 5 min`]),
        ].join(', '),
      );
      failures.element.dataset.alarm = String(errors + handshakes > 0);
    };
  });
}

/** @typedef {NonNullable<OperationsReport['workers']>['processes'][number]} WorkerReport */

/**
 * @param {HTMLElement} body
 * @returns {Rows<WorkerReport>}
 */
export function workerRows(body) {
  return new Rows(body, (row) => {
    const name = span('name');
    const status = span('status');
    const pid = span('soft');
    const connections = cell('Connections', 'number');
    const accepted = cell('Accepted', 'number');
    const rejected = cell('Rejected', 'number');
    const cpu = cell('CPU', 'number');
    const memory = cell('Memory', 'number');
    const delay = cell('Loop delay', 'number');
    const restarts = cell('Restarts', 'number');
    row.append(headCell(name, status, pid), connections, accepted, rejected, cpu, memory, delay, restarts);

    return (/** @type {WorkerReport} */ worker) => {
      const figures = Object.values(worker.listeners);
      const sum = (/** @type {(listener: WorkerReport['listeners'][string]) => number} */ value) =>
        formatCount(figures.reduce((all, each) => all + value(each), 0));
      setText(name, `${worker.id}`);
      setText(status, worker.status);
      status.dataset.status = worker.status;
      setText(pid, worker.pid === undefined ? '' : `process ${worker.pid}`);
      setText(
        connections,
        sum((listener) => listener.connections.active),
      );
      setText(
        accepted,
        sum((listener) => listener.connections.accepted),
      );
      setText(
        rejected,
        sum((listener) => total(listener.connections.rejected)),
      );
      const { condition } = worker;
      setText(cpu, condition === undefined ? '–' : formatPercent(condition.cpu));
      setText(memory, condition === undefined ? '–' : formatBytes(condition.residentBytes));
      setText(delay, condition === undefined ? '–' : formatDelay(condition.eventLoopDelay.p99));
      setText(restarts, formatCount(worker.restarts));
      restarts.dataset.alarm = String(worker.restarts > 0);
    };
  });
}

/** @param {ListenerReport} listener */
function placeOf({ address, port }) {
  if (port === 0) return address;
  if (address === '::' || address === '0.0.0.0') return `port ${port}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** @param {number | undefined} value */
function rate(value) {
  return value === undefined ? '–' : formatRate(value);
}

/**
 * @param {number | undefined} first
 * @param {number | undefined} second
 * @param {(value: number) => string} format
 */
function pairOfRates(first, second, format) {
  if (first === undefined || second === undefined) return '–';
  return `${format(first)} / ${format(second)}`;
}

/**
 * @param {HTMLElement} body
 * @param {Readonly<Record<string, string>>} meanings
 * @param {boolean} withLately whether there is a column of the last minutes
 */
export function reasonRows(body, meanings, withLately) {
  return new Rows(body, (row) => {
    const name = span('name');
    const meaning = span('soft');
    const lately = cell('5 minutes', 'number');
    const always = cell('Since start', 'number');
    row.append(headCell(name, meaning), ...(withLately ? [lately, always] : [always]));
    return (/** @type {{ reason: string, lately: number, always: number }} */ item) => {
      setText(name, item.reason);
      setText(meaning, meanings[item.reason] ?? '');
      setText(lately, formatCount(item.lately));
      lately.dataset.alarm = String(item.lately > 0);
      setText(always, formatCount(item.always));
    };
  });
}

/**
 * The counts of several listeners by reason, added up, without those that are zero; the largest first.
 *
 * @param {readonly Readonly<Record<string, number>>[]} counts
 * @param {(reason: string) => number} lately how many of them in the last minutes
 * @returns {[string, { reason: string, lately: number, always: number }][]}
 */
export function byReason(counts, lately) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const each of counts) {
    for (const [reason, count] of Object.entries(each)) sums.set(reason, (sums.get(reason) ?? 0) + count);
  }
  return [...sums]
    .map(([reason, always]) => ({ reason, always, lately: lately(reason) }))
    .filter((item) => item.always > 0 || item.lately > 0)
    .sort((a, b) => b.lately - a.lately || b.always - a.always)
    .map((item) => [item.reason, item]);
}
