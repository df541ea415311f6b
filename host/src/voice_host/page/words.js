// What goes wrong, in plain words.

const CLOSE_WORDS = {
  4401: "This host wants to know who is calling. Enter an API key or a call token.",
  4403: "This host does not take calls from the address of this page.",
  4404: "There is no such agent on this host.",
  4429: "The host is at its limit of calls. Try again in a moment.",
  4500: "The call could not be started.",
  4503: "This agent is broken and cannot take calls.",
  4504: "The host is shutting down or restarting.",
};

const GONE_WORDS = {
  4401: "the host has ended it meanwhile",
  4503: "the agent is broken",
  4504: "the host is shutting down or restarting",
};

export const CONNECTION_LOST = "The connection was lost. Reconnecting …";
export const CONNECTED_AGAIN = "Connected again: the call goes on.";

/**
 * Says why a call is over: `{ text, failed }`. `reason` is what the host gave with the close code, or empty; `wasLost`:
 * its connection had broken, and was tried again in vain.
 */
export function closeWords(code, reason, wasLost = false) {
  if (wasLost && code !== 1000) {
    const why = GONE_WORDS[code] ?? "the host could not be reached again in time";
    return { text: `The connection was lost, and the call could not go on: ${why}.`, failed: true };
  }
  const said = reason ? ` The host says: ${reason}` : "";
  if (code === 1000) return { text: `The call has ended.${said}`, failed: false };
  if (code in CLOSE_WORDS) return { text: CLOSE_WORDS[code] + said, failed: true };
  if (code === 1008 || code === 1009 || code === 1011) {
    return { text: `The host ended the call because of an error.${said}`, failed: true };
  }
  return { text: `The connection to the host was lost.${said}`, failed: true };
}

/** Says that the list of agents is not for everybody. */
export function accessWords(reason) {
  return CLOSE_WORDS[4401] + (reason ? ` The host says: ${reason}` : "");
}

/** Whether the call was refused for want of a good key or token; where it `wasLost`, the host may have ended it. */
export function accessIsWanted(code, wasLost) {
  return code === 4401 && !wasLost;
}

/** Whether the host ended the call because it stops, or is replaced by another. */
export function isDraining(code) {
  return code === 4504;
}

/** Whether the host went away under a call, rather than ending it. */
export function hostIsGone(code) {
  return code === 4504 || code === 1001 || code === 1006 || code === 1012;
}

/** Says what is wrong with a broken agent: error, file and line, what to do. */
export function brokenDetails({ error, where, hint }) {
  const place = where ? ` (${where})` : "";
  const next = hint ? ` — ${hint}` : "";
  return `${error || "The host gave no reason."}${place}${next}`;
}

/** The same as a whole sentence, to be read by itself. */
export function brokenWords(agent) {
  if (agent.status === "disabled") return `${agent.title || agent.id} is switched off on this host.`;
  const phase = agent.phase ? `, it was not ${agent.phase}` : "";
  return `${agent.title || agent.id} is broken and cannot take calls${phase}: ${brokenDetails(agent)}`;
}

export const NO_CREDENTIAL =
  "That is no key and no call token: they consist of letters, digits, dots, hyphens and underscores only.";

export const AGENTS_HIDDEN = "This host shows its agents to those with a key or a call token.";

export const RESTARTED = "The host was restarted.";

export const HOST_SILENT = "The host does not answer. Is it still running?";

/** Why a call has neither sound nor a microphone, and what to do; see `whyNoAudio` in audio-context.js. */
export const AUDIO_WORDS = {
  insecure:
    "Browsers allow sound and the microphone only to pages served over HTTPS, or from this computer as http://localhost. " +
    "Open the page that way to speak. Here you can type, and read the replies.",
  unsupported:
    "This browser cannot record or play a call. Use a current Chrome, Edge, Firefox or Safari to speak. " +
    "Here you can type, and read the replies.",
  failed:
    "The browser could not start its sound. Check this computer’s sound output, hang up and call again. " +
    "Until then you can type, and read the replies.",
};

export const MICROPHONE_GONE =
  "The microphone was disconnected. Plug it in and press “Use microphone”, or type your message.";

const TRY_AGAIN = "then press “Use microphone”. Or type your message.";

/** Says why there is no microphone and what to do, from the error of `getUserMedia`. */
export function microphoneWords(error) {
  const words = {
    NotAllowedError:
      "This page is not allowed to use the microphone. Allow it at the icon beside the page’s address, and in the " +
      `privacy settings of your system; ${TRY_AGAIN}`,
    NotFoundError: `No microphone was found. Plug one in, ${TRY_AGAIN}`,
    NotReadableError: `The microphone cannot be used, perhaps because another program uses it. Close that, ${TRY_AGAIN}`,
    SecurityError: AUDIO_WORDS.insecure,
  };
  return words[error.name] ?? `The microphone could not be opened. Check that it works elsewhere, ${TRY_AGAIN}`;
}

/**
 * Notices about the providers in use, most important first: what each is about, and what to know and to set.
 * `speechProblem` says why there is no speech on this host, `speechNotices` what the speech services cannot do.
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
