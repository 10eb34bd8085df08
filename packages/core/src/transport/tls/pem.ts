// PEM text: what it holds, and what may be the matter where it does not hold what it should.

/** One object in PEM text. */
export interface PemBlock {
  /** Such as `'CERTIFICATE'` or `'EC PRIVATE KEY'`. */
  readonly label: string;
  /** With its `BEGIN` and `END` lines. */
  readonly text: string;
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----[\t ]*\r?\n[^-]*(?:-(?!----)[^-]*)*-----END \1-----/g;

/** What tells PEM text from the path of a file. */
export function isPem(text: string): boolean {
  return text.includes('-----BEGIN ');
}

/** The objects in PEM text, in their order; what is between them, such as comments, does not count. */
export function pemBlocks(text: string): PemBlock[] {
  return Array.from(text.matchAll(block), ([found, label = '']) => ({ label, text: `${found}\n` }));
}

export function isCertificate({ label }: PemBlock): boolean {
  return /^(X509 |TRUSTED )?CERTIFICATE$/.test(label);
}

export function isPrivateKey({ label }: PemBlock): boolean {
  return label.endsWith('PRIVATE KEY');
}

/** Whether a private key is encrypted: PKCS#8 says so in its label, the older formats in a header. */
export function isEncrypted({ label, text }: PemBlock): boolean {
  return label === 'ENCRYPTED PRIVATE KEY' || text.includes('Proc-Type: 4,ENCRYPTED');
}

/** Why bytes hold no object of the kind that is looked for, with what to do about it. Nothing of what they hold is repeated. */
export function whyNotFound(bytes: Buffer, wanted: 'certificate' | 'private key'): string {
  const text = bytes.toString('latin1');
  const labels = pemBlocks(text).map(({ label }) => label);
  if (bytes.length === 0) return 'it is empty';
  if (isPem(text) && labels.length === 0) {
    if (!text.includes('-----END ')) return 'it is cut off: a line with -----END is missing';
    return text.includes('\\n')
      ? "its lines end with '\\n' written as two characters; turn them into line breaks: text.replaceAll('\\\\n', '\\n')"
      : 'its line breaks are missing; quote it where it comes from';
  }
  if (labels.includes('CERTIFICATE REQUEST') || labels.includes('NEW CERTIFICATE REQUEST'))
    return 'it holds a request for a certificate; give the certificate that the authority has made of it';
  if (labels.some((label) => label.endsWith('PRIVATE KEY')))
    return 'it holds a private key; cert and key may have been swapped';
  if (labels.some((label) => label.endsWith('CERTIFICATE')))
    return 'it holds a certificate; cert and key may have been swapped';
  if (labels.includes('PUBLIC KEY')) return 'it holds a public key only';
  // Every object in DER is a sequence, which begins with this byte.
  if (bytes[0] === 0x30) {
    const program = wanted === 'certificate' ? 'x509' : 'pkey';
    return `it looks like DER: convert it to PEM with openssl ${program} -inform der; a PKCS#12 archive goes into pfx`;
  }
  return 'PEM text with a line -----BEGIN was expected';
}
