// The call protocol (version 1), client side: a WebSocket in, named messages out. It knows nothing of page or audio.
// A call outlives its connection: one that is lost is gone on with over the next, with the token of the last `ready`.

import { accessSubprotocols } from "./access.js";
import { Comeback, isLost } from "./comeback.js";

const PING_EVERY_MS = 10_000;
const SILENT_AFTER_MS = 25_000; // no message, not even a pong: the connection is half-open
const READY_WITHIN_MS = 20_000;
const LONGEST_BACKLOG_S = 1; // microphone audio that the network has not taken yet; beyond it frames are dropped
const NOT_A_GOODBYE = 4000; // a close without a code would end the call, if it still got through
const OPENS_REPLY = new Set(["greeting", "reply_delta", "chat"]);

export class Call {
  #url;
  #socket;
  #handlers;
  #ready = null;
  #token = null; // opens this call to the next connection; null: nothing does
  #comeback = null; // while the connection is lost
  #openReplies = []; // ids whose text has begun and whose audio is not over, oldest first
  #lastOver = -Infinity; // the newest id whose audio is over
  #lastHeard = Date.now();
  #readyTimer = null;
  #pingTimer;

  /** Microphone frames dropped because the network was too slow. */
  droppedFrames = 0;

  /**
   * Opens the call, or goes on with the one that `token` opens. `handlers` has `message(message)` for every JSON message, `audio(reply, arrayBuffer)`, `lost()` when
   * the connection broke and is tried again (another `ready` follows, or the end), and, once and last,
   * `closed(code, reason, wasLost)`.
   */
  constructor(url, handlers, token = null) {
    this.#url = url;
    this.#handlers = handlers;
    this.#token = token;
    this.#comeback = token === null ? null : new Comeback();
    this.#pingTimer = setInterval(() => this.#keepAlive(), PING_EVERY_MS);
    this.#open(token === null ? url : withToken(url, token));
  }

  /** What opens this call to its next connection, or null. It is a credential, and good for one use. */
  get resumeToken() {
    return this.#token;
  }

  get isReady() {
    return this.#ready !== null;
  }

  get isLost() {
    return this.#comeback !== null;
  }

  sendAudio(pcm) {
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return;
    const longest = LONGEST_BACKLOG_S * this.#ready.sample_rate * Int16Array.BYTES_PER_ELEMENT;
    if (this.#socket.bufferedAmount > longest) this.droppedFrames += 1;
    else this.#socket.send(pcm);
  }

  sendText(text) {
    this.#send({ type: "text", text });
  }

  cancel() {
    this.#send({ type: "cancel" });
  }

  reset() {
    this.#send({ type: "reset" });
  }

  reportPlayback(reply, playedMs, held) {
    if (reply !== null) this.#send({ type: "playback", reply, played_ms: playedMs, ...(held && { held }) });
  }

  hangUp() {
    this.#socket.close(1000);
    this.#end(1000, "");
  }

  #open(url) {
    this.#socket = new WebSocket(url, ["voice-host.v1", ...accessSubprotocols()]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#onMessage(data);
    this.#socket.onclose = ({ code, reason }) => this.#onClose(code, reason);
    this.#lastHeard = Date.now();
    this.#readyTimer = setTimeout(() => this.#ready ?? this.#giveUp(), READY_WITHIN_MS);
  }

  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #onMessage(data) {
    this.#lastHeard = Date.now();
    if (typeof data !== "string") {
      // Frames carry no id. Replies are never interleaved, so audio is of the oldest reply that is not over.
      this.#handlers.audio(this.#openReplies[0] ?? null, data);
      return;
    }
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not ours to repair; the call goes on
    }
    if (typeof message?.type !== "string") return;
    this.#follow(message);
    this.#handlers.message(message);
  }

  #follow(message) {
    const { type, reply } = message;
    if (type === "ready") {
      this.#ready = message;
      this.#token = message.resume_token ?? null;
      this.#comeback = null;
    }
    if (type === "reset") this.#forgetReplies();
    if (!Number.isInteger(reply)) return; // a host of the first protocol gives no ids
    if (type === "tts_done" || type === "cancelled") {
      // Everything older is over as well: a reply that had nothing to say must not claim the later ones' audio.
      this.#openReplies = this.#openReplies.filter((open) => open > reply);
      this.#lastOver = Math.max(this.#lastOver, reply);
    } else if (OPENS_REPLY.has(type) && reply > this.#lastOver && !this.#openReplies.includes(reply)) {
      this.#openReplies.push(reply);
    }
  }

  #forgetReplies() {
    this.#openReplies = [];
    this.#lastOver = -Infinity;
  }

  #keepAlive() {
    if (this.#ready === null) return; // that has a limit of its own
    if (Date.now() - this.#lastHeard > SILENT_AFTER_MS) this.#giveUp();
    else this.#send({ type: "ping" });
  }

  #giveUp() {
    // A half-open connection would take a minute to close; the caller should know now.
    this.#socket.close(NOT_A_GOODBYE);
    this.#onClose(1006, "");
  }

  #onClose(code, reason) {
    this.#leaveSocket();
    const comeback = this.#comeback ?? (this.#ready && this.#token && isLost(code) ? new Comeback() : null);
    const first = this.#comeback === null;
    this.#ready = null;
    if (!comeback?.plan(code, () => this.#open(withToken(this.#url, this.#token)))) return this.#end(code, reason);
    this.#comeback = comeback;
    this.#forgetReplies();
    if (first) this.#handlers.lost();
  }

  #leaveSocket() {
    this.#socket.onmessage = this.#socket.onclose = null;
    clearTimeout(this.#readyTimer);
  }

  #end(code, reason) {
    if (this.#handlers === null) return;
    const { closed } = this.#handlers;
    this.#handlers = null;
    this.#leaveSocket();
    this.#comeback?.stop();
    clearInterval(this.#pingTimer);
    closed(code, reason, this.#comeback !== null);
  }
}

function withToken(address, token) {
  const url = new URL(address);
  url.searchParams.set("resume", token);
  return url.href;
}

/** The address of an agent's session on the host that served this page. */
export function sessionUrl(agentId) {
  const url = new URL(`agents/${encodeURIComponent(agentId)}/session`, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}
