import 'reflect-metadata';
import type { Server } from 'node:net';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, type MicroserviceOptions, Payload, Transport } from '@nestjs/microservices';

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() message: object) {
    return message;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

export async function start(): Promise<number> {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(EchoModule, {
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: 0 },
    logger: false,
  });
  await app.listen();
  const address = app.unwrap<Server>().address();
  if (address === null || typeof address === 'string') throw new Error('the microservice listens on no port');
  return address.port;
}
