// Widgets in the corners of the page: their buttons do not cover each other, and no open panel is in the way of another.

const GAP_PX = 12;
const widgets = new Set(); // those on the page that are not inline; the one that was opened last is the last one
// A font was loaded, or the page hides or shows a widget. In the next frame: a panel that is closed changes its size, too.
const sizes = new ResizeObserver(() => requestAnimationFrame(arrange));

/** The corners that the attribute `placement` can name. */
export const CORNERS = ["bottom-left", "bottom-right", "top-left", "top-right"];

addEventListener("resize", arrange);

/**
 * A widget comes to its corner, or has changed to another one. It has `element`, `edge` ("top" or "bottom"), `isOpen`, `button` and
 * `panel`, `fold()`, which closes the panel, and `place({ offsetPx, isAside })`: how far its button is moved away from the edge, and
 * whether the open panel of another widget hides it.
 */
export function enter(widget) {
  widgets.add(widget);
  for (const part of [widget.button, widget.panel]) sizes.observe(part);
  if (widget.isOpen && anotherIsOpen(widget)) widget.fold();
  else arrange();
}

export function leave(widget) {
  for (const part of [widget.button, widget.panel]) sizes.unobserve(part);
  if (widgets.delete(widget)) arrange();
}

/** The panel of a widget opens: others that would overlap with it close. */
export function opened(widget) {
  widgets.delete(widget);
  widgets.add(widget);
  arrange();
}

/** Whether the panel of another widget is open, which somebody may be using, in the place of this one's. */
export function anotherIsOpen(widget) {
  return neighbours(widget).some((other) => other !== widget && other.isOpen);
}

/** Something has changed: a panel was closed, a label is longer, the window is narrower. */
export function arrange() {
  const open = [...widgets].filter(({ isOpen }) => isOpen);
  const covered = open.find((widget, index) => neighbours(widget).some((other) => open.indexOf(other) > index));
  if (covered) return covered.fold(); // which arranges the rest
  const placed = new Map();
  for (const widget of inOrder()) {
    const shown = neighbours(widget).find(({ isOpen }) => isOpen);
    const before = shown ? [] : [...placed].filter(([other]) => buttonsCollide(other, widget));
    const offsetPx = before.reduce((most, [other, at]) => Math.max(most, at.offsetPx + boxOf(other.button).height + GAP_PX), 0);
    placed.set(widget, { offsetPx, isAside: shown !== undefined && shown !== widget });
  }
  for (const [widget, where] of placed) widget.place(where);
}

/** In the order of the page. */
function inOrder() {
  const isBefore = (a, b) => a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING;
  return [...widgets].sort((a, b) => (isBefore(a, b) ? -1 : 1));
}

/**
 * The widgets, this one included, whose panels overlap from left to right: those on the same side, and in a narrow window all. Those
 * at the other edge count, too, since a panel grows with what is said.
 */
function neighbours(widget) {
  return [...widgets].filter((other) => overlap(boxOf(widget.element), boxOf(other.element)));
}

/** Whether the buttons of two widgets would stand in the same place. A page may have moved one further from the edge. */
function buttonsCollide(one, other) {
  const [edge, otherEdge] = [one, other].map(({ element, edge: name }) => boxOf(element)[name]);
  return one.edge === other.edge && Math.abs(edge - otherEdge) < 1 && overlap(boxOf(one.button), boxOf(other.button));
}

/** Whether two boxes overlap from left to right. A widget that is not displayed overlaps with none. */
function overlap(one, other) {
  return one.left < other.right && other.left < one.right;
}

function boxOf(element) {
  return element.getBoundingClientRect();
}
