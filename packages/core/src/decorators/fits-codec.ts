// The compiler's check that the methods of a reagent take the messages that its descriptor's codec gives.
//
// Which method carries @OnData is not part of a class's type, and private methods are not either. So a class is refused only if it has
// public methods of the right shape and not one of them takes the codec's messages. What cannot be told is allowed.

import type { Codec } from '../codec/codec.js';
import type { CloseReason, Connection } from '../connection/connection.js';

// biome-ignore lint/suspicious/noExplicitAny: stands for every message type
type AnyConnection = Connection<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type MessageOf<C> = C extends Codec<infer In, any> ? In : never;

/** What the compiler names when it refuses a class; the property is the explanation. */
export interface HandlersDoNotFitTheCodec<Message> {
  readonly 'the method with @OnData has to take this type, as has a Connection<…> that is spelled out; other methods that take a connection and a value have to be private': Message;
}

/** `unknown`, which changes nothing, if instances of `Instance` can serve connections with the codec `C`. */
export type FitsCodec<Instance, C> =
  IsAny<MessageOf<C>> extends true
    ? unknown
    : SomeFits<ConnectionTypes<Instance>, MessageOf<C>> extends true
      ? SomeFits<MessageTypes<Instance>, MessageOf<C>> extends true
        ? unknown
        : HandlersDoNotFitTheCodec<MessageOf<C>>
      : HandlersDoNotFitTheCodec<MessageOf<C>>;

type IsAny<T> = 0 extends 1 & T ? true : false;
type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Whether there is no candidate, or one that takes `Message`. Candidates are a union of one-element tuples: of types, `any` would swallow the rest. */
type SomeFits<Candidates, Message> = [Candidates] extends [never]
  ? true
  : [Taking<Candidates, Message>] extends [never]
    ? false
    : true;
type Taking<Candidates, Message> = Candidates extends [infer Candidate]
  ? [Message] extends [Candidate]
    ? true
    : never
  : never;

type ParametersOf<Method> = Method extends (...parameters: infer P) => unknown ? Required<P> : never;

/** What the public methods take as a message: the second parameters of those that get a connection and something that is no other hook's. */
type MessageTypes<Instance> = [PullHandlers<Instance>] extends [never]
  ? { [Key in keyof Instance]: MessageType<ParametersOf<Instance[Key]>> }[keyof Instance]
  : never;
type MessageType<P> = P extends [infer C, infer Message, ...unknown[]]
  ? IsAny<C> extends true
    ? never
    : [C] extends [AnyConnection]
      ? IsAny<Message> extends true
        ? [Message]
        : IsSame<Message, CloseReason> extends true
          ? never
          : [Message] extends [Error]
            ? never
            : [Message]
      : never
  : never;

/** The message types of the connections that the public methods take, a plain `Connection` aside. */
type ConnectionTypes<Instance> = {
  [Key in keyof Instance]: ConnectionType<ParametersOf<Instance[Key]>>;
}[keyof Instance];
type ConnectionType<P> = P extends [infer C, ...unknown[]]
  ? IsAny<C> extends true
    ? never
    : // biome-ignore lint/suspicious/noExplicitAny: as above
      C extends Connection<infer In, any>
      ? IsSame<In, Buffer> extends true
        ? never
        : [In]
      : never
  : never;

/** The methods that get a connection alone and return something to wait for: with one of them, there need be no @OnData. */
type PullHandlers<Instance> = {
  [Key in keyof Instance]: ParametersOf<Instance[Key]> extends [infer C]
    ? [C] extends [AnyConnection]
      ? Instance[Key] extends (...parameters: never[]) => infer Result
        ? [Result] extends [HandledAtOnce]
          ? never
          : Key
        : never
      : never
    : never;
}[keyof Instance];
type HandledAtOnce = void | boolean;
