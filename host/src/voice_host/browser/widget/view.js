// The elements of the widget, and how they look in each state. It decides nothing.

import { CROSS, MICROPHONE, SQUARE, element, icon } from "./dom.js";
import { Log } from "./log.js";
import { MicrophoneChoice } from "./microphone-choice.js";
import { sheet } from "./style.js";

/** Keys that a page handles in fields, too, as those of its dialogs. */
const LEFT_TO_THE_PAGE = new Set(["Escape", "Tab"]);

export class View {
  #root;
  #texts;
  #talkLabel = element("span");
  #launcherLabel = element("span");
  #title = element("div", { id: "title", className: "title", part: "title", dir: "auto" });
  #list = element("ol");
  #announcer = element("div", { className: "for-screen-readers", ariaLive: "polite" });
  #intro = element("p", { className: "intro", dir: "auto" });
  #problem = element("p", { className: "problem", part: "problem", role: "alert", hidden: true, dir: "auto" });
  #status = element("p", { className: "status", part: "status", dir: "auto" });
  #label = element("label", { className: "for-screen-readers", htmlFor: "message" });
  #input = element("input", { id: "message", part: "input", type: "text", autocomplete: "off", maxLength: 2000 });
  #launcher = element("button", { type: "button", className: "launcher", part: "launcher" });
  #close = element("button", { type: "button", className: "close", part: "close" }, icon(...CROSS));
  #talk = element("button", { type: "button", className: "talk", part: "button talk" });
  #stop = element("button", { type: "button", className: "quiet", part: "button stop" }, icon(...SQUARE));
  #hangUp = element("button", { type: "button", className: "quiet", part: "button hang-up" });
  #send = element("button", { type: "submit", className: "send", part: "button send" });
  #scroller = element("div", { className: "scroller", part: "transcript", role: "region", tabIndex: 0 });
  #panel = element("section", { id: "panel", className: "panel", part: "panel", role: "region" });

  /** What was said. */
  log;

  /** The choice of a microphone. */
  microphones;

  /**
   * Builds the widget in a shadow root. `texts()` returns its words; `actions` has `open()`, `close()`, `talk()`, `stop()`,
   * `hangUp()`, `say(text)` and `problem(error)`, a CallError.
   */
  constructor(root, texts, actions) {
    this.#root = root;
    this.#texts = texts;
    this.microphones = new MicrophoneChoice(actions.problem, () => this.#talk.focus());
    this.log = new Log(this.#scroller, this.#list, this.#announcer, texts);
    root.adoptedStyleSheets = [sheet()];
    const form = element("form", { part: "form" }, this.#label, this.#input, this.#send);
    this.#launcher.append(icon(...MICROPHONE), this.#launcherLabel);
    this.#launcher.setAttribute("aria-controls", "panel");
    this.#talk.append(icon(...MICROPHONE), this.#talkLabel);
    this.#scroller.append(this.#intro, this.#list);
    this.#panel.setAttribute("aria-labelledby", "title");
    this.#panel.append(
      element("div", { className: "header", part: "header" }, this.#title, this.#close),
      this.#scroller,
      this.#announcer,
      this.#problem,
      this.#status,
      element("div", { className: "buttons", part: "buttons" }, this.#talk, this.#stop, this.#hangUp),
      this.microphones.select,
      form,
    );
    root.append(element("div", { className: "frame" }, this.#launcher, this.#panel));
    this.#listen(form, actions);
  }

  /** `state` is that of the call, or "idle"; `microphone` likewise, or "off". */
  show({ state, microphone, label, isInline, isOpen, isSetUp }) {
    const texts = this.#texts();
    const isInCall = state !== "idle";
    this.#panel.dataset.state = state;
    this.#panel.dataset.microphone = microphone;
    this.#launcher.dataset.state = state;
    this.#title.textContent = this.#launcherLabel.textContent = label;
    this.#launcher.hidden = isInline;
    this.#launcher.ariaExpanded = String(isOpen);
    this.#launcher.ariaDescription = isInCall ? callText(texts, state, microphone) : "";
    this.#panel.hidden = !isInline && !isOpen;
    this.#close.hidden = isInline;
    this.#close.ariaLabel = texts.close;
    this.#scroller.ariaLabel = texts.transcript;
    // In a call without a microphone the status says what to do.
    this.#intro.textContent = isInCall ? texts.introTalking : texts.intro;
    this.#intro.hidden = this.#list.childElementCount > 0 || (isInCall && microphone !== "on");
    this.#status.textContent = statusText(texts, state, microphone);
    this.#talkLabel.textContent = talkText(texts, state, microphone);
    this.#talk.disabled = !isSetUp;
    this.#stop.ariaLabel = this.#stop.title = texts.stop;
    this.#hangUp.textContent = texts.hangUp;
    this.microphones.select.ariaLabel = texts.microphone;
    this.#label.textContent = texts.message;
    this.#input.placeholder = texts.placeholder;
    this.#send.textContent = texts.send;
    this.#input.disabled = this.#send.disabled = !isSetUp;
    // A focused button that disappears drops the focus: keyboard users get the talk button instead.
    const focused = this.#root.activeElement;
    this.#stop.hidden = state !== "speaking" && state !== "thinking";
    this.#hangUp.hidden = !isInCall;
    if (focused?.hidden && isOpen) this.#talk.focus();
  }

  /** Shows what is wrong and what to do; null removes it. */
  problem(text) {
    this.#problem.textContent = text ?? "";
    this.#problem.hidden = text === null;
  }

  /** Puts texts back into the field, before what was typed meanwhile. */
  giveBack(texts) {
    this.#input.value = [...texts, this.#input.value].filter(Boolean).join(" ");
  }

  /** The loudness of the microphone, 0 to 1. */
  level(level) {
    // Speech lies between about -50 and -10 dB: a linear meter would hardly move.
    const decibels = 20 * Math.log10(Math.max(level, 1e-5));
    this.#talk.style.setProperty("--level", Math.max(0, Math.min(1, (decibels + 55) / 45)).toFixed(2));
  }

  get launcher() {
    return this.#launcher;
  }

  get panel() {
    return this.#panel;
  }

  /** See corner.js. */
  place({ offsetPx, isAside }) {
    this.#launcher.style.setProperty("--offset", `${offsetPx}px`);
    this.#launcher.classList.toggle("aside", isAside);
  }

  focusPanel() {
    this.#talk.focus();
  }

  focusLauncher() {
    this.#launcher.focus();
  }

  #listen(form, actions) {
    this.#launcher.addEventListener("click", () => (this.#panel.hidden ? actions.open() : actions.close()));
    this.#close.addEventListener("click", () => actions.close());
    this.#talk.addEventListener("click", () => actions.talk());
    this.#stop.addEventListener("click", () => actions.stop());
    this.#hangUp.addEventListener("click", () => actions.hangUp());
    this.#panel.addEventListener("keydown", ({ key, isComposing }) => key === "Escape" && !isComposing && actions.close());
    // The page sees the widget as the target, not the field, and would take what is typed for its keyboard shortcuts.
    for (const type of ["keydown", "keypress", "keyup"]) {
      for (const field of [this.#input, this.microphones.select]) {
        field.addEventListener(type, (event) => isForThePage(event) || event.stopPropagation());
      }
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#input.value.trim();
      this.#input.value = "";
      if (text !== "") actions.say(text);
    });
  }
}

/** Whether a key is no typing, but for the page: Escape and Tab, and shortcuts such as Ctrl+K. AltGr is Ctrl and Alt. */
function isForThePage({ key, ctrlKey, metaKey, altKey }) {
  return LEFT_TO_THE_PAGE.has(key) || ((ctrlKey || metaKey) && !altKey);
}

function statusText(texts, state, microphone) {
  if (state !== "listening") return texts[state];
  return { off: texts.yourTurn, opening: texts.allowMicrophone, on: texts.listening, muted: texts.muted }[microphone];
}

/** What the button tells of the call while the panel is closed. */
function callText(texts, state, microphone) {
  if (["blocked", "connecting", "reconnecting"].includes(state)) return texts[state];
  return { on: texts.inCallMicrophoneOn, muted: texts.inCallMicrophoneMuted }[microphone] ?? texts.inCall;
}

function talkText(texts, state, microphone) {
  if (state === "idle") return texts.start;
  if (state === "blocked") return texts.goOn;
  return { off: texts.useMicrophone, opening: texts.allowMicrophone, on: texts.mute, muted: texts.unmute }[microphone];
}
