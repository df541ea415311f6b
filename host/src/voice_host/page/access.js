// The API key or call token of this page. It is stored for this tab only, until the tab is closed.

const STORAGE_KEY = "voice-host.credential";
const USABLE = /^[A-Za-z0-9._~-]+$/; // the characters of keys and tokens, which are also valid in a WebSocket subprotocol

/** The host requires a valid key or token. The message is the one from the host, if there is any. */
export class AccessDenied extends Error {}

let pasted = stored();

/** Uses a pasted key or token. Returns false if it cannot be one. */
export function useCredential(input) {
  const text = input.trim();
  if (!USABLE.test(text)) return false;
  pasted = text;
  try {
    sessionStorage.setItem(STORAGE_KEY, text);
  } catch {
    // No storage in this browser: it lasts as long as the page.
  }
  return true;
}

/** The headers for HTTP requests. */
export function accessHeaders() {
  return pasted === null ? {} : { authorization: `Bearer ${pasted}` };
}

/** The key or token for a call, or null. */
export function credential() {
  return pasted;
}

/** The reason that the host gave for refusing a request, or an empty string. */
export async function refusalReason(response) {
  try {
    const { detail } = await response.json();
    return typeof detail === "string" ? detail : "";
  } catch {
    return "";
  }
}

function stored() {
  try {
    return sessionStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
