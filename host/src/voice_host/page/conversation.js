// One call of the talk page: shows what happens in it in the transcript.

import { connect } from "../client.js";
import { credential } from "./access.js";
import {
  BLOCKED,
  CONNECTED_AGAIN,
  CONNECTION_LOST,
  closeMessage,
  isDraining,
  isHostGone,
  needsCredential,
  problemMessage,
} from "./messages.js";

export class Conversation {
  #call;
  #log;
  #ready = null; // the last `ready` message
  #transcript;
  #view;

  /**
   * Opens the call. Do this directly in a click or key press, or browsers may block audio. `view` has `changed()`,
   * `level(0..1)`, `microphoneOpened()`, `problem(text, code)` and, once and last, `ended({ text, failed, hostGone,
   * draining, credentialNeeded, unsent })`; `unsent`: typed turns that were not sent.
   * `options` are those of `connect`: `microphone`, `inputDevice`, `outputDevice`, `metadata`, and `resumeToken`, which
   * resumes the call of an earlier page. `details` has what the panel shows: `log` and `waterfall`.
   */
  constructor(agent, transcript, view, details, options) {
    this.#transcript = transcript;
    this.#view = view;
    this.#log = details.log;
    this.#call = connect({ agent: agent.id, getToken: credential, ...options });
    this.#show();
    this.#logEvents();
    this.#call.on("metrics", ({ reply, stagesMs }) => details.waterfall.add(reply, stagesMs));
    this.#call.on("state", (state) => {
      if (state === "blocked") transcript.announce(BLOCKED);
      if (state !== "ended") view.changed();
    });
    this.#call.on("microphone", (state) => {
      if (state === "on" || state === "muted") view.microphoneOpened();
      view.level(0);
      view.changed();
    });
    this.#call.on("level", (level) => view.level(level));
    this.#call.on("ended", (end) => this.#onEnded(end));
  }

  /** "blocked", "connecting", "reconnecting", "listening", "thinking" or "speaking". */
  get phase() {
    return this.#call.state;
  }

  /** "off", "opening", "on" or "muted". */
  get microphoneState() {
    return this.#call.microphone;
  }

  /** The session's id, or null. */
  get sessionId() {
    return this.#call.sessionId;
  }

  /** The version of the agent's package that answers, or null. */
  get agentVersion() {
    return this.#ready?.agent_version ?? null;
  }

  /** The microphone in use, or null. */
  get inputDevice() {
    return this.#call.inputDevice;
  }

  chooseMicrophone(id) {
    return this.#call.chooseMicrophone(id);
  }

  chooseSpeaker(id) {
    return this.#call.chooseSpeaker(id);
  }

  /** For tests and debugging; see talk.js. */
  get facts() {
    return this.#call.stats;
  }

  /** What the page needs to resume this call after a reload; null if it cannot be resumed. */
  get resumable() {
    const { resumeToken: token, microphone, unsent } = this.#call;
    return token === null ? null : { token, microphone, unsent };
  }

  toggleMicrophone() {
    if (this.#call.microphone === "on") this.#call.mute();
    else this.#call.unmute();
  }

  say(text) {
    this.#transcript.typed(text);
    this.#log.add("page", "text", { text });
    this.#call.say(text);
  }

  /** Stops the reply at once, without waiting for the host. */
  stopSpeaking() {
    this.#log.add("page", "cancel");
    this.#call.stopSpeaking();
  }

  reset() {
    this.#log.add("page", "reset");
    this.#call.reset();
  }

  hangUp() {
    this.#call.hangUp();
  }

  #show() {
    const transcript = this.#transcript;
    const shown = {
      ready: ({ resumed }) => resumed && transcript.note(CONNECTED_AGAIN),
      lost: () => {
        transcript.endCall();
        transcript.note(CONNECTION_LOST);
      },
      greeting: ({ reply, text }) => transcript.greeting(reply, text),
      // Only partials: the complete turn comes as `turn`.
      transcript: ({ text, final }) => final || transcript.partial(text),
      turn: ({ text }) => {
        transcript.turn(text);
        transcript.thinking(true);
      },
      thinking: (isThinking) => transcript.thinking(isThinking),
      toolCall: ({ reply, id, name, arguments: given }) => transcript.toolCall(reply, id, name, given),
      toolResult: ({ id, name, ok }) => transcript.toolResult(id, name, ok),
      replyDelta: ({ reply, text }) => transcript.replyDelta(reply, text),
      reply: ({ reply, text, steps }) => transcript.replyWhole(reply, text, steps),
      interrupted: ({ reply, heard }) => transcript.cut(reply, heard),
      metrics: ({ reply, stagesMs }) => transcript.latency(reply, stagesMs),
      reset: () => transcript.clear(),
      error: (error) => this.#onError(error),
    };
    for (const [event, show] of Object.entries(shown)) {
      this.#call.on(event, (detail) => {
        show(detail);
        this.#view.changed();
      });
    }
  }

  #logEvents() {
    const log = this.#log;
    this.#call.on("message", (message) => {
      const { type, ...detail } = message;
      if (type === "ready") this.#ready = message;
      if ("resume_token" in detail) detail.resume_token = detail.resume_token === null ? null : "(secret)";
      if (type !== "pong") log.add("host", type, detail);
    });
    this.#call.on("microphone", (state) => log.add("browser", "microphone", { state }));
    this.#call.on("replyAudible", (detail) => log.add("browser", "audible", detail));
    this.#call.on("replyPlayed", (detail) => log.add("browser", "played", detail));
    this.#call.on("lost", () => log.add("browser", "connection lost"));
    this.#call.on("error", (error) => error.isOfHost || log.add("browser", "problem", { code: error.code }));
    this.#call.on("ended", ({ cause, code, reason }) => log.add("browser", "ended", { cause, code, reason }));
  }

  #onError(error) {
    if (!error.isOfHost) this.#view.problem(problemMessage(error), error.code);
    else if (!error.isFatal) this.#transcript.note(error.message, "error");
  }

  #onEnded(end) {
    const { code, wasLost } = end;
    const { unsent } = this.#call;
    this.#transcript.withdraw(unsent);
    this.#transcript.endCall();
    this.#view.level(0);
    this.#view.ended({
      ...closeMessage(end),
      hostGone: isHostGone(code) || wasLost,
      draining: isDraining(code),
      credentialNeeded: needsCredential(code, wasLost),
      unsent,
    });
  }
}
