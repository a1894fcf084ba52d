// What a person would see in the page, and what would trouble them.
(() => {
  const text = (selector) => [...document.querySelectorAll(selector)].map((e) => e.textContent.trim());
  const rgb = (css) => {
    const [r, g, b, a = 1] = css.match(/[\d.]+/g).map(Number);
    return { channels: [r, g, b], alpha: a };
  };
  const luminance = (channels) => {
    const [r, g, b] = channels.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backdrop = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const { channels, alpha } = rgb(getComputedStyle(e).backgroundColor);
      if (alpha === 1) return channels;
    }
    return [255, 255, 255];
  };
  // WCAG 2.2, 1.4.3: text has a contrast of 4.5.
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (["SCRIPT", "STYLE", "TITLE", "DESC", "title", "desc"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const ink = luminance(rgb(element.closest("svg") ? style.fill : style.color).channels);
    const paper = luminance(backdrop(element));
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) faint.push(`${element.tagName} ${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  const size = (selector) => [...document.querySelectorAll(selector)].map((e) => {
    const { width, height } = e.getBoundingClientRect();
    return [width, height];
  });
  return {
    title: document.title,
    summary: text("#sum"),
    facts: text("dl > div"),
    now: text(".now"),
    charts: text(".plot > title"),
    labels: text(".plot > text"),
    lines: [...document.querySelectorAll(".plot path.line")].map((e) => e.getAttribute("d").length),
    plots: size(".plot"),
    apps: [...document.querySelectorAll("#list tbody tr")].map((row) => [...row.children].map((c) => c.textContent)),
    empty: text(".empty"),
    lost: text("#lost:not([hidden])"),
    headings: text("h1, h2, h3"),
    width: document.documentElement.scrollWidth,
    view: document.documentElement.clientWidth,
    faint,
    elsewhere: performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith(location.origin)),
  };
})();
