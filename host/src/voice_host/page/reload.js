// Keeping a call over a reload of the page, for this tab only.
//
// It is stored when the page unloads, and removed when it loads. So a tab that is duplicated during a call gets no token,
// and a call that ended leaves none behind. It is used once, and only after a reload, not in a reopened tab.

import { RECONNECT_WITHIN_MS } from "../client/reconnect.js";

const STORAGE_KEY = "voice-host.call";

/** Stores a call for the page after a reload: plain data, without `transcript` if there is no room for it. */
export function storeForReload(call) {
  for (const kept of [call, { ...call, transcript: [] }]) {
    try {
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ ...kept, at: Date.now() }));
      return;
    } catch {
      // too large for this browser, or no storage at all
    }
  }
}

/** Returns and removes the stored call; null if there is none, if it is too old, or if this was no reload. */
export function takeStored() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORAGE_KEY));
    sessionStorage.removeItem(STORAGE_KEY);
    const isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";
    return isReload && Date.now() - kept?.at < RECONNECT_WITHIN_MS ? kept : null;
  } catch {
    return null;
  }
}
