// Creates elements without markup in strings, so that the widget works under any Content Security Policy.

/** Creates an element. Properties that it does not have, as `part` and `role`, become attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (property in made && property !== "part") made[property] = value;
    else made.setAttribute(property, value);
  }
  made.append(...children);
  return made;
}

/** A line drawing of 24 by 24. */
export function icon(...paths) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const path of paths) {
    const made = document.createElementNS(namespace, "path");
    made.setAttribute("d", path);
    svg.append(made);
  }
  return svg;
}

export const MICROPHONE = ["M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3z", "M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"];
export const CROSS = ["M6 6l12 12M18 6L6 18"];
export const SQUARE = ["M7 7h10v10H7z"];
