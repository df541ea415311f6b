// What goes wrong, in plain words.

const CLOSE_WORDS = {
  4401: "This host wants to know who is calling. Give it a key or a call token.",
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

export const NO_CREDENTIAL = "That is no key and no call token: they hold letters, digits, dots, hyphens and underscores only.";

export const AGENTS_HIDDEN = "This host shows its agents to those with a key or a call token.";

export const RESTARTED = "The host was restarted.";

export const HOST_SILENT = "The host does not answer. Is it still running?";

export const NO_AUDIO_HERE =
  "Browsers give the microphone and sound only to pages served over HTTPS or from this very machine (localhost). " +
  "You can type, and read the replies.";

/** Says why there is no microphone, from the error of `getUserMedia`. */
export function microphoneWords(error) {
  const words = {
    NotAllowedError: "The browser was not allowed to use the microphone. Allow it in the address bar, or type instead.",
    NotFoundError: "No microphone was found. Plug one in, or type instead.",
    NotReadableError: "The microphone is in use by another program. Close that one, or type instead.",
    SecurityError: NO_AUDIO_HERE,
  };
  return words[error.name] ?? "The microphone could not be opened. You can type instead.";
}

/** Notices about the providers in use, most important first: what each is about, and what to know and to set. */
export function providerNotices({ stt, tts, model } = {}) {
  const notices = [];
  if (stt === "embedded" || tts === "embedded") {
    notices.push({
      about: "demo speech",
      text:
        "Demo speech on this machine: English, one close microphone, a quiet room, short everyday sentences. " +
        "Set ASSEMBLYAI_API_KEY and ASSEMBLYAI_TTS_API_KEY for the cloud services.",
    });
  }
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
