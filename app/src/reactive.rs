//! Effects and memos with boxed closures. Leptos's code around them is then compiled once, or once per value type, and
//! not for every closure. This reduces the code that a browser has to load.

use leptos::prelude::*;

/// Runs a closure once the page is mounted, and whenever a signal that it reads changes. Browser only.
pub(crate) fn effect(run: impl FnMut() + 'static) {
    fn boxed(mut run: Box<dyn FnMut()>) {
        Effect::new(move |_| run());
    }
    boxed(Box::new(run));
}

/// A value computed from signals, which notifies only when it changes.
pub(crate) fn memo<T>(compute: impl Fn() -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    fn boxed<T: PartialEq + Send + Sync + 'static>(compute: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
        Memo::new(move |_| compute())
    }
    boxed(Box::new(compute))
}
