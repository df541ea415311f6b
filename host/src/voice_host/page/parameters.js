// The parameters of a call, which the agent finds in `Session.metadata`: typed as names and values, kept in the address.

import { element } from "./dom.js";

const OF_THE_PAGE = "agent"; // names the agent; see agents.js
const RESERVED = [OF_THE_PAGE, "token", "resume"];
const MAX_ROWS = 50;

/** The parameters in the address of the page, as an object. */
export function parametersInAddress() {
  const found = [...new URLSearchParams(location.search)].filter(([name]) => name !== "" && !RESERVED.includes(name));
  return Object.fromEntries(found.slice(0, MAX_ROWS));
}

/** Puts the parameters into the address, without adding a step to the browser's history. */
function putIntoAddress(parameters) {
  const address = new URL(location.href);
  const agent = address.searchParams.get(OF_THE_PAGE);
  address.search = new URLSearchParams([...(agent === null ? [] : [[OF_THE_PAGE, agent]]), ...parameters]);
  history.replaceState(null, "", address);
}

/** Rows of a name and a value each. */
export class ParameterForm {
  #list;
  #add;
  #problem;

  /** `list` gets the rows, `add` is the button that adds one, `problem` the element that says what is wrong. */
  constructor({ list, add, problem }) {
    this.#list = list;
    this.#add = add;
    this.#problem = problem;
    for (const [name, value] of Object.entries(parametersInAddress())) this.#addRow(name, value);
    add.addEventListener("click", () => this.#addRow().querySelector("input").focus());
  }

  #addRow(name = "", value = "") {
    const field = (label, text) => {
      const input = element("input", { type: "text", value: text, autocomplete: "off", spellcheck: false, placeholder: label });
      input.setAttribute("aria-label", `${label} of the parameter`);
      input.addEventListener("input", () => this.#keep());
      return input;
    };
    const remove = element("button", { type: "button", className: "remove", textContent: "×" });
    remove.setAttribute("aria-label", "Remove the parameter");
    const row = element("li", {}, field("Name", name), field("Value", value), remove);
    remove.addEventListener("click", () => {
      row.remove();
      this.#keep();
      this.#add.focus();
    });
    this.#list.append(row);
    this.#showLimit();
    return row;
  }

  #keep() {
    const rows = [...this.#list.children].map((row) => [...row.querySelectorAll("input")]);
    const names = rows.map(([name]) => name.value.trim());
    const wrong = rows.map((_, index) => problemWith(names, index));
    rows.forEach(([name], index) => name.setAttribute("aria-invalid", String(wrong[index] !== "")));
    this.#problem.textContent = wrong.find((words) => words !== "") ?? "";
    const usable = rows.map(([, value], index) => [names[index], value.value]);
    putIntoAddress(usable.filter(([name], index) => name !== "" && wrong[index] === ""));
    this.#showLimit();
  }

  #showLimit() {
    this.#add.disabled = this.#list.childElementCount >= MAX_ROWS;
  }
}

function problemWith(names, index) {
  const name = names[index];
  if (RESERVED.includes(name)) return `“${name}” is a name that the host uses itself.`;
  return name !== "" && names.indexOf(name) < index ? `“${name}” is there twice: the first one counts.` : "";
}
