// The address of a call's WebSocket.

const SCHEMES = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" };
const RESERVED = ["token", "resume"]; // parameters of the call protocol

/**
 * The address from the options of `connect`: `url`, or `agent` and `host` (by default the host that served the client),
 * with `metadata` in its query. Throws a TypeError that says which option is wrong.
 */
export function sessionAddress(servedBy, { url, host, agent, metadata }) {
  if (url === undefined && (typeof agent !== "string" || agent === "")) {
    throw new TypeError("connect() needs `agent`, the id of an agent, or `url`, the address of its session");
  }
  const address = url === undefined ? agentAddress(folder(host ?? servedBy), agent) : parsed("url", url, document.baseURI);
  address.hash = "";
  for (const [name, value] of Object.entries(metadata ?? {})) {
    if (RESERVED.includes(name)) throw new TypeError(`metadata must not have \`${name}\`, which the call protocol uses`);
    if (value === undefined || value === null) continue;
    if (typeof value === "object" || typeof value === "function") {
      throw new TypeError(`metadata.${name} must be a string, a number or a boolean: JSON.stringify() makes a string of it`);
    }
    address.searchParams.set(name, String(value));
  }
  return address.href;
}

function agentAddress(host, agent) {
  return parsed("agent", `agents/${encodeURIComponent(agent)}/session`, host);
}

/** The host's address with a slash at the end, so that a path in it is kept. */
function folder(host) {
  const address = parsed("host", host, document.baseURI);
  if (!address.pathname.endsWith("/")) address.pathname += "/";
  address.search = "";
  return address;
}

function parsed(option, text, base) {
  let address;
  try {
    address = new URL(text, base);
  } catch {
    throw new TypeError(`${option} is no address: ${text}`);
  }
  const scheme = SCHEMES[address.protocol];
  if (!scheme) throw new TypeError(`${option} must begin with https:// or wss://, not ${address.protocol}`);
  address.protocol = scheme;
  return address;
}
