import type { ByteQueue, ByteSink, Codec, Decoder } from '@reagent/core';

const DELIMITER = 0x20;

/** A codec as small as one can be: words, each followed by a space. */
export function words(): Codec<string> {
  return { decoder: () => new WordDecoder(), encode };
}

class WordDecoder implements Decoder<string> {
  decode(input: ByteQueue): string | undefined {
    const end = input.indexOf(DELIMITER);
    if (end === -1) return undefined;
    const word = String(input.take(end));
    input.skip(1);
    if (word === 'invalid') throw new Error('a word that is none');
    return word;
  }

  end(input: ByteQueue): string {
    return String(input.take(input.length));
  }
}

function encode(word: string, output: ByteSink): void {
  if (word.includes(' ')) throw new Error(`'${word}' is not one word`);
  output.write(word);
  output.write(' ');
}
