// One call: the connection, the microphone and the speaker, and the events that tell a page what happens.

import { createAudioContext, keepRunning, noAudioReason, prepareAudioContext } from "./audio-context.js";
import { Connection } from "./connection.js";
import { canChooseSpeaker } from "./devices.js";
import { CallError, endOf, ownEnd } from "./errors.js";
import { Events } from "./events.js";
import { MicrophoneSwitch } from "./microphone-switch.js";
import { Speaker } from "./speaker.js";

const MAX_UNSENT = 20; // typed turns kept while there is no connection

/** Events that hand on a message of the call protocol, by its type. */
const HANDED_ON = {
  greeting: ({ reply, text }) => ["greeting", { reply: reply ?? null, text }],
  turn: ({ text }) => ["turn", { text }],
  tool_call: ({ reply, id, name, arguments: given }) => ["toolCall", { reply: reply ?? null, id, name, arguments: given }],
  tool_result: ({ id, name, ok }) => ["toolResult", { id, name, ok: ok === true }],
  reply_delta: ({ reply, text }) => ["replyDelta", { reply: reply ?? null, text }],
  chat: ({ reply, text, steps }) => ["reply", { reply: reply ?? null, text, steps: steps ?? [] }],
  cancelled: ({ reply, heard }) => ["interrupted", { reply: reply ?? null, heard: heard ?? "" }],
  metrics: ({ reply, stages_ms }) => ["metrics", { reply: reply ?? null, stagesMs: stages_ms ?? {} }],
  transcript: ({ text, final }) => ["transcript", { text, final: final === true }],
  reset: () => ["reset", {}],
  // A fatal error closes the call: the event `ended` follows.
  error: ({ code, message, fatal }) => ["error", new CallError(code ?? "", message ?? "", { isOfHost: true, isFatal: fatal === true })],
};

/** Made by `connect` in client.js. For its events and methods see client.d.ts. */
export class Call {
  #options;
  #events = new Events();
  #state = "connecting";
  #context = null;
  #connection = null;
  #microphone;
  #speaker = null;
  #ready = null; // the last `ready` message
  #isThinking = false;
  #end = null; // why the call ended
  #unsent = []; // turns typed while there was no connection
  #noAudioReason = noAudioReason(); // the code of a problem; null if this call has audio
  #isBlocked = false; // the browser allows audio only after a click or key press
  #audibleReply = null; // the reply that is or was last played
  #stoppedReply; // the reply that the caller stopped, until the host confirms it
  #outputDevice;

  constructor(options) {
    this.#options = options;
    this.#outputDevice = options.outputDevice;
    this.#microphone = new MicrophoneSwitch(options.inputDevice, {
      changed: (state) => this.#emit("microphone", state),
      frame: (pcm, level) => {
        this.#connection?.sendAudio(pcm);
        this.#emit("level", level);
      },
      problem: (error) => this.#emit("error", error),
    });
    void this.#start();
    if (options.microphone !== false && !this.#noAudioReason) void this.openMicrophone({ muted: options.microphone === "muted" });
  }

  on(name, listener) {
    return this.#events.on(name, listener);
  }

  get state() {
    return this.#state;
  }

  get microphone() {
    return this.#microphone.state;
  }

  get inputDevice() {
    return this.#microphone.device;
  }

  get outputDevice() {
    return this.#outputDevice;
  }

  get sessionId() {
    return this.#ready?.session_id ?? null;
  }

  get resumeToken() {
    return this.#connection ? this.#connection.resumeToken : this.#options.resumeToken;
  }

  get unsent() {
    return [...this.#unsent];
  }

  get end() {
    return this.#end;
  }

  get stats() {
    return {
      speaker: this.#speaker ? structuredClone(this.#speaker.facts) : null,
      microphoneFrames: this.#microphone.frames,
      droppedFrames: this.#connection?.droppedFrames ?? 0,
    };
  }

  say(text) {
    if (this.#end) return;
    if (this.#connection?.isReady) this.#connection.sendText(text);
    else this.#unsent.push(text);
    if (this.#unsent.length > MAX_UNSENT) this.#unsent.shift();
  }

  stopSpeaking() {
    // At once, without waiting for the host.
    if (this.#speaker?.facts.playing) {
      this.#stoppedReply = this.#audibleReply;
      this.#speaker.drop();
    }
    this.#connection?.cancel();
    this.#update();
  }

  reset() {
    this.#connection?.reset();
  }

  async openMicrophone({ muted = false } = {}) {
    if (this.#end) return;
    if (this.#noAudioReason) await this.#tell(new CallError(this.#noAudioReason));
    else await this.#microphone.open({ muted });
  }

  mute() {
    this.#microphone.mute(true);
  }

  unmute() {
    if (this.#microphone.state === "off") void this.openMicrophone();
    else this.#microphone.mute(false);
  }

  closeMicrophone() {
    this.#microphone.close();
  }

  async chooseMicrophone(id) {
    await this.#microphone.choose(id);
  }

  async chooseSpeaker(id) {
    if (!canChooseSpeaker()) throw new CallError("speaker_choice_unsupported");
    try {
      await this.#context?.setSinkId(id);
    } catch (error) {
      throw new CallError("speaker_failed", undefined, { cause: error });
    }
    this.#outputDevice = id;
  }

  hangUp() {
    this.#finish(ownEnd("hung_up"));
  }

  async #start() {
    // Before the connection, so that the speaker is ready for the greeting.
    await this.#startAudio();
    if (this.#end) return;
    const handlers = {
      message: (message) => this.#onMessage(message),
      audio: (reply, pcm) => this.#onAudio(reply, pcm),
      lost: () => this.#onLost(),
      closed: (code, reason, wasLost) => this.#finish(endOf(code, reason, { wasReady: this.#ready !== null, wasLost })),
      refused: (error) => this.#finish(ownEnd(navigator.onLine ? "token_failed" : "unreachable", String(error?.message ?? error))),
    };
    const { address, getToken, resumeToken } = this.#options;
    this.#connection = new Connection(address, getToken, handlers, resumeToken);
    this.#update();
  }

  async #startAudio() {
    try {
      if (!this.#noAudioReason) {
        this.#context = createAudioContext(); // synchronously, within the user gesture
        await prepareAudioContext(this.#context, () => this.#setBlocked(true));
        keepRunning(this.#context, (isBlocked) => this.#setBlocked(isBlocked));
        if (this.#outputDevice !== null) await this.#startSpeaker();
      }
    } catch {
      this.#noAudioReason = "audio_failed";
    }
    this.#setBlocked(false);
    if (this.#end || !this.#noAudioReason) return;
    void this.#context?.close();
    this.#context = null;
    this.#microphone.close();
    await this.#tell(new CallError(this.#noAudioReason));
  }

  /** A remembered loudspeaker that is not connected does not prevent a call. */
  async #startSpeaker() {
    const wanted = this.#outputDevice;
    this.#outputDevice = null;
    await this.chooseSpeaker(wanted).catch((error) => this.#emit("error", error));
  }

  #onMessage(message) {
    this.#emit("message", message);
    if (this.#end) return; // a listener hung up
    const reply = message.reply ?? null;
    let isThinking = this.#isThinking;
    switch (message.type) {
      case "ready":
        this.#onReady(message);
        break;
      case "turn":
      case "thinking":
        this.#stoppedReply = undefined;
        isThinking = true;
        break;
      case "chat":
        if (!this.#speaker) isThinking = false;
        break;
      case "tts_done":
        this.#stoppedReply = undefined;
        this.#speaker?.end(reply);
        isThinking = false;
        break;
      case "hold":
        this.#speaker?.hold(reply);
        break;
      case "unhold":
        this.#speaker?.release(reply);
        break;
      case "cancelled":
      case "reset":
        this.#silence();
        isThinking = false;
        break;
      case "error":
        isThinking = false;
        break;
      default: // handed on below, `pong`, or a message of a later protocol
    }
    if (Object.hasOwn(HANDED_ON, message.type)) this.#emit(...HANDED_ON[message.type](message));
    this.#setThinking(isThinking);
    this.#update();
  }

  #onReady(message) {
    const isFirst = this.#ready === null;
    this.#ready = message;
    if (isFirst && this.#context) {
      this.#speaker = new Speaker(this.#context, message.tts_sample_rate, {
        started: (reply) => this.#onAudible(reply),
        played: (reply, playedMs, held) => this.#connection.reportPlayback(reply, playedMs, held),
        finished: (reply) => {
          this.#update();
          this.#emit("replyPlayed", { reply });
        },
      });
      this.#microphone.start(this.#context, message.sample_rate);
    }
    const resumed = message.resumed === true || !isFirst;
    this.#emit("ready", { sessionId: message.session_id, agent: message.agent, resumed });
    for (const text of this.#unsent.splice(0)) this.#connection.sendText(text);
  }

  /** Resets what belongs to the connection. The microphone and the speaker stay. */
  #onLost() {
    this.#silence();
    this.#setThinking(false);
    this.#emit("lost", {});
    this.#update();
  }

  #silence() {
    this.#stoppedReply = undefined;
    this.#speaker?.drop();
  }

  #setThinking(isThinking) {
    if (isThinking === this.#isThinking) return;
    this.#isThinking = isThinking;
    this.#emit("thinking", isThinking);
  }

  #onAudio(reply, pcm) {
    if (this.#stoppedReply === undefined || reply !== this.#stoppedReply) this.#speaker?.play(reply, pcm);
  }

  #onAudible(reply) {
    this.#audibleReply = reply;
    this.#setThinking(false);
    this.#update();
    this.#emit("replyAudible", { reply });
  }

  #setBlocked(isBlocked) {
    this.#isBlocked = isBlocked;
    this.#update();
  }

  #update() {
    const state = this.#currentState();
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("state", state);
  }

  #currentState() {
    if (this.#end) return "ended";
    if (this.#isBlocked) return "blocked";
    if (this.#connection?.isLost) return "reconnecting";
    if (!this.#connection?.isReady) return "connecting";
    if (this.#speaker?.facts.playing) return "speaking";
    return this.#isThinking ? "thinking" : "listening";
  }

  /** Reports a problem that was found at once, after the page had time to add its listeners. */
  async #tell(error) {
    await null;
    this.#emit("error", error);
  }

  #emit(name, detail) {
    this.#events.emit(name, detail);
  }

  #finish(end) {
    if (this.#end) return;
    this.#end = end;
    this.#microphone.close();
    this.#speaker?.close();
    void this.#context?.close();
    this.#connection?.hangUp();
    this.#update();
    this.#emit("ended", end);
    this.#events.clear();
  }
}
