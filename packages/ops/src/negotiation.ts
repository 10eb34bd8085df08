// Which of the media types on offer a client prefers, from its Accept header (RFC 9110, section 12.5.1).

/** A media type on offer: `type/subtype`, and parameters that a client may ask for. */
export interface MediaType {
  readonly type: string;
  /** Parameters that, where the client names them, have to be these. */
  readonly parameters?: Readonly<Record<string, string>>;
}

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** From 0, not wanted at all, to 1. */
  readonly quality: number;
}

/**
 * The type that the client prefers; of those it likes as well, the first on offer. A client that says nothing, or wants none of them, gets
 * the first: a scraper is helped more by a format that it has to look at than by an error.
 */
export function preferred<Offer extends MediaType>(
  accept: string | undefined,
  offers: readonly [Offer, ...Offer[]],
): Offer {
  if (accept === undefined) return offers[0];
  const ranges = accept.split(',').map(parseRange);
  let best = offers[0];
  let bestQuality = qualityOf(best, ranges);
  for (const offer of offers.slice(1)) {
    const quality = qualityOf(offer, ranges);
    if (quality <= bestQuality) continue;
    best = offer;
    bestQuality = quality;
  }
  return best;
}

function parseRange(text: string): Range {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const [name = '', value = ''] = part.split('=', 2);
    parameters.set(name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1'));
  }
  const quality = Number(parameters.get('q') ?? '1');
  return { type: type.toLowerCase(), parameters, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}

/** Of the ranges that cover it, the most specific decides. */
function qualityOf(offer: MediaType, ranges: readonly Range[]): number {
  let quality = 0;
  let specificity = 0;
  for (const range of ranges) {
    const found = specificityOf(offer, range);
    if (found < specificity || found === 0) continue;
    // Of several versions of a type that a client lists, the one on offer is the one that counts.
    quality = found === specificity ? Math.max(quality, range.quality) : range.quality;
    specificity = found;
  }
  return quality;
}

/** 0: does not cover it. */
function specificityOf({ type, parameters = {} }: MediaType, range: Range): number {
  if (range.type === '*/*') return 1;
  if (range.type === `${type.split('/')[0]}/*`) return 2;
  if (range.type !== type) return 0;
  let matching = 3;
  for (const [name, value] of Object.entries(parameters)) {
    const asked = range.parameters.get(name);
    if (asked === undefined) continue;
    if (asked !== value) return 0;
    matching++;
  }
  return matching;
}
