// The API key or call token that this page shows to the host: kept in this tab alone, until it is closed.

const KEPT_AS = "voice-host.credential";
const USABLE = /^[A-Za-z0-9._~-]+$/; // what keys and tokens are made of, and what a WebSocket's subprotocol may hold

/** The host wants a key or a token, or a better one. Its message is what the host says. */
export class AccessDenied extends Error {}

let credential = kept();

/** Takes what somebody pasted. False: it cannot be a key or a token. */
export function useCredential(pasted) {
  const text = pasted.trim();
  if (!USABLE.test(text)) return false;
  credential = text;
  try {
    sessionStorage.setItem(KEPT_AS, text);
  } catch {
    // A browser that keeps nothing: it lasts as long as the page.
  }
  return true;
}

/** For requests. */
export function accessHeaders() {
  return credential === null ? {} : { authorization: `Bearer ${credential}` };
}

/** For WebSockets, which browsers give no headers to. The host never echoes it. */
export function accessSubprotocols() {
  return credential === null ? [] : [`voice-host.token.${credential}`];
}

/** What the host says to a request that it refused, or an empty string. */
export async function refusalOf(response) {
  try {
    const { detail } = await response.json();
    return typeof detail === "string" ? detail : "";
  } catch {
    return "";
  }
}

function kept() {
  try {
    return sessionStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}
