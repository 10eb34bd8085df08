import { Connection, json, lines, OnData, Reagent } from '@reagent/core';
import { z } from 'zod';
import { startReagent } from '../reagent-server.js';

const Person = z.object({
  id: z.number(),
  name: z.string(),
  email: z.string(),
  tags: z.array(z.string()),
  active: z.boolean(),
});
type Person = z.infer<typeof Person>;

@Reagent({ codec: lines().pipe(json(Person)) })
class PersonEcho {
  @OnData()
  echo(conn: Connection<Person>, person: Person) {
    conn.send(person);
  }
}

export const start = () => startReagent(PersonEcho);
