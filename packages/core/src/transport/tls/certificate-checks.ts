// What deserves a look in certificates that work.

import type { X509Certificate } from 'node:crypto';

const DAY_MS = 24 * 60 * 60 * 1_000;
const WARNING_DAYS = 14;
/** Of the whole time for which a certificate is valid: those that live for days only are not complained of all the time. */
const WARNING_PART = 0.2;

/** A certificate as people know it: whom it was issued to. */
export function nameOf({ subject, subjectAltName }: X509Certificate): string {
  return (subject || subjectAltName || 'without a name').replaceAll('\n', ', ');
}

/** What is wrong with the dates of a certificate; `undefined` if nothing is. */
export function dateWarning(certificate: X509Certificate, now = Date.now()): string | undefined {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  if (now > to) return `has expired on ${date(to)}; replace it`;
  if (now < from) return `is valid only from ${date(from)} on; check it, and the clock of this machine`;
  if (to - now < Math.min(WARNING_DAYS * DAY_MS, (to - from) * WARNING_PART))
    return `expires soon, on ${date(to)}; replace it`;
  return undefined;
}

/** Which of the hosts that a certificate is for is not the one it is shown for; `undefined` if it is. */
export function hostWarning(certificate: X509Certificate, host: string): string | undefined {
  // A wildcard is to cover whatever stands in its place.
  const probe = host.replace(/\.$/, '').replace(/^\*(?=\.)/, 'reagent-probe');
  if (certificate.checkHost(probe) !== undefined) return undefined;
  const names = certificate.subjectAltName ?? certificate.subject.replaceAll('\n', ', ');
  return `is not for ${host} but for ${names === '' ? 'no host' : names}; clients will refuse it`;
}

/** The first certificate of a chain that the next one has not issued; `undefined` if each was issued by the next. */
export function brokenLink(chain: readonly X509Certificate[]): X509Certificate | undefined {
  return chain.find((certificate, index) => {
    const next = chain[index + 1];
    return next !== undefined && !certificate.checkIssued(next);
  });
}

function date(time: number): string {
  return new Date(time).toISOString().replace('.000Z', 'Z');
}
