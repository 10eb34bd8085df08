// A strict reader of the text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0): what neither allows is an error.

export type Format = 'text' | 'openmetrics';

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const suffixes: Readonly<Record<Format, Readonly<Record<string, readonly string[]>>>> = {
  text: { counter: [''], gauge: [''], histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] },
  openmetrics: {
    counter: ['_total', '_created'],
    gauge: [''],
    histogram: ['_bucket', '_sum', '_count', '_created'],
    summary: ['', '_sum', '_count', '_created'],
  },
};

const name = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const number = '[-+]?(?:\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?|Inf|NaN)';
const comment = new RegExp(`^# (?<kind>HELP|TYPE) (?<name>${name}) (?<rest>.+)$`);
const sample = new RegExp(`^(?<name>${name})(?:\\{(?<labels>.*)\\})? (?<value>${number})$`);
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/y;

export function parseExposition(text: string, format: Format): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const lines = text.slice(0, -1).split('\n');
  if (format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('# EOF is not the last line');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: { name: string; text: string } | undefined;
  let family: Family | undefined;
  for (const line of lines) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line === '') {
      if (format === 'openmetrics') fail('OpenMetrics has no empty lines');
      continue;
    }
    const said = comment.exec(line)?.groups;
    if (said?.kind === 'HELP') {
      help = { name: String(said.name), text: String(said.rest) };
      continue;
    }
    if (said !== undefined) {
      const type = String(said.rest);
      if (help === undefined || help.name !== said.name) return fail('there is no HELP before TYPE');
      if (!(type in suffixes[format])) fail('no such type');
      if (families.has(help.name)) fail('the second family of that name');
      family = { name: help.name, type, help: help.text, samples: [] };
      families.set(family.name, family);
      continue;
    }
    const found = sample.exec(line)?.groups;
    if (found === undefined || family === undefined) return fail('neither a comment nor a sample');
    const allowed = (suffixes[format][family.type] ?? []).map((suffix) => `${family?.name}${suffix}`);
    if (!allowed.includes(String(found.name))) fail(`not a sample of ${family.name}, a ${family.type}`);
    const labels = parseLabels(found.labels ?? '', fail);
    const series = `${found.name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(series)) fail('the second sample of that series');
    seen.add(series);
    const value = Number(String(found.value).replace('Inf', 'Infinity'));
    if (family.type === 'counter' && !(value >= 0)) fail('a counter below zero');
    family.samples.push({ name: String(found.name), labels, value });
  }
  for (const each of families.values()) if (each.type === 'histogram') checkHistogram(each);
  return families;
}

function parseLabels(text: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const match = label.exec(text);
    if (match === null) return fail('bad labels');
    const [, key = '', value = ''] = match;
    if (key in labels) fail(`the label ${key} twice`);
    labels[key] = value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
  }
  return labels;
}

/** Buckets count up to the last, which is as high as the count. */
function checkHistogram({ name, samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const each of samples) {
    const { le: _, ...rest } = each.labels;
    const key = JSON.stringify(rest);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  for (const group of groups.values()) {
    const buckets = group.filter((each) => each.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(String(labels.le).replace('Inf', 'Infinity')));
    const rising = (values: readonly number[]) =>
      values.every((value, index) => index === 0 || value >= (values[index - 1] ?? 0));
    const count = group.find((each) => each.name === `${name}_count`)?.value;
    if (!rising(bounds) || bounds.at(-1) !== Infinity) throw new Error(`${name}: its bounds do not rise to +Inf`);
    if (!rising(buckets.map(({ value }) => value))) throw new Error(`${name}: its buckets do not count up`);
    if (buckets.at(-1)?.value !== count) throw new Error(`${name}: its last bucket is not its count`);
  }
}

/** The value of one sample; the labels have to be exactly these. */
export function sampleValue(
  families: Map<string, Family>,
  sampleName: string,
  labels: Record<string, string> = {},
): number | undefined {
  const wanted = JSON.stringify(Object.entries(labels).sort());
  for (const { samples } of families.values()) {
    const found = samples.find(
      (each) => each.name === sampleName && JSON.stringify(Object.entries(each.labels).sort()) === wanted,
    );
    if (found !== undefined) return found.value;
  }
  return undefined;
}
