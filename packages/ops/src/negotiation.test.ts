import { describe, expect, it } from 'vitest';
import { type MediaType, preferred } from './negotiation.js';

const text: MediaType = { type: 'text/plain', parameters: { version: '0.0.4' } };
const open: MediaType = { type: 'application/openmetrics-text', parameters: { version: '1.0.0' } };

describe('the preferred media type', () => {
  it.each([
    ['the first, where nothing is said', undefined, text],
    ['the first, where everything is liked as well', '*/*', text],
    ['the first, where nothing on offer is wanted', 'image/png, audio/*;q=0.5', text],
    ['the first of those that are liked as well', 'application/openmetrics-text, text/plain', text],
    ['the one that is asked for', 'application/openmetrics-text', open],
    ['the one with the higher quality', 'text/plain;q=0.3, application/openmetrics-text;q=0.5', open],
    ['the one whose more specific range has the higher quality', 'text/plain, text/*;q=0.9, */*;q=0.1', text],
    ['what a range covers', 'application/*', open],
    ['not what a specific range rules out', '*/*, text/plain;q=0', open],
    ['not what a quality that is none rules out', 'text/plain;q=0.1, application/openmetrics-text;q=high', text],
    ['the version on offer, among several', 'text/plain;q=0.4, application/openmetrics-text;version=0.0.1;q=0.9', text],
    [
      'the version on offer, whatever the order',
      'application/openmetrics-text;version="1.0.0";q=0.6,application/openmetrics-text;version=0.0.1;q=0.9,text/plain;q=0.5',
      open,
    ],
    ['a type in capitals', 'TEXT/PLAIN;q=0.1, Application/OpenMetrics-Text', open],
    ['the first, where the header is nonsense', ';;q,,=', text],
  ])('%s', (_name, accept, expected) => {
    expect(preferred(accept, [text, open])).toBe(expected);
  });
});
