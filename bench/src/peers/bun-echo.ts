interface Bun {
  listen(options: {
    hostname: string;
    port: number;
    socket: { data(socket: { write(data: Uint8Array): number }, data: Uint8Array): void };
  }): { readonly port: number };
}

declare const Bun: Bun;

export async function start(): Promise<number> {
  return Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: (socket, data) => void socket.write(data) } })
    .port;
}
