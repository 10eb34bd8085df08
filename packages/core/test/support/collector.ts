import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

type Attributes = Readonly<Record<string, string | number | boolean>>;

interface EncodedAttributes {
  readonly attributes?: readonly {
    readonly key: string;
    readonly value: { stringValue?: string; intValue?: number | string; doubleValue?: number; boolValue?: boolean };
  }[];
}

interface EncodedSpan extends EncodedAttributes {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number };
  readonly events?: readonly (EncodedAttributes & { readonly name: string })[];
}

interface EncodedPoint extends EncodedAttributes {
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly count?: number | string;
}

interface EncodedMetric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: { readonly dataPoints: readonly EncodedPoint[]; readonly isMonotonic: boolean };
  readonly histogram?: { readonly dataPoints: readonly EncodedPoint[] };
}

interface Payload {
  readonly resourceSpans?: readonly {
    readonly resource: EncodedAttributes;
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly EncodedSpan[];
    }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly resource: EncodedAttributes;
    readonly scopeMetrics: readonly { readonly metrics: readonly EncodedMetric[] }[];
  }[];
}

/** A span as the collector got it. */
export interface CollectedSpan {
  readonly trace: string;
  readonly id: string;
  /** `undefined` of a root. */
  readonly parent: string | undefined;
  readonly service: unknown;
  readonly scope: string;
  readonly name: string;
  readonly kind: number;
  /** Milliseconds. */
  readonly duration: number;
  readonly failed: boolean;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
}

/** One number of a metric, the last that came. */
export interface CollectedPoint {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly service: unknown;
  readonly attributes: Attributes;
  /** Of a histogram, how many there were. */
  readonly value: number;
}

/** Takes what OpenTelemetry's exporters send, as JSON over HTTP, and decodes it. */
export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  readonly #points = new Map<string, CollectedPoint>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      void this.#take(request).then((status) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async start(): Promise<Collector> {
    const collector = new Collector(createServer());
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get points(): CollectedPoint[] {
    return [...this.#points.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage): Promise<number> {
    const payload = JSON.parse(await text(request)) as Payload;
    if (request.method !== 'POST' || request.headers['content-type'] !== 'application/json') return 415;
    if (request.url === '/v1/traces') this.#takeSpans(payload);
    else if (request.url === '/v1/metrics') this.#takeMetrics(payload);
    else return 404;
    return 200;
  }

  #takeSpans({ resourceSpans = [] }: Payload): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = decode(resource)['service.name'];
      for (const { scope, spans } of scopeSpans) {
        for (const span of spans) this.spans.push({ ...decodeSpan(span), service, scope: scope.name });
      }
    }
  }

  #takeMetrics({ resourceMetrics = [] }: Payload): void {
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const service = decode(resource)['service.name'];
      for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics)) {
        const kind = metric.histogram === undefined ? (metric.sum?.isMonotonic ? 'counter' : 'gauge') : 'histogram';
        for (const point of (metric.sum ?? metric.histogram)?.dataPoints ?? []) {
          const attributes = decode(point);
          const value = Number(point.asInt ?? point.asDouble ?? point.count);
          const key = `${metric.name} ${JSON.stringify(attributes)}`;
          this.#points.set(key, { name: metric.name, kind, service, attributes, value });
        }
      }
    }
  }
}

function decodeSpan(span: EncodedSpan): Omit<CollectedSpan, 'service' | 'scope'> {
  return {
    trace: span.traceId,
    id: span.spanId,
    parent: span.parentSpanId,
    name: span.name,
    kind: span.kind,
    duration: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
    failed: span.status.code === 2,
    attributes: decode(span),
    events: (span.events ?? []).map((event) => ({ name: event.name, attributes: decode(event) })),
  };
}

function decode({ attributes = [] }: EncodedAttributes): Attributes {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const { stringValue, boolValue, intValue, doubleValue } = value;
      return [key, stringValue ?? boolValue ?? Number(intValue ?? doubleValue)];
    }),
  );
}
