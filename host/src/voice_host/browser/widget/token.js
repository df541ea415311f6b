// Call tokens from the server of the page, which has the API key.

const TIMEOUT_MS = 10_000;

/** Asks `address` for a token: a POST without a body, answered with JSON `{"token": "..."}`. Cookies go to the page's own site. */
export async function fetchToken(address) {
  const url = new URL(address, document.baseURI);
  const headers = { accept: "application/json" };
  const response = await fetch(url, { method: "POST", headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url.pathname} answered ${response.status}`);
  const { token } = await response.json();
  if (typeof token !== "string") throw new Error(`the answer of ${url.pathname} has no "token"`);
  return token;
}
