// Asks for the figures, again and again, and shows them.

import { Chart } from './chart.js';
import { byId, setText } from './document.js';
import {
  formatByteRate,
  formatBytes,
  formatCount,
  formatDelay,
  formatDuration,
  formatPercent,
  formatRate,
  formatTime,
} from './format.js';
import { Timeline, total } from './history.js';
import { byReason, closings, listenerRows, reasonRows, rejections, spellOutRoles, workerRows } from './tables.js';

/**
 * @typedef {import('./chart.js').ChartOptions} ChartOptions
 * @typedef {import('./history.js').OperationsReport} OperationsReport
 */

/** Milliseconds between two requests while the page is seen. */
const SEEN_INTERVAL = 1_000;

/** And while it is not, for its title. */
const UNSEEN_INTERVAL = 10_000;

/** How long an answer may take, in milliseconds. */
const PATIENCE = 5_000;

const timeline = new Timeline();
/** @type {OperationsReport | undefined} */
let report;
/** The listener that is looked at; without, all.
 * @type {string | undefined} */
let selected;
/** The time that somebody points to.
 * @type {number | undefined} */
let pointed;
/** When the server stopped answering, on this machine's clock.
 * @type {number | undefined} */
let lostSince;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let isAsking = false;

/** @type {ChartOptions[]} */
const chartOptions = [
  {
    title: 'Connections',
    format: formatCount,
    least: 4,
    lines: [
      { label: 'open', look: 'first', value: ({ active }) => active },
      { label: 'waiting for room', look: 'bad', value: ({ waiting }) => waiting },
    ],
  },
  {
    title: 'New connections',
    format: formatRate,
    least: 2,
    lines: [
      { label: 'accepted', look: 'first', value: ({ accepted }) => accepted },
      { label: 'rejected', look: 'bad', value: ({ rejected }) => rejected },
    ],
  },
  {
    title: 'Messages',
    format: formatRate,
    least: 2,
    lines: [
      { label: 'in', look: 'first', value: ({ messagesIn }) => messagesIn },
      { label: 'out', look: 'second', value: ({ messagesOut }) => messagesOut },
    ],
  },
  {
    title: 'Throughput',
    format: formatByteRate,
    least: 1_000,
    lines: [
      { label: 'in', look: 'first', value: ({ bytesIn }) => bytesIn },
      { label: 'out', look: 'second', value: ({ bytesOut }) => bytesOut },
    ],
  },
  {
    title: 'Acceptors',
    format: formatCount,
    least: 4,
    lines: [{ label: 'connections being set up', look: 'first', value: ({ busy }) => busy }],
  },
  {
    title: 'Event-loop delay',
    format: formatDelay,
    least: 20,
    lines: [
      { label: '99th percentile', look: 'first', value: ({ delayHigh }) => delayHigh },
      { label: 'median', look: 'second', value: ({ delayMedian }) => delayMedian },
      { label: 'worst', look: 'third', value: ({ delayWorst }) => delayWorst },
    ],
  },
];

const charts = chartOptions.map((options) => new Chart(byId('charts'), options, pointTo));

const listeners = listenerRows(byId('listeners'));
const workers = workerRows(byId('workers'));
const rejectedRows = reasonRows(byId('rejected'), rejections, true);
const closedRows = reasonRows(byId('closed'), closings, false);

/**
 * Says something to who does not see the page.
 *
 * @param {string} text
 */
function announce(text) {
  setText(byId('announcement'), text);
}

/** @param {number | undefined} time */
function pointTo(time) {
  if (time === pointed) return;
  pointed = time;
  showCharts();
}

function showCharts() {
  const points = timeline.points(selected);
  const lately = timeline.lately(selected);
  for (const chart of charts) chart.show(points, lately, pointed);
  const ago = pointed === undefined ? 0 : timeline.newest - pointed;
  setText(byId('reading'), pointed === undefined ? '' : `at ${formatTime(pointed)}, ${formatDuration(ago)} ago`);
}

/** @param {OperationsReport} shown */
function showState(shown) {
  const { title, readiness, process, time } = shown;
  const state = readiness.ready ? 'ready' : 'unready';
  const text = readiness.ready ? 'Ready' : 'Not ready';
  const pill = byId('readiness');
  if (pill.dataset.state !== 'unknown' && pill.dataset.state !== state) {
    announce(`${text}. ${readiness.reasons.join(', ')}`);
  }
  pill.dataset.state = state;
  setText(byId('readiness-text'), text);
  setText(byId('reasons'), readiness.reasons.join(', '));
  setText(byId('title'), title);
  setTitle(`${readiness.ready ? '' : '✗ '}${title}`, state);
  setText(byId('fact-kind'), shown.workers === undefined ? 'Process' : 'Supervisor');
  setText(byId('fact-process'), `${process.pid} on ${process.host}`);
  setText(byId('fact-uptime'), formatDuration(time - process.started));
  const cpu = timeline.lately(undefined)?.cpu;
  setText(byId('fact-cpu'), cpu === undefined ? '–' : formatPercent(cpu));
  setText(byId('fact-memory'), formatBytes(process.residentBytes));
  setText(byId('fact-updated'), formatTime(time));
  setText(byId('versions'), `reagent ${process.reagent} on Node.js ${process.node.slice(1)}`);
}

/**
 * @param {string} title
 * @param {'ready' | 'unready' | 'lost'} state
 */
function setTitle(title, state) {
  if (document.title !== title) document.title = title;
  const colours = { ready: '#2e9e6b', unready: '#d1383d', lost: '#8a8f98' };
  const image = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colours[state]}"/></svg>`;
  const address = `data:image/svg+xml,${encodeURIComponent(image)}`;
  const icon = /** @type {HTMLLinkElement} */ (byId('icon'));
  if (icon.href !== address) icon.href = address;
}

/** @param {OperationsReport} shown */
function showFilter(shown) {
  const filter = byId('filter');
  const names = shown.listeners.map(({ name }) => name);
  const known = [...filter.querySelectorAll('input')].map(({ value }) => value).filter((value) => value !== '');
  filter.hidden = names.length < 2;
  if (names.join('\n') === known.join('\n')) return;
  if (selected !== undefined && !names.includes(selected)) selected = undefined;
  const focused = document.activeElement instanceof HTMLInputElement ? document.activeElement.value : undefined;
  for (const label of filter.querySelectorAll('label')) label.remove();
  for (const name of ['', ...names]) {
    const label = document.createElement('label');
    const input = document.createElement('input');
    input.type = 'radio';
    input.name = 'listener';
    input.value = name;
    input.checked = name === (selected ?? '');
    input.addEventListener('change', () => {
      selected = name === '' ? undefined : name;
      pointed = undefined;
      show();
    });
    const text = document.createElement('span');
    text.textContent = name === '' ? 'All listeners' : name;
    label.append(input, text);
    filter.append(label);
    if (focused === name) input.focus();
  }
}

/** @param {OperationsReport} shown */
function showTables(shown) {
  listeners.show(
    shown.listeners.map((listener) => [
      listener.name,
      {
        listener,
        lately: timeline.lately(listener.name),
        rejections: timeline.more(listener.name, ({ rejected }) => total(rejected)),
        errors: timeline.more(listener.name, ({ handlerErrors }) => handlerErrors),
        handshakes: timeline.more(listener.name, ({ handshakesFailed }) => handshakesFailed),
      },
    ]),
  );
  const { processes = [] } = shown.workers ?? {};
  byId('workers-section').hidden = shown.workers === undefined;
  // While one replaces another, there are two of one number.
  workers.show(processes.map((worker, index) => [`${worker.id} ${worker.pid ?? index}`, worker]));
  byId('listeners-none').hidden = shown.listeners.length > 0;
  const chosenOnes = shown.listeners.filter(({ name }) => selected === undefined || name === selected);
  const rejected = byReason(
    chosenOnes.map(({ connections }) => connections.rejected),
    (reason) => timeline.more(selected, (figures) => figures.rejected[/** @type {'accept'} */ (reason)] ?? 0),
  );
  rejectedRows.show(rejected);
  showEmpty('rejected', rejected.length === 0);
  const closed = byReason(
    chosenOnes.map(({ connections }) => connections.closed),
    () => 0,
  );
  closedRows.show(closed);
  showEmpty('closed', closed.length === 0);
}

/**
 * @param {string} id
 * @param {boolean} isEmpty
 */
function showEmpty(id, isEmpty) {
  byId(`${id}-none`).hidden = !isEmpty;
  const table = byId(id).closest('table');
  if (table !== null) table.hidden = isEmpty;
}

function showLost() {
  const lost = byId('lost');
  lost.hidden = lostSince === undefined;
  document.body.classList.toggle('is-lost', lostSince !== undefined);
  if (lostSince === undefined) return;
  setText(
    lost,
    `No answer since ${formatTime(lostSince)}. Asking again until there is one; what is shown is from before.`,
  );
  if (report !== undefined) setTitle(`? ${report.title}`, 'lost');
}

function show() {
  showLost();
  if (report === undefined || lostSince !== undefined) return;
  showFilter(report);
  showCharts();
  showState(report);
  showTables(report);
}

async function ask() {
  const response = await fetch(`stats.json?since=${timeline.newest}`, {
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return /** @type {Promise<OperationsReport>} */ (response.json());
}

async function refresh() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    report = await ask();
    timeline.add(report);
    if (lostSince !== undefined) announce('The server answers again.');
    lostSince = undefined;
  } catch {
    // It restarts, or the network is down: that is shown, and it is asked again.
    if (lostSince === undefined) announce('The server does not answer.');
    lostSince ??= Date.now();
  }
  isAsking = false;
  show();
  timer = setTimeout(refresh, document.hidden ? UNSEEN_INTERVAL : SEEN_INTERVAL);
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});

spellOutRoles();
void refresh();
