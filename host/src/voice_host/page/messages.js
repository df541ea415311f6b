// The messages of the page.

const CLOSE_MESSAGES = {
  4401: "This host wants to know who is calling. Enter an API key or a call token.",
  4403: "This host does not take calls from the address of this page.",
  4404: "There is no such agent on this host.",
  4429: "The host is at its limit of calls. Try again in a moment.",
  4500: "The call could not be started.",
  4503: "This agent is broken and cannot take calls.",
  4504: "The host is shutting down or restarting.",
};

const LOST_MESSAGES = {
  4401: "the host has ended it meanwhile",
  4503: "the agent is broken",
  4504: "the host is shutting down or restarting",
};

export const BLOCKED = "Click anywhere or press a key to go on with the call";
export const CONNECTION_LOST = "The connection was lost. Reconnecting …";
export const CONNECTED_AGAIN = "Connected again: the call goes on.";

/**
 * Why a call ended: `{ text, failed }`. Takes what the event `ended` of the client tells.
 */
export function closeMessage({ cause, code, reason, wasLost }) {
  if (cause === "unreachable" && !reason) return { text: HOST_SILENT, failed: true };
  if (wasLost && code !== 1000) {
    const why = LOST_MESSAGES[code] ?? "the host could not be reached again in time";
    return { text: `The connection was lost, and the call could not go on: ${why}.`, failed: true };
  }
  const said = reason ? ` The host says: ${reason}` : "";
  if (code === 1000) return { text: `The call has ended.${said}`, failed: false };
  if (code in CLOSE_MESSAGES) return { text: CLOSE_MESSAGES[code] + said, failed: true };
  if (code === 1008 || code === 1009 || code === 1011) {
    return { text: `The host ended the call because of an error.${said}`, failed: true };
  }
  return { text: `The connection to the host was lost.${said}`, failed: true };
}

/** The list of agents requires a key or token. */
export function accessMessage(reason) {
  return CLOSE_MESSAGES[4401] + (reason ? ` The host says: ${reason}` : "");
}

/** Whether the call was refused for lack of a valid key or token. After a loss, the host may just have ended the call. */
export function needsCredential(code, wasLost) {
  return code === 4401 && !wasLost;
}

/** Whether the host ended the call because it stops or restarts. */
export function isDraining(code) {
  return code === 4504;
}

/** Whether the host stopped or disappeared during the call. */
export function isHostGone(code) {
  return code === 4504 || code === 1001 || code === 1006 || code === 1012;
}

/** What is wrong with a broken agent: error, file and line, what to do. */
export function brokenDetails({ error, where, hint }) {
  const place = where ? ` (${where})` : "";
  const next = hint ? ` — ${hint}` : "";
  return `${error || "The host gave no reason."}${place}${next}`;
}

/** The same as a sentence of its own. */
export function brokenMessage(agent) {
  if (agent.status === "disabled") return `${agent.title || agent.id} is switched off on this host.`;
  const phase = agent.phase ? `, it was not ${agent.phase}` : "";
  return `${agent.title || agent.id} is broken and cannot take calls${phase}: ${brokenDetails(agent)}`;
}

export const NO_CREDENTIAL =
  "That is no key and no call token: they consist of letters, digits, dots, hyphens and underscores only.";

export const AGENTS_HIDDEN = "This host shows its agents to those with a key or a call token.";

export const RESTARTED = "The host was restarted.";

export const HOST_SILENT = "The host does not answer. Is it still running?";

const NEEDS_MICROPHONE = "Then press “Use microphone”. Or type your message.";
const HAVE_MICROPHONE = new Set(["microphone_replaced", "microphone_silent"]);

/** What to show for a problem with sound or microphone, an `error` of the client. */
export function problemMessage({ code, message }) {
  return code.startsWith("microphone_") && !HAVE_MICROPHONE.has(code) ? `${message} ${NEEDS_MICROPHONE}` : message;
}

/**
 * Notices about the providers in use, most important first: `{ about, text }`. `speechProblem`: why there is no speech on
 * this host. `speechNotices`: limits of the speech services.
 */
export function providerNotices({ model } = {}, speechProblem, speechNotices = []) {
  const notices = [];
  if (speechProblem) notices.push({ about: "no speech", text: speechProblem });
  for (const text of speechNotices) notices.push({ about: "demo speech", text });
  if (model === "demo") {
    notices.push({
      about: "demo model",
      text:
        "No language model is configured: a demo model knows only the agent’s tools. " +
        "Set VOICE_HOST_MODEL or ASSEMBLYAI_API_KEY.",
    });
  }
  return notices;
}
