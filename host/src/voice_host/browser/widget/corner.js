// Widgets that share a corner of the page: their buttons stand one above the other, and one panel is open at a time.

const GAP_PX = 12;
const widgets = new Set(); // those on the page that are not inline

/**
 * A widget comes to the corner. It has `element`, `isOpen`, `buttonHeight`, `fold()`, which closes its panel, and
 * `place({ liftPx, isAside })`: how far its button is above the corner, and whether the panel of another is in its place.
 */
export function enter(widget) {
  widgets.add(widget);
  arrange();
}

export function leave(widget) {
  if (widgets.delete(widget)) arrange();
}

/** The panel of a widget opens: others in its corner close. */
export function opened(widget) {
  for (const other of neighbours(widget)) if (other !== widget) other.fold();
  arrange();
}

/** Whether the panel of another widget in the corner is open, which somebody may be using. */
export function anotherIsOpen(widget) {
  return neighbours(widget).some((other) => other !== widget && other.isOpen);
}

/** Something has changed: a panel was closed, a label is longer. */
export function arrange() {
  for (const widget of widgets) {
    const sharing = neighbours(widget);
    const open = sharing.find(({ isOpen }) => isOpen);
    const below = open ? [] : sharing.slice(0, sharing.indexOf(widget));
    const liftPx = below.reduce((sum, { buttonHeight }) => sum + buttonHeight + GAP_PX, 0);
    widget.place({ liftPx, isAside: open !== undefined && open !== widget });
  }
}

/** The widgets in the corner of `widget`, in the order of the page. A page may have moved others elsewhere. */
function neighbours(widget) {
  const sharing = [...widgets].filter((other) => cornerOf(other) === cornerOf(widget));
  return sharing.sort((a, b) => (a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
}

function cornerOf({ element }) {
  const { display, insetBlockEnd, insetInlineEnd } = getComputedStyle(element);
  return display === "none" ? element : `${insetBlockEnd} ${insetInlineEnd}`;
}
