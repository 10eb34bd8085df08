// The parts of the document.

/** @param {string} id */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  // What has not changed is not touched, so that a selection stays.
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} className */
export function span(className) {
  const element = document.createElement('span');
  element.className = className;
  return element;
}
