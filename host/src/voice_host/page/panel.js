// The panel with details of the call: opened by a button, divided into tabs.

import { remember, remembered } from "./remembered.js";

const OPEN = "panel";
const TAB = "panel-tab";

export class Panel {
  #panel;
  #toggle;
  #tabs;

  /** `panel` contains a tab list and its tab panels; `toggle` is the button that opens it; `close` the one that closes it. */
  constructor({ panel, toggle, close }) {
    this.#panel = panel;
    this.#toggle = toggle;
    this.#tabs = [...panel.querySelectorAll("[role=tab]")];
    toggle.addEventListener("click", () => this.toggle());
    close.addEventListener("click", () => this.#show(false));
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.#show(false);
    });
    for (const tab of this.#tabs) {
      tab.addEventListener("click", () => {
        this.#choose(tab);
        remember(TAB, tab.id);
      });
      tab.addEventListener("keydown", (event) => this.#onArrow(event));
    }
    this.#choose(this.#tabs.find(({ id }) => id === remembered(TAB)) ?? this.#tabs[0]);
    if (remembered(OPEN) === "open") this.#show(true, { focus: false });
  }

  toggle() {
    this.#show(this.#panel.hidden);
  }

  #show(isOpen, { focus = true } = {}) {
    this.#panel.hidden = !isOpen;
    this.#toggle.setAttribute("aria-expanded", String(isOpen));
    document.body.dataset.panel = isOpen ? "open" : "closed";
    if (!focus) return;
    remember(OPEN, isOpen ? "open" : null);
    if (isOpen) this.#tabs.find((tab) => tab.ariaSelected === "true").focus();
    else this.#toggle.focus();
  }

  #choose(chosen) {
    for (const tab of this.#tabs) {
      const isChosen = tab === chosen;
      tab.ariaSelected = String(isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
    }
  }

  #onArrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = this.#tabs.at((this.#tabs.indexOf(event.target) + step) % this.#tabs.length);
    next.click();
    next.focus();
  }
}
