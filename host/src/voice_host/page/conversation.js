// One call: connects the protocol, the microphone, the speaker and the transcript.

import { createAudioContext, noAudioReason, prepareAudioContext } from "./audio-context.js";
import { Call, sessionUrl } from "./call.js";
import { Microphone } from "./microphone.js";
import { Speaker } from "./speaker.js";
import {
  AUDIO_MESSAGES,
  CONNECTED_AGAIN,
  CONNECTION_LOST,
  MICROPHONE_GONE,
  needsCredential,
  closeMessage,
  isHostGone,
  isDraining,
  microphoneMessage,
} from "./messages.js";

export class Conversation {
  #agent;
  #transcript;
  #view;
  #context = null;
  #call = null;
  #microphone = null;
  #speaker = null;
  #ready = null; // the last `ready` message
  #thinking = false;
  #ended = false;
  #unsent = []; // turns typed before the host was ready
  #resumeToken; // of the call before the page was reloaded, until it is resumed
  #noAudioReason = noAudioReason(); // see AUDIO_MESSAGES; null if this call has audio
  #isBlocked = false; // the browser allows audio only after a click or key press
  #audibleReply = null; // the reply that is or was last played
  #stoppedReply; // the reply that the caller stopped by button, until the host confirms it

  /** "off", "opening", "on" or "muted". */
  microphoneState = "off";

  /**
   * `view` has `changed()`, `level(0..1)`, `problem(text)` and, once and last, `ended({ text, failed, hostGone, draining,
   * credentialNeeded })`. `resumeToken` resumes the call of an earlier page.
   */
  constructor(agent, transcript, view, resumeToken = null) {
    this.#resumeToken = resumeToken;
    this.#agent = agent;
    this.#transcript = transcript;
    this.#view = view;
  }

  /** "blocked", "connecting", "reconnecting", "listening", "thinking" or "speaking". */
  get phase() {
    if (this.#isBlocked) return "blocked";
    if (this.#call?.isLost) return "reconnecting";
    if (!this.#call?.isReady) return "connecting";
    if (this.#speaker?.facts.playing) return "speaking";
    return this.#thinking ? "thinking" : "listening";
  }

  /** For tests and debugging; see talk.js. */
  get facts() {
    return {
      speaker: this.#speaker?.facts ?? null,
      microphoneFrames: this.#microphone?.frames ?? 0,
      droppedFrames: this.#call?.droppedFrames ?? 0,
    };
  }

  /** What the page needs to resume this call after a reload; null if it cannot be resumed. */
  get resumable() {
    const token = this.#call ? this.#call.resumeToken : this.#resumeToken;
    return token === null ? null : { token, microphone: this.microphoneState, unsent: [...this.#unsent] };
  }

  /** Opens the call. Call it directly from a click or key press, or browsers may block audio. */
  async start() {
    // Before the call, so that the speaker is ready for the greeting.
    await this.#startAudio();
    if (this.#ended) return;
    const handlers = {
      message: (message) => this.#onMessage(message),
      audio: (reply, pcm) => this.#onAudio(reply, pcm),
      lost: () => this.#onLost(),
      closed: (code, reason, wasLost) =>
        this.#end({
          ...closeMessage(code, reason, wasLost),
          hostGone: isHostGone(code) || wasLost,
          draining: isDraining(code),
          credentialNeeded: needsCredential(code, wasLost),
        }),
    };
    this.#call = new Call(sessionUrl(this.#agent.id), handlers, this.#resumeToken);
    this.#view.changed();
  }

  /** Opens the microphone after the call was started. `muted`: it sends silence at first. */
  async openMicrophone({ muted = false } = {}) {
    if (this.microphoneState !== "off") return;
    if (this.#noAudioReason) return void this.#view.problem(AUDIO_MESSAGES[this.#noAudioReason]);
    this.#setMicrophone("opening");
    try {
      const microphone = await Microphone.open();
      if (this.#ended || this.#noAudioReason) return void microphone.close();
      microphone.muted = muted;
      this.#microphone = microphone;
      this.#setMicrophone(muted ? "muted" : "on");
      this.#startMicrophone();
    } catch (error) {
      if (this.#ended) return;
      this.#setMicrophone("off");
      this.#view.problem(microphoneMessage(error));
    }
  }

  toggleMicrophone() {
    if (!this.#microphone) return void this.openMicrophone();
    this.#microphone.muted = !this.#microphone.muted;
    this.#setMicrophone(this.#microphone.muted ? "muted" : "on");
  }

  say(text) {
    this.#transcript.typed(text);
    if (this.#call?.isReady) this.#call.sendText(text);
    else this.#unsent.push(text);
  }

  /** Stops the reply at once, without waiting for the host. */
  stopSpeaking() {
    if (this.#speaker?.facts.playing) {
      this.#stoppedReply = this.#audibleReply;
      this.#speaker.drop();
    }
    this.#call.cancel();
    this.#view.changed();
  }

  reset() {
    this.#call.reset();
  }

  hangUp() {
    if (this.#call) this.#call.hangUp();
    else this.#end({ text: "You hung up.", failed: false });
  }

  #onMessage(message) {
    const reply = message.reply ?? null;
    const transcript = this.#transcript;
    switch (message.type) {
      case "ready":
        this.#onReady(message);
        break;
      case "greeting":
        transcript.greeting(reply, message.text);
        break;
      case "transcript":
        // Only partials: the complete turn comes as `turn`.
        if (!message.final) transcript.partial(message.text);
        break;
      case "turn":
        transcript.turn(message.text);
        this.#think();
        break;
      case "thinking":
        this.#think();
        break;
      case "tool_call":
        transcript.toolCall(reply, message.id, message.name, message.arguments);
        break;
      case "tool_result":
        transcript.toolResult(message.id, message.name, message.ok === true);
        break;
      case "reply_delta":
        transcript.replyDelta(reply, message.text);
        break;
      case "chat":
        transcript.replyWhole(reply, message.text, message.steps);
        if (!this.#speaker) this.#stopThinking();
        break;
      case "tts_done":
        this.#stoppedReply = undefined;
        this.#speaker?.end(reply);
        this.#stopThinking();
        break;
      case "hold":
        this.#speaker?.hold(reply);
        break;
      case "unhold":
        this.#speaker?.release(reply);
        break;
      case "cancelled":
        this.#stoppedReply = undefined;
        this.#speaker?.drop();
        transcript.cut(reply, message.heard ?? "");
        this.#stopThinking();
        break;
      case "metrics":
        transcript.latency(reply, message.stages_ms ?? {});
        break;
      case "reset":
        this.#speaker?.drop();
        this.#stopThinking();
        transcript.clear();
        break;
      case "error":
        // A fatal error closes the call, and the close says why.
        if (!message.fatal) transcript.note(message.message, "error");
        this.#stopThinking();
        break;
      default: // `pong`, or a message of a later protocol
    }
    if (!this.#ended) this.#view.changed();
  }

  /** Resets the state of the connection. The transcript, the microphone and the speaker stay. */
  #onLost() {
    this.#stoppedReply = undefined;
    this.#speaker?.drop();
    this.#stopThinking();
    this.#transcript.endCall();
    this.#transcript.note(CONNECTION_LOST);
    this.#view.changed();
  }

  #onReady(message) {
    const isFirst = this.#ready === null;
    this.#ready = message;
    if (isFirst) this.#begin(message);
    if (message.resumed || !isFirst) this.#transcript.note(CONNECTED_AGAIN);
    for (const text of this.#unsent.splice(0)) this.#call.sendText(text);
  }

  #begin(message) {
    if (this.#context) {
      this.#speaker = new Speaker(this.#context, message.tts_sample_rate, {
        started: (reply) => this.#onAudible(reply),
        played: (reply, playedMs, held) => this.#call.reportPlayback(reply, playedMs, held),
        finished: () => this.#view.changed(),
      });
    }
    this.#startMicrophone();
  }

  #onAudio(reply, pcm) {
    if (this.#stoppedReply === undefined || reply !== this.#stoppedReply) this.#speaker?.play(reply, pcm);
  }

  #onAudible(reply) {
    this.#audibleReply = reply;
    this.#stopThinking();
    this.#view.changed();
  }

  #startMicrophone() {
    if (!this.#ready || !this.#microphone) return;
    this.#microphone.start(this.#context, this.#ready.sample_rate, {
      frame: (pcm, level) => {
        this.#call.sendAudio(pcm);
        this.#view.level(level);
      },
      lost: () => {
        this.#closeMicrophone();
        this.#view.problem(MICROPHONE_GONE);
      },
    });
  }

  async #startAudio() {
    try {
      if (!this.#noAudioReason) this.#context = createAudioContext();
      this.#view.changed();
      if (this.#context) await prepareAudioContext(this.#context, () => this.#setBlocked(true));
    } catch {
      this.#noAudioReason = "failed";
    }
    this.#setBlocked(false);
    if (this.#ended || !this.#noAudioReason) return;
    this.#context?.close();
    this.#context = null;
    this.#closeMicrophone();
    this.#view.problem(AUDIO_MESSAGES[this.#noAudioReason]);
  }

  #setBlocked(isBlocked) {
    this.#isBlocked = isBlocked;
    if (!this.#ended) this.#view.changed();
  }

  #closeMicrophone() {
    this.#microphone?.close();
    this.#microphone = null;
    this.#setMicrophone("off");
  }

  #setMicrophone(state) {
    this.microphoneState = state;
    this.#view.level(0);
    this.#view.changed();
  }

  #think() {
    this.#stoppedReply = undefined;
    this.#thinking = true;
    this.#transcript.thinking(true);
  }

  #stopThinking() {
    this.#thinking = false;
    this.#transcript.thinking(false);
  }

  #end(result) {
    if (this.#ended) return;
    this.#ended = true;
    this.#microphone?.close();
    this.#speaker?.close();
    this.#context?.close();
    this.#transcript.endCall();
    this.#view.level(0);
    this.#view.ended(result);
  }
}
