import { Connection, json, lines, OnData, Reagent } from '@reagent/core';
import { z } from 'zod';
import { startReagent } from '../reagent-server.js';

const Note = z.object({ id: z.number(), text: z.string() });
type Note = z.infer<typeof Note>;

@Reagent({ codec: lines().pipe(json(Note)) })
class NoteEcho {
  @OnData()
  echo(conn: Connection<Note>, note: Note) {
    conn.send(note);
  }
}

export const start = () => startReagent(NoteEcho);
