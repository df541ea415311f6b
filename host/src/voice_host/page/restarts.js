// Following a host that says when it is about to be replaced: `voice-host dev` does, whenever a file is saved.

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
const GONE_AFTER_MS = 15_000;

/** The address to watch, from an answer of the host; null where it offers none. */
export function monitorIn(response) {
  const [, address] = /<([^>]+)>;\s*rel="monitor"/.exec(response.headers.get("link") ?? "") ?? [];
  return address ?? null;
}

/** Waits until the host that offered `monitor` is about to be replaced, or is gone. */
export async function untilItLeaves(monitor) {
  for (;;) {
    try {
      const { status } = await fetch(monitor, { cache: "no-store" });
      if (status !== 204) return; // 204: nothing yet, ask again
    } catch {
      return;
    }
  }
}

/**
 * Calls `load` until another host than the one that offered `monitor` has answered, and returns what it brought. Calls
 * `gone` each time that nobody answers, once that has lasted for longer than a restart takes.
 */
export async function untilAnotherAnswers(monitor, load, gone) {
  const since = Date.now();
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      const loaded = await load();
      if (loaded.monitor !== monitor) return loaded; // the old one answers until it is gone
    } catch {
      if (Date.now() - since > GONE_AFTER_MS) gone();
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
