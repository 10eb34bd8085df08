// A chart of the last minutes: lines over time, drawn by hand.

import { setText, span } from './document.js';
import { formatMinute, formatTime } from './format.js';
import { GAP, SPAN } from './history.js';

/**
 * @typedef {import('./history.js').Point} Point
 *
 * @typedef {object} Line
 * @property {string} label
 * @property {(point: Point) => number | undefined} value
 * @property {'first' | 'second' | 'third' | 'bad'} look
 *
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {(value: number) => string} format
 * @property {number} least the scale reaches at least so far, so that what does not matter looks like it
 * @property {readonly Line[]} lines each is drawn above those before it
 */

const svgNamespace = 'http://www.w3.org/2000/svg';
const minute = 60_000;
const margin = { top: 8, right: 4, bottom: 20 };

/** The width of a character of the scale, in pixels, and its distance from the lines. */
const character = 6.4;
const distance = 10;

/**
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Readonly<Record<string, string | number>>} attributes
 * @returns {SVGElementTagNameMap[Name]}
 */
function svg(name, attributes, text = '') {
  const element = document.createElementNS(svgNamespace, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== '') element.textContent = text;
  return element;
}

/**
 * The next number above that is round, and of which the half is round too.
 *
 * @param {number} value
 */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = power > 1 ? [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10] : [1, 2, 4, 6, 8, 10];
  return power * (steps.find((step) => step * power >= value) ?? 10);
}

export class Chart {
  /** @type {ChartOptions} */
  #options;
  /** @type {readonly Point[]} */
  #points = [];
  /** @type {number | undefined} */
  #cursor;
  #svg;
  #plot;
  /** @type {HTMLElement[]} */
  #values = [];
  #width = 0;
  /** Where the lines begin: behind the longest text of the scale. */
  #left = 0;
  #height = 0;

  /**
   * @param {HTMLElement} parent
   * @param {ChartOptions} options
   * @param {(time: number | undefined) => void} pointed is told to which time somebody points
   */
  constructor(parent, options, pointed) {
    this.#options = options;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById('chart'));
    const figure = /** @type {HTMLElement} */ (
      /** @type {Element} */ (template.content.firstElementChild).cloneNode(true)
    );
    const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (figure.querySelector(selector));
    find('h3').textContent = options.title;
    this.#plot = find('.plot');
    this.#svg = /** @type {SVGSVGElement} */ (figure.querySelector('.plot svg'));
    for (const { label, look } of options.lines) {
      const item = document.createElement('li');
      item.dataset.look = look;
      const value = span('value');
      const name = span('label');
      const sign = svg('svg', { viewBox: '0 0 18 8', class: 'sign', 'aria-hidden': 'true' });
      sign.append(svg('line', { x1: 1, y1: 4, x2: 17, y2: 4 }));
      name.append(sign, label);
      item.append(value, ' ', name);
      find('.readouts').append(item);
      this.#values.push(value);
    }
    this.#plot.setAttribute('aria-label', `${options.title}, moment of the last 5 minutes`);
    parent.append(figure);
    this.#listen(pointed);
    new ResizeObserver(([entry]) => {
      this.#width = Math.round(entry?.contentRect.width ?? 0);
      this.#height = Math.round(entry?.contentRect.height ?? 0);
      this.#draw();
    }).observe(this.#plot);
  }

  /**
   * @param {readonly Point[]} points
   * @param {Point | undefined} lately what the figures show while nobody points anywhere
   * @param {number | undefined} cursor the time that somebody points to
   */
  show(points, lately, cursor) {
    const { lines, format } = this.#options;
    this.#points = points;
    const shown = this.#pointAt(cursor) ?? lately;
    const readings = lines.map(({ label, value }, index) => {
      const found = shown === undefined ? undefined : value(shown);
      const text = found === undefined ? '–' : format(found);
      setText(/** @type {HTMLElement} */ (this.#values[index]), text);
      return `${label} ${text}`;
    });
    if (cursor !== this.#cursor) {
      // Only then, or who listens to it would be told every second.
      const ago = cursor === undefined ? 0 : cursor - this.#newest;
      this.#plot.setAttribute('aria-valuenow', String(Math.round(ago / 1_000)));
      const text = cursor === undefined ? 'now' : `${formatTime(cursor)}: ${readings.join(', ')}`;
      this.#plot.setAttribute('aria-valuetext', text);
    }
    this.#cursor = cursor;
    this.#draw();
  }

  /** @param {number | undefined} time */
  #pointAt(time) {
    if (time === undefined) return undefined;
    return this.#points.findLast((point) => point.time <= time) ?? this.#points[0];
  }

  get #newest() {
    return this.#points.at(-1)?.time ?? 0;
  }

  get #from() {
    return this.#newest - SPAN;
  }

  /** @param {(time: number | undefined) => void} pointed */
  #listen(pointed) {
    const plot = this.#plot;
    plot.addEventListener('pointermove', (event) => {
      const { left, width } = plot.getBoundingClientRect();
      const part = (event.clientX - left - this.#left) / (width - this.#left - margin.right);
      pointed(this.#pointAt(this.#from + Math.min(1, Math.max(0, part)) * SPAN)?.time);
    });
    plot.addEventListener('pointerleave', () => pointed(undefined));
    plot.addEventListener('blur', () => pointed(undefined));
    plot.addEventListener('keydown', (event) => {
      const last = this.#points.length - 1;
      const index =
        this.#cursor === undefined ? last : this.#points.findLastIndex(({ time }) => time <= (this.#cursor ?? 0));
      const step = event.shiftKey ? 10 : 1;
      const targets = { ArrowLeft: index - step, ArrowRight: index + step, Home: 0, End: last };
      if (event.key === 'Escape') return pointed(undefined);
      if (!(event.key in targets)) return undefined;
      event.preventDefault();
      const target = targets[/** @type {keyof typeof targets} */ (event.key)];
      return pointed(this.#points[Math.min(last, Math.max(0, target))]?.time);
    });
  }

  #draw() {
    const width = this.#width;
    const height = this.#height;
    if (width === 0 || height === 0) return;
    const { lines, format, least } = this.#options;
    const points = this.#points;
    const from = this.#from;
    const highest = Math.max(least, ...points.flatMap((point) => lines.map(({ value }) => value(point) ?? 0)));
    const top = niceCeiling(highest);
    const bottom = height - margin.bottom;
    const levels = [0, top / 2, top];
    const left = Math.ceil(distance + character * Math.max(...levels.map((level) => format(level).length)));
    this.#left = left;
    const x = (/** @type {number} */ time) => left + ((time - from) / SPAN) * (width - left - margin.right);
    const y = (/** @type {number} */ value) => bottom - (value / top) * (bottom - margin.top);

    const parts = [];
    for (const level of levels) {
      parts.push(svg('line', { class: 'grid', x1: left, x2: width, y1: y(level), y2: y(level) }));
      parts.push(svg('text', { class: 'tick level', x: left - distance, y: y(level) + 4 }, format(level)));
    }
    if (points.length > 0) {
      for (let time = Math.ceil(from / minute) * minute; time <= from + SPAN; time += minute) {
        const place = x(time);
        if (place < left + 14 || place > width - 16) continue;
        parts.push(svg('text', { class: 'tick time', x: place, y: height - 5 }, formatMinute(time)));
      }
    }
    for (const { time } of points.filter(({ restarted, time }) => restarted && time >= from)) {
      parts.push(svg('line', { class: 'restart', x1: x(time), x2: x(time), y1: margin.top, y2: bottom }));
      parts.push(svg('text', { class: 'tick restarted', x: x(time) - 4, y: bottom - 5 }, 'restart'));
    }
    for (const line of lines) parts.push(...this.#line(line, x, y, bottom, line === lines[0]));
    const pointed = this.#pointAt(this.#cursor);
    if (pointed !== undefined) {
      const place = x(pointed.time);
      parts.push(svg('line', { class: 'cursor', x1: place, x2: place, y1: margin.top, y2: bottom }));
      for (const { look, value } of lines) {
        const found = value(pointed);
        if (found !== undefined) parts.push(svg('circle', { 'data-look': look, cx: place, cy: y(found), r: 3.5 }));
      }
    }
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#svg.replaceChildren(...parts);
  }

  /**
   * @param {Line} line
   * @param {(time: number) => number} x
   * @param {(value: number) => number} y
   * @param {number} bottom
   * @param {boolean} filled
   */
  #line({ look, value }, x, y, bottom, filled) {
    const parts = [];
    for (const run of this.#runs(value)) {
      const path = run
        .map(([time, height], index) => `${index === 0 ? 'M' : 'L'}${x(time).toFixed(1)} ${y(height).toFixed(1)}`)
        .join('');
      const [first, last] = [run[0], run.at(-1)];
      if (filled && first !== undefined && last !== undefined) {
        const area = `${path}L${x(last[0]).toFixed(1)} ${bottom}L${x(first[0]).toFixed(1)} ${bottom}Z`;
        parts.push(svg('path', { class: 'area', 'data-look': look, d: area }));
      }
      parts.push(svg('path', { class: 'line', 'data-look': look, d: path }));
    }
    return parts;
  }

  /**
   * The stretches of time in which there are values.
   *
   * @param {(point: Point) => number | undefined} value
   */
  #runs(value) {
    /** @type {[time: number, value: number][][]} */
    const runs = [];
    /** @type {[time: number, value: number][]} */
    let run = [];
    let before = Number.NEGATIVE_INFINITY;
    const from = this.#from;
    for (const point of this.#points) {
      if (point.time < from) continue;
      const found = value(point);
      if (found === undefined || point.restarted || point.time - before > GAP) {
        run = [];
        runs.push(run);
      }
      if (found !== undefined) run.push([point.time, found]);
      before = point.time;
    }
    return runs.filter(({ length }) => length > 1);
  }
}
