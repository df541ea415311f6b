// Buttons, status line and level meter: shows the state of a conversation, decides nothing.

const STATUS = {
  restarting: "The host is restarting …",
  idle: "Not in a call",
  blocked: "Click anywhere or press a key to go on with the call",
  connecting: "Connecting …",
  reconnecting: "Connection lost. Reconnecting …",
  listening: "Listening",
  thinking: "Thinking …",
  speaking: "Speaking",
};

const LISTENING_WITHOUT = { off: "Your turn: type, or use the microphone", opening: "Waiting for the microphone …" };

export class Controls {
  #page;

  /** `page` holds the elements by name, see talk.js. */
  constructor(page) {
    this.#page = page;
  }

  /**
   * `conversation` is null outside a call; `agent` is null as long as none can be called; `isRestarting` says that the
   * host is being replaced.
   */
  show(conversation, agent, { isEmpty, hasTurns }, isRestarting) {
    const { body, status, talk, talkLabel, stop, reset, hangUp, message, send, agents, empty, examples } = this.#page;
    const phase = conversation?.phase ?? (isRestarting ? "restarting" : "idle");
    const microphone = conversation?.microphoneState ?? "off";
    const outside = conversation === null;
    const talkIsOff = agent === null || phase === "restarting";
    const inCall = !outside && !["blocked", "connecting", "reconnecting"].includes(phase);
    body.dataset.phase = phase;
    body.dataset.microphone = microphone;
    body.dataset.view = outside && isEmpty ? "start" : "call";
    empty.hidden = !isEmpty || agent === null;
    // What one might say is of use until one has said something.
    examples.hidden = talkIsOff || hasTurns || examples.childElementCount === 0;
    status.textContent = statusWords(phase, microphone);
    talkLabel.textContent = talkWords(phase, microphone);
    talk.disabled = talkIsOff;
    talk.setAttribute("aria-pressed", String(microphone === "on"));
    // A focused button that is disabled loses the focus to nowhere: who uses the keyboard gets the next best button.
    const focused = document.activeElement;
    stop.disabled = phase !== "speaking" && phase !== "thinking";
    reset.disabled = !inCall && (!outside || isEmpty);
    hangUp.disabled = outside;
    if (focused?.disabled && focused !== talk) talk.focus();
    message.disabled = send.disabled = talk.disabled;
    agents.disabled = !outside; // one call at a time: hang up to call somebody else
  }

  /** `level` is the microphone's, from 0 to 1 (root mean square). */
  level(level) {
    // Speech lies between about -50 and -10 dB: a linear meter would hardly move.
    const decibels = 20 * Math.log10(Math.max(level, 1e-5));
    const shown = Math.max(0, Math.min(1, (decibels + 55) / 45));
    this.#page.talk.style.setProperty("--level", shown.toFixed(2));
  }
}

function statusWords(phase, microphone) {
  if (phase !== "listening") return STATUS[phase];
  if (microphone === "muted") return "Microphone muted";
  return LISTENING_WITHOUT[microphone] ?? STATUS.listening;
}

function talkWords(phase, microphone) {
  if (phase === "idle" || phase === "restarting") return "Start talking";
  if (phase === "blocked") return "Go on";
  if (phase === "connecting" || phase === "reconnecting") return "Connecting …";
  return { off: "Use microphone", opening: "Allow microphone", on: "Mute", muted: "Unmute" }[microphone];
}
