// What can go wrong in a call, and why it ended: a code for programs, and a message that says what to do.

/**
 * A problem in a call. `code` is one of those in `PROBLEMS`, or, if `isOfHost`, an error code of the host. The call goes on
 * unless `isFatal`.
 */
export class CallError extends Error {
  constructor(code, message = PROBLEMS[code], { isOfHost = false, isFatal = false, cause = undefined } = {}) {
    super(message, { cause });
    this.name = "CallError";
    this.code = code;
    this.isOfHost = isOfHost;
    this.isFatal = isFatal;
  }
}

const PROBLEMS = {
  microphone_denied:
    "This page is not allowed to use the microphone. Allow it at the icon beside the page’s address, and in the privacy " +
    "settings of your system.",
  microphone_not_found: "No microphone was found. Plug one in.",
  microphone_busy: "The microphone cannot be used, perhaps because another program uses it. Close that.",
  microphone_failed: "The microphone could not be opened. Check that it works elsewhere.",
  microphone_silent:
    "No sound comes from the microphone. Is it switched off or muted, or is it the wrong one? Check it in the settings of your system.",
  microphone_lost: "The microphone was disconnected. Plug it in.",
  microphone_replaced: "The microphone was disconnected. Another one is used now.",
  speaker_failed: "This loudspeaker cannot be used. Choose another one.",
  speaker_choice_unsupported: "This browser does not let pages choose a loudspeaker. Choose it in the system’s settings.",
  audio_insecure:
    "Browsers allow sound and the microphone only to pages served over HTTPS, or from this computer as http://localhost. " +
    "Open the page that way to speak. Here you can type, and read the replies.",
  audio_unsupported:
    "This browser cannot record or play a call. Use a current Chrome, Edge, Firefox or Safari to speak. " +
    "Here you can type, and read the replies.",
  audio_failed:
    "The browser could not start its sound. Check this computer’s sound output, hang up and call again. " +
    "Until then you can type, and read the replies.",
};

const MICROPHONE_ERRORS = {
  NotAllowedError: "microphone_denied",
  NotFoundError: "microphone_not_found",
  OverconstrainedError: "microphone_not_found", // the chosen device is not connected
  NotReadableError: "microphone_busy",
  SecurityError: "audio_insecure",
};

/** The problem behind an error of `getUserMedia`. */
export function microphoneError(error) {
  return new CallError(MICROPHONE_ERRORS[error.name] ?? "microphone_failed", undefined, { cause: error });
}

const CAUSES = {
  1000: "ended",
  1008: "internal_error",
  1009: "internal_error",
  1011: "internal_error",
  4401: "not_authorised",
  4403: "origin_not_allowed",
  4404: "no_such_agent",
  4429: "over_a_limit",
  4500: "could_not_start",
  4503: "agent_broken",
  4504: "draining",
};

const ENDS = {
  hung_up: "You hung up.",
  ended: "The call has ended.",
  token_failed: "The call could not begin: the page got no call token. Try again in a moment.",
  not_authorised: "There is no permission to call: the page needs a valid call token. Reload the page and try again.",
  origin_not_allowed: "The voice service does not take calls from this site. Its operator must allow the site’s address.",
  no_such_agent: "The voice service has no such agent.",
  over_a_limit: "All lines are busy. Try again in a moment.",
  could_not_start: "The call could not be started. Try again in a moment.",
  agent_broken: "The agent cannot take calls at the moment. Try again later.",
  draining: "The voice service is restarting. Try again in a moment.",
  internal_error: "The call ended because of an error. Try again in a moment.",
  unreachable: "The voice service cannot be reached. Check your internet connection and try again.",
  connection_lost: "The connection was lost, and the call could not go on. Check your internet connection and call again.",
};

const NO_FAILURES = new Set(["hung_up", "ended"]);

/**
 * Why a call ended, for the event `ended`. `wasReady`: the host had taken it; `wasLost`: its connection was lost and could not
 * be restored.
 */
export function endOf(code, reason, { wasReady, wasLost }) {
  const closed = CAUSES[code] ?? (wasReady ? "connection_lost" : "unreachable");
  const cause = wasLost && closed !== "ended" ? "connection_lost" : closed;
  return { cause, message: ENDS[cause], failed: !NO_FAILURES.has(cause), code, reason, wasLost };
}

/** The end of a call that this side ended, or that never reached a host. */
export function ownEnd(cause, reason = "") {
  return { cause, message: ENDS[cause], failed: !NO_FAILURES.has(cause), code: 1000, reason, wasLost: false };
}
