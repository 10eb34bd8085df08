/** How a field is called in a message: `'timeouts.idle'`, `'alarms.0.cooldown'`, `"secure.sni['*.example.com'].cert"`. */
export function fieldPath(...names: readonly PropertyKey[]): string {
  return names
    .map((each, index) => {
      const name = String(each);
      if (/[.*]/.test(name) && index > 0) return `['${name}']`;
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}
