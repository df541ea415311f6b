// Single-key shortcuts. They do nothing while somebody types, and can be switched off.

import { element } from "./dom.js";
import { remember, remembered } from "./remembered.js";

const SWITCH = "shortcuts";

/** The keys, and what the help says about them. `Controls` in talk.js knows what they do. */
export const SHORTCUTS = [
  { key: "t", action: "talk", help: "Start talking; during a call: mute and unmute" },
  { key: "s", action: "stop", help: "Stop the agent’s speech" },
  { key: "h", action: "hangUp", help: "Hang up" },
  { key: "n", action: "reset", help: "New conversation" },
  { key: "m", action: "message", help: "Type a message" },
  { key: "d", action: "panel", help: "Show or hide the details" },
  { key: "?", action: "help", help: "Show this list" },
];

export class Shortcuts {
  #actions;
  #dialog;
  #isOn = remembered(SWITCH) !== "off";

  /**
   * `actions`: a function for each action but "help". `page` has the elements `shortcutsDialog`, `shortcutList`,
   * `shortcutsOn` and `shortcutsClose`.
   */
  constructor(page, actions) {
    this.#dialog = page.shortcutsDialog;
    this.#actions = { ...actions, help: () => this.showHelp() };
    page.shortcutList.replaceChildren(
      ...SHORTCUTS.flatMap(({ key, help }) => [
        element("dt", {}, element("kbd", { textContent: key.toUpperCase() })),
        element("dd", { textContent: help }),
      ]),
    );
    page.shortcutsOn.checked = this.#isOn;
    page.shortcutsOn.addEventListener("change", () => {
      this.#isOn = page.shortcutsOn.checked;
      remember(SWITCH, this.#isOn ? null : "off");
    });
    page.shortcutsClose.addEventListener("click", () => this.#dialog.close());
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  showHelp() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #onKey(event) {
    const { key, ctrlKey, metaKey, altKey, repeat, target, isComposing } = event;
    if (ctrlKey || metaKey || altKey || repeat || isComposing || event.defaultPrevented) return;
    if (!this.#isOn || this.#dialog.open || takesKeys(target)) return;
    const found = SHORTCUTS.find((shortcut) => shortcut.key === key.toLowerCase());
    if (!found) return;
    event.preventDefault(); // or the key would be typed into a field that is focused now
    this.#actions[found.action]();
  }
}

/** Whether an element uses letters itself: text fields, lists to choose from. */
function takesKeys(target) {
  return target instanceof Element && target.closest("input:not([type=radio], [type=checkbox]), textarea, select") !== null;
}
