// Runs before the first paint, so that the chosen theme never flashes. The settings page writes the choice.
{
  let theme = "auto";
  try {
    theme = localStorage.getItem("kez-theme") ?? theme;
  } catch {
    // A browser that refuses storage follows the system.
  }
  document.documentElement.dataset.theme = theme;
}
