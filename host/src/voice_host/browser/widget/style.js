// The look of the widget. A constructed style sheet: a Content Security Policy does not block it.

const CSS = `
:host {
  display: block;
  box-sizing: border-box;
  max-width: 100%;
  width: var(--voice-agent-width, 22rem);
  font: var(--voice-agent-font, 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif) !important;
}

:host([hidden]) {
  display: none !important;
}

/* Important: without it, rules of the page that match the element would win, as those for all children of its body. */
:host(:not([placement="inline"])) {
  --inset: var(--voice-agent-inset, 1rem) !important;
  --inset-block: var(--voice-agent-inset-block, var(--inset)) !important;
  --inset-inline: var(--voice-agent-inset-inline, var(--inset)) !important;
  position: fixed !important;
  inset: auto !important;
  inset-block-end: var(--inset-block) !important;
  inset-inline-end: var(--inset-inline) !important;
  z-index: var(--voice-agent-z-index, 1000) !important;
  box-sizing: border-box !important;
  width: var(--voice-agent-width, 22rem) !important;
  min-width: 0 !important;
  max-width: calc(100vw - 2 * var(--inset-inline)) !important;
  height: auto !important;
  min-height: 0 !important;
  max-height: none !important;
  margin: 0 !important;
  padding: 0 !important;
  border: none !important;
  background: none !important;
  box-shadow: none !important;
  outline: none !important;
  border-radius: 0 !important;
  overflow: visible !important;
  columns: auto !important;
  grid-template: none !important;
  aspect-ratio: auto !important;
  contain: none !important;
  transform: none !important;
  translate: none !important;
  rotate: none !important;
  scale: none !important;
  zoom: 1 !important;
  perspective: none !important;
  animation: none !important;
  opacity: 1 !important;
  filter: none !important;
  clip-path: none !important;
  mask: none !important;
  mix-blend-mode: normal !important;
  text-decoration: none !important;
  user-select: text !important;
  pointer-events: none !important;
}

:host::before,
:host::after {
  content: none !important;
}

@media print {
  :host(:not([placement="inline"])) {
    display: none !important;
  }
}

:host([placement^="top-"]) {
  inset-block: var(--inset-block) auto !important;
}

/* Left and right are the same in every language; without a placement the corner is at the end of the lines. */
:host([placement$="-left"]) {
  inset-inline: auto !important;
  left: var(--inset-inline) !important;
}

:host([placement$="-right"]) {
  inset-inline: auto !important;
  right: var(--inset-inline) !important;
}

/* No rule of the page matches it, and what it would inherit is put back: letter spacing, the colour of the text. */
.frame {
  all: initial;
  --accent: var(--voice-agent-accent, #0f766e);
  --on-accent: var(--voice-agent-on-accent, #ffffff);
  --background: var(--voice-agent-background, #ffffff);
  --text: var(--voice-agent-text, #16201f);
  --soft: var(--voice-agent-soft, #5a6766);
  --line: var(--voice-agent-line, #dbe1e1);
  --bubble: var(--voice-agent-bubble, #eef1f1);
  --bad: var(--voice-agent-bad, #b42318);
  --bad-background: var(--voice-agent-bad-background, #fdecea);
  --focus: var(--voice-agent-focus, #2563eb);
  --radius: var(--voice-agent-radius, 14px);
  display: flex;
  flex-direction: column-reverse;
  gap: 0.75rem;
  width: 100%;
  color: var(--text);
  color-scheme: light;
  font: inherit;
  overflow-wrap: anywhere;
  pointer-events: none;
  visibility: inherit;
}

:host([placement^="top-"]) .frame {
  flex-direction: column;
}

:host([theme="dark"]) .frame {
  --accent: var(--voice-agent-accent, #2dd4bf);
  --on-accent: var(--voice-agent-on-accent, #06231f);
  --background: var(--voice-agent-background, #161e1d);
  --text: var(--voice-agent-text, #e8eeed);
  --soft: var(--voice-agent-soft, #9aabaa);
  --line: var(--voice-agent-line, #2a3534);
  --bubble: var(--voice-agent-bubble, #212b2a);
  --bad: var(--voice-agent-bad, #ff9a8f);
  --bad-background: var(--voice-agent-bad-background, #3b1a17);
  --focus: var(--voice-agent-focus, #7db1ff);
  color-scheme: dark;
}

* {
  box-sizing: border-box;
  margin: 0;
  pointer-events: auto;
}

[hidden] {
  display: none !important;
}

:focus-visible {
  outline: 3px solid var(--focus);
  outline-offset: 2px;
}

button,
input,
select {
  font: inherit;
  color: inherit;
  border-radius: calc(var(--radius) * 0.7);
  min-height: 2.75rem;
}

button {
  display: inline-flex;
  align-items: center;
  justify-content: center;
  gap: 0.5rem;
  padding: 0.4rem 0.9rem;
  border: 1px solid var(--line);
  background: transparent;
  cursor: pointer;
}

button:disabled,
input:disabled {
  opacity: 0.55;
  cursor: default;
}

svg {
  width: 1.25rem;
  height: 1.25rem;
  flex: none;
  fill: none;
  stroke: currentColor;
  stroke-width: 2;
  stroke-linecap: round;
  stroke-linejoin: round;
}

.launcher,
.talk {
  background: var(--accent);
  border-color: var(--accent);
  color: var(--on-accent);
  font-weight: 600;
}

.launcher {
  min-height: 3.25rem;
  padding-inline: 1.25rem;
  border-radius: 999px;
  margin-block-end: var(--offset, 0);
  margin-inline-start: auto;
  max-width: 100%;
  box-shadow: 0 4px 16px rgb(0 0 0 / 25%);
}

:host([placement^="top-"]) .launcher {
  margin-block: var(--offset, 0) 0;
}

:host([placement$="-left"]) .launcher {
  margin-inline: 0;
  margin-right: auto;
}

:host([placement$="-right"]) .launcher {
  margin-inline: 0;
  margin-left: auto;
}

.launcher.aside {
  visibility: hidden;
}

/* It lies on the page, of which nobody knows the colours. */
.launcher:focus-visible {
  box-shadow: 0 0 0 7px var(--background);
}

.launcher:not([data-state="idle"])::after {
  content: "";
  width: 0.6rem;
  height: 0.6rem;
  border-radius: 50%;
  background: currentColor;
}

.panel {
  display: flex;
  flex-direction: column;
  width: 100%;
  max-height: var(--voice-agent-height, 32rem);
  background: var(--background);
  border: 1px solid var(--line);
  border-radius: var(--radius);
  overflow: hidden auto; /* where even the controls do not fit */
}

:host(:not([placement="inline"])) .panel {
  max-height: min(var(--voice-agent-height, 32rem), calc(100dvh - var(--inset-block) - 6rem));
  box-shadow: 0 8px 32px rgb(0 0 0 / 25%);
}

@media (max-width: 30rem), (max-height: 38rem) {
  /* The open panel may take the whole height; its own button closes it. */
  :host(:not([placement="inline"])) .panel {
    max-height: calc(100dvh - var(--inset-block) - var(--inset));
  }

  .launcher[aria-expanded="true"] {
    display: none;
  }
}

.header {
  display: flex;
  align-items: center;
  justify-content: space-between;
  gap: 0.5rem;
  padding: 0.75rem 1rem;
  border-block-end: 1px solid var(--line);
}

.title {
  font-weight: 600;
}

.close {
  border: none;
  padding: 0.4rem;
  min-width: 2.75rem;
}

.scroller {
  flex: 1 1 auto;
  min-height: min(8rem, 20dvh);
  overflow-y: auto;
  padding: 1rem;
}

.scroller:focus-visible {
  outline-offset: -3px;
}

.intro,
.note .bubble {
  color: var(--soft);
  font-size: 0.9em;
  text-align: center;
}

ol {
  list-style: none;
  padding: 0;
  display: flex;
  flex-direction: column;
  gap: 0.5rem;
}

.bubble {
  width: fit-content;
  max-width: 88%;
  padding: 0.45rem 0.8rem;
  border-radius: var(--radius);
  background: var(--bubble);
  white-space: pre-line;
}

.user .bubble {
  margin-inline-start: auto;
  background: var(--accent);
  color: var(--on-accent);
}

.partial .bubble {
  border: 1px dashed var(--on-accent);
  font-style: italic;
}

.note .bubble {
  margin-inline: auto;
  background: none;
}

.agent .bubble:empty {
  display: none;
}

.problem {
  margin: 0 1rem 0.5rem;
  padding: 0.6rem 0.8rem;
  border: 1px solid var(--bad);
  border-radius: calc(var(--radius) * 0.7);
  background: var(--bad-background);
  color: var(--bad);
  font-size: 0.9em;
}

.status {
  padding: 0.25rem 1rem;
  color: var(--soft);
  font-size: 0.9em;
  text-align: center;
}

.buttons {
  display: flex;
  flex-wrap: wrap;
  justify-content: center;
  gap: 0.5rem;
  padding: 0.25rem 1rem 0.75rem;
}

.talk {
  flex: 1 1 auto;
}

.send {
  flex: none;
}

.microphones {
  margin: 0 1rem 0.75rem;
  padding: 0.4rem 0.6rem;
  border: 1px solid var(--soft);
  background: var(--background);
  text-overflow: ellipsis;
}

[data-microphone="on"] .talk {
  box-shadow: 0 0 0 calc(var(--level, 0) * 0.4rem) color-mix(in srgb, var(--accent) 35%, transparent);
  transition: box-shadow 80ms linear;
}

form {
  display: flex;
  gap: 0.5rem;
  padding: 0.75rem 1rem 1rem;
  border-block-start: 1px solid var(--line);
}

input {
  flex: 1 1 auto;
  min-width: 0;
  padding: 0.4rem 0.8rem;
  border: 1px solid var(--soft);
  background: var(--background);
}

input::placeholder {
  color: var(--soft);
  opacity: 1;
}

.for-screen-readers {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

@media (prefers-reduced-motion: reduce) {
  [data-microphone="on"] .talk {
    box-shadow: none;
    transition: none;
  }
}
`;

/** The rules for `theme="dark"`, which also hold without `theme="light"` where the person's system is dark. */
const DARK = /:host\(\[theme="dark"\]\) .frame (\{[^}]*\})/.exec(CSS)[1];
const AUTO_DARK = `@media (prefers-color-scheme: dark) { :host(:not([theme="light"])) .frame ${DARK} }`;

let made = null;

/** The style sheet, one for all widgets of a page. */
export function sheet() {
  if (made === null) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS + AUTO_DARK);
  }
  return made;
}
