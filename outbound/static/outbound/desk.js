// Copies what a [data-copy] button points at. Without a script it can be selected by hand.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard?.writeText(document.getElementById(button.dataset.copy).textContent).then(() => {
    button.textContent = "Copied";
  });
});

// The review page by keyboard: j and k walk, a approves, e edits, r writes anew; Ctrl+Enter saves, Escape leaves the field.
document.addEventListener("keydown", (event) => {
  const page = document.querySelector("[data-review]");
  if (!page || event.altKey || event.metaKey) return;
  const values = [...page.querySelectorAll("[data-value]")];
  const here = document.activeElement?.closest("[data-value]");
  const press = (action) => here?.querySelector(`button[value="${action}"]`)?.click();
  if (event.target.matches("textarea, input, select")) {
    if (event.key === "Enter" && event.ctrlKey) press("edit");
    else if (event.key === "Escape") here?.focus();
    return;
  }
  if (event.ctrlKey) return;
  const step = { j: 1, k: -1 }[event.key];
  if (step) values.at(here ? Math.min(Math.max(values.indexOf(here) + step, 0), values.length - 1) : 0)?.focus();
  else if (event.key === "a") press("approve");
  else if (event.key === "r") press("retry");
  else if (event.key === "e" && here) {
    event.preventDefault();
    here.querySelector("textarea")?.focus();
  }
});
document.addEventListener("DOMContentLoaded", () => document.querySelector("[data-review] [data-value]")?.focus());
