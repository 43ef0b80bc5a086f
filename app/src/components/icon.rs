//! The icons: strokes on a 24 by 24 grid, in the colour of the surrounding text. The label beside an icon gives its
//! meaning; the icon itself is hidden from screen readers.

use leptos::prelude::*;

/// The icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyph {
    Alert,
    Back,
    Check,
    Clock,
    Close,
    Down,
    Eye,
    EyeOff,
    More,
    Pencil,
    Send,
    Shield,
    ShieldCheck,
    WifiOff,
}

impl Glyph {
    fn path(self) -> &'static str {
        match self {
            Self::Alert => "M12 8v5m0 3.5v.01M12 3.5 21.5 20h-19z",
            Self::Back => "M14.5 5.5 8 12l6.5 6.5",
            Self::Check => "m5 12.5 4.5 4.5L19 7.5",
            Self::Clock => "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
            Self::Close => "m6 6 12 12M18 6 6 18",
            Self::Down => "M12 5v14m-6-6 6 6 6-6",
            Self::Eye => {
                "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zm12.5 0a3 3 0 1 1-6 0 3 3 0 0 1 6 0z"
            }
            Self::EyeOff => {
                "M4 4l16 16M9.5 5.8A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a16 16 0 0 1-2.7 3.4M6.3 7.3A16 16 0 0 0 2.5 12S6 18.5 12 18.5a9 9 0 0 0 4.2-1"
            }
            Self::More => "M12 5.5v.01M12 12v.01M12 18.5v.01",
            Self::Pencil => "M4 20h4L19.5 8.5a2.1 2.1 0 0 0-4-4L4 16zM13.5 6.5l4 4",
            Self::Send => "M5 12 4 4.5 20.5 12 4 19.5 5 12zm0 0h7",
            Self::Shield => "M12 3.5 19 6v5.5c0 4.4-2.9 7.6-7 9-4.1-1.4-7-4.6-7-9V6z",
            Self::ShieldCheck => {
                "M12 3.5 19 6v5.5c0 4.4-2.9 7.6-7 9-4.1-1.4-7-4.6-7-9V6zm-3 8.5 2.2 2.2L15.2 10"
            }
            Self::WifiOff => {
                "M4 4l16 16M5 12.5a10 10 0 0 1 4-2.3m4.5-.1a10 10 0 0 1 5.5 2.4M8.5 16a5 5 0 0 1 6.5-.5M12 19.5v.01"
            }
        }
    }
}

/// An icon.
#[component]
pub(crate) fn Icon(of: Glyph) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=of.path()></path>
        </svg>
    }
}

/// The KEZ Chat logo: two speech bubbles that share one keyhole.
#[component]
pub(crate) fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <path
                class="logo-bubble"
                d="M16 3c7.2 0 13 5.1 13 11.5S23.2 26 16 26c-1.6 0-3.1-.2-4.5-.7L5 29l1.4-6.3C4.3 20.6 3 17.7 3 14.5 3 8.1 8.8 3 16 3z"
            ></path>
            <path class="logo-key" d="M16 9a3.5 3.5 0 0 1 1.7 6.6L19 21h-6l1.3-5.4A3.5 3.5 0 0 1 16 9z"></path>
        </svg>
    }
}
