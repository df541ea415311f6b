// What this browser remembers about the page: choices, never words or credentials.

const PREFIX = "voice-host.";

/** The remembered value of a choice, or `otherwise`. */
export function remembered(name, otherwise = null) {
  try {
    return localStorage.getItem(PREFIX + name) ?? otherwise;
  } catch {
    return otherwise; // no storage in this browser
  }
}

/** Remembers a choice; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // It lasts as long as the page.
  }
}
