// A call that outlives a reload of the page: kept while the page is away, in this tab alone.
//
// Nothing is kept while the page is there. So a tab that is duplicated during a call takes no token along, and a call that
// was ended leaves none behind. What was kept is taken once, and only by a reload: not by a tab that is opened again.

import { COME_BACK_WITHIN_MS } from "./comeback.js";

const KEPT_AS = "voice-host.call";

/** Keeps a call for the page after a reload: plain data, of which `transcript` is left out where there is no room. */
export function keepForReload(call) {
  for (const kept of [call, { ...call, transcript: [] }]) {
    try {
      sessionStorage.setItem(KEPT_AS, JSON.stringify({ ...kept, at: Date.now() }));
      return;
    } catch {
      // too long for this browser, or it keeps nothing at all
    }
  }
}

/** Takes what was kept away; null when there is nothing, when it is too old, or when the page was not reloaded. */
export function takeKept() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT_AS));
    sessionStorage.removeItem(KEPT_AS);
    const isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";
    return isReload && Date.now() - kept?.at < COME_BACK_WITHIN_MS ? kept : null;
  } catch {
    return null;
  }
}
