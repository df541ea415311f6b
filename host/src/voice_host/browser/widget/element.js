// <voice-agent>: one agent that people can talk to and type to.

import { connect } from "../client.js";
import { CORNERS, anotherIsOpen, arrange, enter, leave, opened } from "./corner.js";
import { TEXTS } from "./texts.js";
import { fetchToken } from "./token.js";
import { View } from "./view.js";

const PROPERTIES = ["getToken", "metadata", "texts"];

/** Why a call failed, for the developer of the page: people who use it cannot do anything about these. */
const SETUP_HINTS = {
  origin_not_allowed: () => `add ${location.origin} to allowed_origins in the host's settings`,
  not_authorised: ({ hasToken }) =>
    hasToken
      ? "the host does not accept this call token: is it for this agent, and is it new?"
      : "the host wants a call token: set the attribute token-url, or the property getToken",
  token_failed: () => "the page's own server gave no token",
  no_such_agent: () => "check the attribute agent",
};

/** States that people who do not see the status line must hear of. The log tells the others. */
const NOT_IN_LOG = new Set(["blocked", "reconnecting"]);

export class VoiceAgent extends HTMLElement {
  static observedAttributes = ["agent", "host", "label", "placement"];

  #view;
  #call = null;
  #isOpen = false;
  #getToken = null;
  #metadata = {};
  #texts = TEXTS;
  #place; // what corner.js sees of this widget

  constructor() {
    super();
    const texts = () => this.#texts;
    this.#view = new View(this.attachShadow({ mode: "open" }), texts, {
      open: () => this.open(),
      close: () => this.close(),
      talk: () => this.#talk(),
      stop: () => this.#call?.stopSpeaking(),
      hangUp: () => this.hangUp(),
      say: (text) => this.say(text),
      problem: ({ code, message }) => this.#showProblem(this.#texts[code] ?? message),
    });
    const isOpen = () => this.#isOpen;
    this.#place = {
      element: this,
      get edge() {
        return this.element.getAttribute("placement")?.startsWith("top-") ? "top" : "bottom";
      },
      get isOpen() {
        return isOpen();
      },
      button: this.#view.launcher,
      panel: this.#view.panel,
      fold: () => this.#setOpen(false),
      place: (where) => this.#view.place(where),
    };
    // Set by the page before this script was loaded.
    for (const name of PROPERTIES.filter((property) => Object.hasOwn(this, property))) {
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    this.#show();
  }

  /** The call under way, see docs/reference/client-js.md; null if there is none. */
  get call() {
    return this.#call;
  }

  /** A function that returns a call token, or a promise of it. It wins over the attribute `token-url`. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(getToken) {
    this.#getToken = getToken;
  }

  /** Becomes `Session.metadata` of the next call. */
  get metadata() {
    return this.#metadata;
  }

  set metadata(metadata) {
    this.#metadata = metadata ?? {};
  }

  /** Words to show instead of the English ones, see texts.js; for messages, by the code of the problem or the end. */
  get texts() {
    return this.#texts;
  }

  set texts(texts) {
    this.#texts = { ...TEXTS, ...texts };
    this.#show();
  }

  /** Begins a call, unless there is one. Do this directly in a click or key press, or browsers may block the sound. */
  start({ microphone = true } = {}) {
    if (this.#call) return;
    this.#view.problem(null);
    try {
      this.#call = connect({
        agent: this.getAttribute("agent") ?? "",
        host: this.getAttribute("host") ?? undefined,
        getToken: () => this.#token(),
        metadata: this.#metadata,
        microphone,
        inputDevice: this.#view.microphones.chosen,
      });
    } catch (error) {
      this.#notSetUp(error.message);
      return;
    }
    this.#follow(this.#call);
    this.#show();
    this.dispatchEvent(new CustomEvent("callstart", { detail: this.#call, bubbles: true, composed: true }));
  }

  /** Sends a typed turn, in a new call if there is none. */
  say(text) {
    if (!this.#call) this.start({ microphone: false });
    if (!this.#call) return this.#view.giveBack([text]);
    this.#view.log.typed(text);
    this.#call.say(text);
    this.#show();
  }

  hangUp() {
    this.#call?.hangUp();
  }

  /** Opens the panel of a widget in the corner of the page. */
  open() {
    this.#setOpen(true);
    this.#view.focusPanel();
  }

  /** Closes the panel. A call goes on. */
  close() {
    if (this.#isInline || !this.#isOpen) return;
    this.#setOpen(false);
    this.#view.focusLauncher();
  }

  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "agent" || name === "host") {
      this.hangUp();
      this.#view.log.clear();
      this.#view.problem(null);
    }
    this.#show();
    if (name === "placement") this.#checkPlacement(after);
    if (name === "placement" && this.isConnected) this.#enterCorner();
    else arrange(); // another label may be of another size
  }

  connectedCallback() {
    this.#enterCorner();
    // A page that creates the element by a script may set the attribute a moment later.
    queueMicrotask(() => this.isConnected && !this.#isSetUp && this.#notSetUp("it needs the attribute agent, the id of an agent"));
  }

  disconnectedCallback() {
    // An element that is only moved is connected again at once.
    queueMicrotask(() => this.isConnected || this.hangUp());
    leave(this.#place);
  }

  #checkPlacement(placement) {
    const known = [...CORNERS, "inline"];
    if (!placement || known.includes(placement)) return;
    console.error(`<voice-agent>: placement="${placement}" is unknown: use one of ${known.join(", ")}`);
  }

  #enterCorner() {
    if (this.#isInline) leave(this.#place);
    else enter(this.#place);
  }

  #setOpen(isOpen) {
    this.#isOpen = isOpen;
    this.#show();
    if (isOpen && !this.#isInline) opened(this.#place);
    else arrange();
  }

  get #isInline() {
    return this.getAttribute("placement") === "inline";
  }

  get #isSetUp() {
    return Boolean(this.getAttribute("agent"));
  }

  #show() {
    this.#view.show({
      state: this.#call?.state ?? "idle",
      microphone: this.#call?.microphone ?? "off",
      label: this.getAttribute("label") || this.#texts.label,
      isInline: this.#isInline,
      isOpen: this.#isInline || this.#isOpen,
      isSetUp: this.#isSetUp,
    });
  }

  /** The element is used wrongly: developers read in the console what is wrong. */
  #notSetUp(reason) {
    console.error(`<voice-agent>: ${reason}`);
    this.#view.problem(this.#texts.notSetUp);
  }

  #talk() {
    if (!this.#call) this.start();
    else if (this.#call.state === "blocked") return; // any click unblocks it
    else if (this.#call.microphone === "on") this.#call.mute();
    else this.#call.unmute();
  }

  async #token() {
    if (this.#getToken) return await this.#getToken();
    const address = this.getAttribute("token-url");
    return address === null ? null : await fetchToken(address);
  }

  #follow(call) {
    const { log, microphones } = this.#view;
    microphones.follow(call);
    const shown = {
      ready: ({ resumed }) => resumed && log.note(this.#texts.resumed),
      lost: () => log.endCall(),
      microphone: (state) => {
        this.#view.level(0);
        if (state === "on") this.#view.problem(null);
      },
      greeting: ({ reply, text }) => log.reply(reply, text),
      transcript: ({ text, final }) => final || log.partial(text),
      turn: ({ text }) => log.turn(text),
      replyDelta: ({ reply, text }) => log.replyDelta(reply, text),
      reply: ({ reply, text }) => log.reply(reply, text),
      interrupted: ({ reply, heard }) => log.interrupted(reply, heard),
      reset: () => log.clear(),
      error: (error) => this.#onError(error),
      state: (state) => {
        if (NOT_IN_LOG.has(state)) log.announce(this.#texts[state]);
      },
    };
    for (const [event, show] of Object.entries(shown)) {
      call.on(event, (detail) => {
        show(detail);
        if (event !== "state" || detail !== "ended") this.#show();
      });
    }
    call.on("level", (level) => this.#view.level(level));
    // The host would wait for a page that is left to come back, and count the call meanwhile. In Firefox it does all the same: a page
    // cannot choose the code there with which its connection is closed.
    const left = () => call.hangUp();
    addEventListener("pagehide", left);
    call.on("ended", (end) => {
      removeEventListener("pagehide", left);
      this.#onEnded(end);
    });
  }

  #onError({ code, message, isOfHost, isFatal }) {
    if (isFatal) return; // `ended` follows
    const text = this.#texts[code] ?? message;
    if (isOfHost || code === "microphone_replaced") this.#view.log.note(text);
    else if (code.startsWith("microphone_") && code !== "microphone_silent") this.#showProblem(`${text} ${this.#texts.thenUseMicrophone}`);
    else this.#showProblem(text);
  }

  #showProblem(text) {
    this.#view.problem(text);
    if (!this.#isInline && !anotherIsOpen(this.#place)) this.#setOpen(true); // it says what to do
  }

  #onEnded(end) {
    const { unsent } = this.#call;
    this.#call = null;
    const text = this.#texts[end.cause] ?? end.message;
    this.#view.log.withdraw(unsent);
    this.#view.giveBack(unsent);
    this.#view.log.endCall();
    this.#view.level(0);
    if (end.failed) this.#showProblem(text);
    else this.#view.log.note(text);
    if (end.cause in SETUP_HINTS) {
      const hasToken = Boolean(this.#getToken) || this.hasAttribute("token-url");
      console.error(`<voice-agent>: ${SETUP_HINTS[end.cause]({ hasToken })}${end.reason && ` (${end.reason})`}`);
    }
    this.#show();
    this.dispatchEvent(new CustomEvent("callend", { detail: end, bubbles: true, composed: true }));
  }
}
