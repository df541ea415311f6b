// Buttons, status line and level meter: shows the state of a conversation, and decides nothing.

import { BLOCKED } from "./messages.js";

const STATUS = {
  restarting: "The host is restarting …",
  idle: "Not in a call",
  blocked: BLOCKED,
  connecting: "Connecting …",
  reconnecting: "Connection lost. Reconnecting …",
  listening: "Listening",
  thinking: "Thinking …",
  speaking: "Speaking",
};

const LISTENING_STATUS = { off: "Your turn: type, or use the microphone", opening: "Waiting for the microphone …" };

export class Controls {
  #page;

  /** `page` has the elements by name: see talk.js. */
  constructor(page) {
    this.#page = page;
  }

  /**
   * `conversation` is null outside a call; `agent` is null if none can be called; `isRestarting`: the host is being
   * replaced.
   */
  show(conversation, agent, { isEmpty, hasTurns }, isRestarting) {
    const { body, status, talk, talkLabel, stop, reset, hangUp, message, send, agents, empty, emptyText, examples } = this.#page;
    const phase = conversation?.phase ?? (isRestarting ? "restarting" : "idle");
    const microphone = conversation?.microphoneState ?? "off";
    const outside = conversation === null;
    const talkIsOff = agent === null || phase === "restarting";
    const inCall = !outside && !["blocked", "connecting", "reconnecting"].includes(phase);
    body.dataset.phase = phase;
    body.dataset.microphone = microphone;
    body.dataset.view = outside && isEmpty ? "start" : "call";
    empty.hidden = !isEmpty || agent === null;
    emptyText.textContent = emptyWords(phase, microphone);
    // Examples are useful until the caller has said something.
    examples.hidden = talkIsOff || hasTurns || examples.childElementCount === 0;
    status.textContent = statusText(phase, microphone);
    talkLabel.textContent = talkText(phase, microphone);
    talk.disabled = talkIsOff;
    // Disabling a focused button drops the focus: keyboard users get the talk button instead.
    const focused = document.activeElement;
    stop.disabled = phase !== "speaking" && phase !== "thinking";
    reset.disabled = !inCall && (!outside || isEmpty);
    hangUp.disabled = outside;
    if (focused?.disabled && focused !== talk) talk.focus();
    message.disabled = send.disabled = talk.disabled;
    agents.disabled = !outside; // one call at a time
  }

  /** `level`: of the microphone, from 0 to 1 (root mean square). Returns what is shown for it, from 0 to 1. */
  level(level) {
    // Speech lies between about -50 and -10 dB: a linear meter would hardly move.
    const decibels = 20 * Math.log10(Math.max(level, 1e-5));
    const shown = Math.max(0, Math.min(1, (decibels + 55) / 45));
    this.#page.talk.style.setProperty("--level", shown.toFixed(2));
    return shown;
  }
}

function statusText(phase, microphone) {
  if (phase !== "listening") return STATUS[phase];
  if (microphone === "muted") return "Microphone muted";
  return LISTENING_STATUS[microphone] ?? STATUS.listening;
}

/** What to do while nothing has been said yet. */
function emptyWords(phase, microphone) {
  if (["blocked", "connecting", "reconnecting"].includes(phase)) return ""; // the status tells
  if (microphone === "on") return "Speak, or type a message below.";
  if (microphone === "opening") return "Allow the microphone and speak, or type a message below.";
  return `Press “${talkText(phase, microphone)}” and speak, or type a message below.`;
}

function talkText(phase, microphone) {
  if (phase === "idle" || phase === "restarting") return "Start talking";
  if (phase === "blocked") return "Go on";
  if (phase === "connecting" || phase === "reconnecting") return "Connecting …";
  return { off: "Use microphone", opening: "Allow microphone", on: "Mute", muted: "Unmute" }[microphone];
}
