// Copies what a [data-copy] button points at. Without a script it can be selected by hand.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard?.writeText(document.getElementById(button.dataset.copy).textContent).then(() => {
    button.textContent = "Copied";
  });
});
