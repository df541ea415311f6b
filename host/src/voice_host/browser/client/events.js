// Named events with listeners.

export class Events {
  #listeners = new Map(); // name -> Set of functions

  /** Adds a listener, and returns a function that removes it. */
  on(name, listener) {
    if (typeof listener !== "function") throw new TypeError("a listener must be a function");
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => void this.#listeners.get(name)?.delete(listener);
  }

  /** Calls the listeners of an event. One that throws is reported as an uncaught error, and the call goes on. */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        reportError(error);
      }
    }
  }

  clear() {
    this.#listeners.clear();
  }
}
