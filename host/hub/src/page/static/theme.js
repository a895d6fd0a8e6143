// Light, dark, or as the reader's system has it. Only this is kept beyond the tab.

import { el, setAttribute } from "./dom.js";

const KEPT = "sandbeat.theme";
const THEMES = ["system", "light", "dark"];
const SIGN = { system: "◐", light: "☀", dark: "☾" };

/** A button that goes through them. */
export function themeButton() {
  const button = el("button.icon", { type: "button" });
  const use = (theme) => {
    setAttribute(document.documentElement, "data-theme", theme === "system" ? null : theme);
    button.textContent = SIGN[theme];
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setAttribute(button, "aria-label", `Theme: ${theme}. Switch to ${next}`);
    setAttribute(button, "title", `Theme: ${theme}`);
    button.onclick = () => {
      keep(next);
      use(next);
    };
  };
  use(THEMES.includes(kept()) ? kept() : "system");
  return button;
}

// A browser may refuse to keep anything.
function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(theme) {
  try {
    localStorage.setItem(KEPT, theme);
  } catch {
    // Then it lasts as long as the page.
  }
}
