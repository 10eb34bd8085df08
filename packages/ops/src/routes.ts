// What is answered to a request for a path.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Logger } from '@reagent/core';
import { contentTypes, type ExpositionFormat } from './metrics/exposition.js';
import { type MediaType, preferred } from './negotiation.js';
import type { Page } from './page.js';
import type { Readiness } from './readiness.js';
import type { OperationsReport } from './report.js';

/** Where the answers come from. */
export interface Sources {
  readonly page: Page;
  readonly readiness: () => Readiness;
  readonly report: (since: number | undefined) => OperationsReport;
  readonly metrics: (format: ExpositionFormat) => Promise<string>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const plainText = 'text/plain; charset=utf-8';
const json = 'application/json; charset=utf-8';

const metricsOffers: readonly [
  MediaType & { format: ExpositionFormat },
  ...(MediaType & { format: ExpositionFormat })[],
] = [
  { type: 'text/plain', parameters: { version: '0.0.4' }, format: 'text' },
  { type: 'application/openmetrics-text', parameters: { version: '1.0.0' }, format: 'openmetrics' },
];

const healthOffers: readonly [MediaType, ...MediaType[]] = [{ type: 'text/plain' }, { type: 'application/json' }];

/** Nothing here is for other sites, for caches, or to be guessed at. */
const commonHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Answers requests below a path. */
export class Routes {
  readonly #sources: Sources;
  readonly #prefix: string;
  readonly #logger: Logger;

  /** @param prefix what all paths begin with; empty, or without a slash at its end */
  constructor(sources: Sources, prefix: string, logger: Logger) {
    this.#sources = sources;
    this.#prefix = prefix;
    this.#logger = logger;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answerTo(request);
    } catch (error) {
      // A metric of the application's own that cannot be collected, most likely.
      this.#logger.error({ err: error, url: request.url }, 'a request for operations could not be answered');
      answer = { status: 500, type: plainText, body: 'this could not be made; the log of the application says why\n' };
    }
    const { status, type, body, headers } = answer;
    response.writeHead(status, {
      ...commonHeaders,
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      ...headers,
    });
    response.end(body);
  }

  async #answerTo({ method, url = '/', headers }: IncomingMessage): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') {
      // What such a request brings along is not read, so nothing can follow it.
      const headers = { allow: 'GET, HEAD', connection: 'close' };
      return { status: 405, type: plainText, body: 'only GET and HEAD are answered here\n', headers };
    }
    const [path = '', query = ''] = url.split('?', 2);
    switch (path.startsWith(`${this.#prefix}/`) ? path.slice(this.#prefix.length) : undefined) {
      case '/':
        return {
          status: 200,
          type: 'text/html; charset=utf-8',
          body: this.#sources.page.html,
          headers: { 'content-security-policy': this.#sources.page.contentSecurityPolicy },
        };
      case '/metrics': {
        const { format } = preferred(headers.accept, metricsOffers);
        const body = await this.#sources.metrics(format);
        return { status: 200, type: contentTypes[format], body, headers: { vary: 'accept' } };
      }
      case '/healthz':
        return health(headers.accept, 200, 'ok', { status: 'ok' });
      case '/readyz': {
        const readiness = this.#sources.readiness();
        const text = readiness.ready ? 'ready' : ['not ready', ...readiness.reasons].join('\n');
        return health(headers.accept, readiness.ready ? 200 : 503, text, readiness);
      }
      case '/stats.json':
        return this.#stats(query);
      default:
        return this.#notFound(path);
    }
  }

  #stats(query: string): Answer {
    const since = new URLSearchParams(query).get('since') ?? undefined;
    if (since !== undefined && !/^\d+$/.test(since)) {
      return { status: 400, type: plainText, body: 'since is a time in milliseconds since 1970\n' };
    }
    const report = this.#sources.report(since === undefined ? undefined : Number(since));
    return { status: 200, type: json, body: JSON.stringify(report) };
  }

  #notFound(path: string): Answer {
    // So that the relative addresses on the page hold.
    if (path === this.#prefix) {
      const headers = { location: `${this.#prefix}/` };
      return { status: 308, type: plainText, body: `it is at ${this.#prefix}/\n`, headers };
    }
    const paths = ['/', '/metrics', '/healthz', '/readyz', '/stats.json'].map((known) => this.#prefix + known);
    return { status: 404, type: plainText, body: `there is nothing here; there is ${paths.join(', ')}\n` };
  }
}

function health(accept: string | undefined, status: number, text: string, object: object): Answer {
  const headers = { vary: 'accept' };
  return preferred(accept, healthOffers).type === 'application/json'
    ? { status, type: json, body: `${JSON.stringify(object)}\n`, headers }
    : { status, type: plainText, body: `${text}\n`, headers };
}
