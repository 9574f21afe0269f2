// Finds what a reader with a keyboard, a screen reader or weak eyes would stumble over. Gives a list of words.
() => {
  const found = [];
  const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className && e.className.baseVal === undefined ? "." + e.className : "");
  const visible = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";

  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.title) found.push("no title");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => found.push("id twice: " + id));

  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) found.push("no label: " + name(field));
  }
  for (const element of document.querySelectorAll("a, button, summary")) {
    if (visible(element) && !(element.textContent.trim() || element.getAttribute("aria-label"))) found.push("no name: " + name(element));
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.querySelector("th")) found.push("table without heads");
  }
  for (const svg of document.querySelectorAll("svg[role=img]")) {
    if (!svg.getAttribute("aria-label")) found.push("picture without words");
  }
  let level = 0;
  for (const head of document.querySelectorAll("main h1, main h2, main h3, main h4")) {
    const next = Number(head.tagName[1]);
    if (visible(head) && next > level + 1) found.push("heading skips: " + head.textContent.trim());
    if (visible(head)) level = next;
  }
  if (document.documentElement.scrollWidth > window.innerWidth + 1) found.push("wider than the window");
  document.querySelectorAll("[style]").forEach((e) => found.push("inline style: " + name(e)));

  const parse = (text) => {
    const numbers = (text.match(/-?[\d.]+(e-?\d+)?/g) || []).map(Number);
    if (text.startsWith("color(srgb")) return [numbers[0] * 255, numbers[1] * 255, numbers[2] * 255, numbers[3] ?? 1];
    if (text.startsWith("rgb")) return [numbers[0], numbers[1], numbers[2], numbers[3] ?? 1];
    return null;
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      if (style.backgroundImage !== "none") return null;
      const colour = parse(style.backgroundColor);
      if (colour && colour[3] > 0) layers.push(colour);
      if (colour && colour[3] === 1) break;
    }
    let base = [255, 255, 255, 1];
    for (const layer of layers.reverse()) base = over(layer, base);
    return base;
  };
  const seen = new Set();
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg, option, noscript, dialog:not([open])") || !visible(element)) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const ink = parse(style.color), under = ground(element);
    if (!ink || !under) continue;
    const [a, b] = [light(over(ink, under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const big = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 600);
    const key = name(element) + style.color;
    if (ratio < (big ? 3 : 4.5) && !seen.has(key)) {
      seen.add(key);
      found.push(`contrast ${ratio.toFixed(2)}: ${name(element)} "${element.textContent.trim().slice(0, 30)}"`);
    }
  }
  return found;
}
