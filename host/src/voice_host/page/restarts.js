// Following a host that announces its restarts: `voice-host dev` does, whenever a file is saved.

const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 4_000;
const GONE_AFTER_MS = 15_000;

/** The address to watch, from a response of the host; null if it has none. */
export function monitorIn(response) {
  const [, address] = /<([^>]+)>;\s*rel="monitor"/.exec(response.headers.get("link") ?? "") ?? [];
  return address ?? null;
}

/** Waits until the host of `monitor` is about to be replaced, or does not answer. */
export async function untilReplaced(monitor) {
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
 * Calls `load` until a host other than that of `monitor` answers, and returns its result. If nobody answers for longer
 * than a restart takes, calls `gone` after each failed attempt.
 */
export async function untilSuccessorAnswers(monitor, load, gone) {
  const since = Date.now();
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
    try {
      const loaded = await load();
      if (loaded.monitor !== monitor) return loaded; // the old one answers until it stops
    } catch {
      if (Date.now() - since > GONE_AFTER_MS) gone();
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
