// When to retry a lost connection, and when to give up. It knows neither sockets nor the page.

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 4_000;

/** How long to retry. By default a host keeps a lost call for 30 s; after that it refuses to resume it. */
export const RECONNECT_WITHIN_MS = 30_000;

const LOST = new Set([1001, 1005, 1006, 1012, 1014]); // nobody ended the call; 1012: a proxy or a server restarts
const BUSY = new Set([4429, 4500]); // the host has not noticed yet that the previous connection is gone

/** Whether a call that was closed with this code may be resumed. */
export function isLost(code) {
  return LOST.has(code);
}

export class Reconnection {
  #since = Date.now();
  #wait = FIRST_WAIT_MS;
  #timer = null;
  #attempt = null; // to be made when the timer fires

  /** Calls `attempt` after a delay. Returns false if it is too late, or if `code` says that retrying is useless. */
  schedule(code, attempt) {
    if (!(LOST.has(code) || BUSY.has(code))) return false;
    if (Date.now() - this.#since + this.#wait > RECONNECT_WITHIN_MS) return false;
    // With jitter: pages that lost their host together should not return together.
    this.#attempt = attempt;
    this.#timer = setTimeout(() => this.hurry(), this.#wait * (0.75 + Math.random() / 2));
    this.#wait = Math.min(2 * this.#wait, MAX_WAIT_MS);
    return true;
  }

  /** Makes the scheduled attempt now. Without one it does nothing. */
  hurry() {
    clearTimeout(this.#timer);
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#attempt = null;
  }
}
