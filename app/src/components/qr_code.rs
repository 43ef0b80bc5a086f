//! A QR code, drawn as one SVG path.

use std::fmt::Write;

use leptos::prelude::*;
use qrcodegen::{QrCode as Code, QrCodeEcc};

/// The margin that ISO/IEC 18004 asks for, in modules.
const QUIET: i32 = 4;

/// A QR code with a text; nothing if the text is too long for one.
#[component]
pub(crate) fn QrCode(text: String) -> impl IntoView {
    let code = Code::encode_binary(text.as_bytes(), QrCodeEcc::Medium).ok();
    code.map(|code| {
        let size = code.size() + 2 * QUIET;
        view! {
            <svg class="qr" role="img" aria-label="QR code" viewBox=format!("0 0 {size} {size}")>
                <path d=path(&code)></path>
            </svg>
        }
    })
}

/// A square for each dark module.
fn path(code: &Code) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finder_patterns_are_in_three_corners() {
        let code =
            Code::encode_binary(b"https://kez.lat/settings#link=K7QXM2R9VDWT4HBN8ZPC", QrCodeEcc::Medium);
        let code = code.expect("a short text");
        let end = code.size() - 7;
        for (x, y) in [(0, 0), (end, 0), (0, end)] {
            assert!((0..7).all(|at| code.get_module(x + at, y) && code.get_module(x, y + at)));
            assert!(!code.get_module(x + 1, y + 1) && code.get_module(x + 3, y + 3));
        }
        let path = path(&code);
        assert!(path.starts_with("M4 4h1v1h-1zM5 4h1v1h-1z"), "{path}");
    }
}
