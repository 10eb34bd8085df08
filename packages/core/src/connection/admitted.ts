/** What a listener counts a client by, from its admission to its end. */
export interface Admitted {
  /** The client's address; empty where there is none. */
  readonly ip: string;
  /** Whether it counts against `maxConnections`. */
  counted: boolean;
}
