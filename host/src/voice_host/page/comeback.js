// When a lost connection is tried again, and when no more: knows neither sockets nor the page.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4_000;

/** For how long to try. A host keeps a lost call for 30 s unless it is told otherwise; after that it refuses by itself. */
export const COME_BACK_WITHIN_MS = 30_000;

const LOST = new Set([1001, 1005, 1006, 1012, 1014]); // nobody ended the call; 1012: a proxy or a server restarts
const BUSY = new Set([4429, 4500]); // the host has not noticed yet that the connection before is gone

/** Whether a call that was closed with this code may still be there. */
export function isLost(code) {
  return LOST.has(code);
}

export class Comeback {
  #since = Date.now();
  #wait = FIRST_WAIT_MS;
  #timer = null;

  /** Calls `attempt` after a while. Returns false when it is too late, or `code` says that there is nothing to try. */
  plan(code, attempt) {
    if (!(LOST.has(code) || BUSY.has(code))) return false;
    if (Date.now() - this.#since + this.#wait > COME_BACK_WITHIN_MS) return false;
    // Not all pages that one host has lost at once should come back at once.
    this.#timer = setTimeout(attempt, this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
    return true;
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
