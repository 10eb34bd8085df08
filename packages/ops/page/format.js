// Numbers, times and sizes as text.

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const oneDecimal = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const shortClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/**
 * A whole number, in full as long as it is readable.
 *
 * @param {number} value
 */
export function formatCount(value) {
  return value < 100_000 ? grouped.format(value) : compact.format(value);
}

/**
 * Something per second.
 *
 * @param {number} value
 */
export function formatRate(value) {
  if (value >= 10_000) return `${compact.format(value)}/s`;
  // What happens seldom is not to look as if it never did.
  return `${value >= 10 || value === 0 ? grouped.format(value) : oneDecimal.format(Math.max(value, 0.1))}/s`;
}

/** @param {number} value */
export function formatBytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let scaled = value;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1_000;
    unit++;
  }
  return `${unit === 0 || scaled >= 100 ? grouped.format(scaled) : oneDecimal.format(scaled)} ${units[unit]}`;
}

/** @param {number} value */
export function formatByteRate(value) {
  return `${formatBytes(value)}/s`;
}

/** @param {number} milliseconds */
export function formatDelay(milliseconds) {
  if (milliseconds >= 1_000) return `${oneDecimal.format(milliseconds / 1_000)} s`;
  return `${milliseconds >= 10 ? grouped.format(milliseconds) : oneDecimal.format(milliseconds)} ms`;
}

/** @param {number} part from 0 to 1 */
export function formatPercent(part) {
  return `${grouped.format(part * 100)} %`;
}

/**
 * The two largest units of a stretch of time.
 *
 * @param {number} milliseconds
 */
export function formatDuration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3_600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** @param {number} time */
export function formatTime(time) {
  return clock.format(time);
}

/** @param {number} time */
export function formatMinute(time) {
  return shortClock.format(time);
}
