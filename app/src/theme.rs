//! Light or dark theme. `public/theme.js` applies the choice before the first paint; this module reads and changes it.

use leptos::prelude::*;

/// The key in the browser's local storage, shared with `public/theme.js`.
const KEY: &str = "kez-theme";

/// `--paper` of the style sheet in light and in dark, for the colour of the browser's own bars.
pub(crate) const THEME_LIGHT: &str = "#fcfcf9";
/// See [`THEME_LIGHT`].
pub(crate) const THEME_DARK: &str = "#0e1214";

/// The user's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Follows the system.
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// The stored name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The stored choice of this browser. Browser only.
    pub(crate) fn load() -> Self {
        let stored = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
        Self::ALL.into_iter().find(|theme| Some(theme.name()) == stored.as_deref()).unwrap_or_default()
    }

    /// Applies the choice at once and stores it for later visits. A browser that refuses storage forgets it.
    pub(crate) fn choose(self) {
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", self.name());
        }
        if let Some(storage) = storage() {
            let _ = storage.set_item(KEY, self.name());
        }
        self.colour_bars();
    }

    /// Sets the colour of the browser's own bars to that of the page. Browser only.
    pub(crate) fn colour_bars(self) {
        let metas = [("light", THEME_LIGHT), ("dark", THEME_DARK)];
        for (scheme, colour) in metas {
            let selector = format!("meta[name=theme-color][media*={scheme}]");
            let meta = document().query_selector(&selector).ok().flatten();
            let colour = match self {
                Self::Auto => colour,
                Self::Light => THEME_LIGHT,
                Self::Dark => THEME_DARK,
            };
            if let Some(meta) = meta {
                let _ = meta.set_attribute("content", colour);
            }
        }
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
