import { InvalidMessageError, UnexpectedEndError } from '../errors.js';
import type { ByteQueue } from './byte-queue.js';
import type { ByteSink, Codec, Decoder } from './codec.js';

/**
 * What the frames of a codec mean: the second half of a codec, put on the first with `.pipe()`. One serves all connections.
 *
 * `Frame` and `OutgoingFrame` are what the codec below gives and takes: text for `lines()`, bytes for those that cut binary frames.
 *
 * @example
 * ```ts
 * import { delimited, type Payload } from '@reagent/core';
 *
 * interface Command {
 *   readonly name: string;
 *   readonly body: Buffer;
 * }
 *
 * const command: Payload<Command, Command, Buffer, Buffer> = {
 *   decode: (frame) => ({ name: frame.toString('latin1', 0, 4), body: frame.subarray(4) }),
 *   encode: ({ name, body }) => Buffer.concat([Buffer.from(name, 'latin1'), body]),
 * };
 *
 * const codec = delimited('\0').pipe(command);
 * ```
 */
export interface Payload<In, Out, Frame, OutgoingFrame> {
  /**
   * The message in a frame; `undefined` drops the frame. `null` is no message, since with it `recv()` says that the stream has ended.
   *
   * @throws whatever makes the frame invalid, best an `InvalidMessageError`; the connection then closes with reason `error`.
   */
  decode(frame: Frame): In | undefined;
  /** The frame for a message. Throws if it cannot be sent. */
  encode(message: Out): OutgoingFrame;
}

/**
 * A codec whose messages are frames: they have a beginning and an end, so that a payload can be put on top.
 *
 * `Frame` is that of what it sends which is a frame, if it takes other things besides.
 */
export abstract class FramedCodec<In, Out = In, Frame extends Out = Out> implements Codec<In, Out> {
  abstract decoder(): Decoder<In>;
  abstract encode(message: Out, output: ByteSink): void;

  /**
   * The same frames with `payload` in them.
   *
   * @example
   * ```ts
   * import { json, lines } from '@reagent/core';
   *
   * const codec = lines({ maxLength: 4_096 }).pipe(json());
   * ```
   */
  pipe<Message, Outgoing>(payload: Payload<Message, Outgoing, In, Frame>): FramedCodec<Message, Outgoing> {
    if (typeof payload?.decode !== 'function' || typeof payload.encode !== 'function') {
      const called = typeof payload === 'function' ? `; call it: ${(payload as { name: string }).name}()` : '';
      throw new TypeError(`pipe() takes a payload, an object with decode() and encode()${called}`);
    }
    return new PipedCodec(this, payload);
  }
}

class PipedCodec<In, Out, Frame, OutgoingFrame> extends FramedCodec<In, Out> {
  readonly #frames: Codec<Frame, OutgoingFrame>;
  readonly #payload: Payload<In, Out, Frame, OutgoingFrame>;

  constructor(frames: Codec<Frame, OutgoingFrame>, payload: Payload<In, Out, Frame, OutgoingFrame>) {
    super();
    this.#frames = frames;
    this.#payload = payload;
  }

  decoder(): Decoder<In> {
    return new PipedDecoder(this.#frames.decoder(), this.#payload);
  }

  encode(message: Out, output: ByteSink): void {
    this.#frames.encode(this.#payload.encode(message), output);
  }
}

class PipedDecoder<In, Frame> implements Decoder<In> {
  readonly #frames: Decoder<Frame>;
  readonly #payload: Payload<In, never, Frame, unknown>;

  constructor(frames: Decoder<Frame>, payload: Payload<In, never, Frame, unknown>) {
    this.#frames = frames;
    this.#payload = payload;
  }

  /** Hot path. */
  decode(input: ByteQueue): In | undefined {
    for (;;) {
      const frame = this.#frames.decode(input);
      if (frame === undefined) return undefined;
      const message = this.#message(frame);
      if (message !== undefined) return message;
    }
  }

  end(input: ByteQueue): In | undefined {
    if (this.#frames.end === undefined) throw new UnexpectedEndError(input.length);
    const frame = this.#frames.end(input);
    return frame === undefined ? undefined : this.#message(frame);
  }

  #message(frame: Frame): In | undefined {
    const message = this.#payload.decode(frame);
    if (message === null) {
      throw new InvalidMessageError([
        { path: [], message: 'null is no message: recv() gives it at the end of the stream' },
      ]);
    }
    return message;
  }
}
