//! Effects and memos whose closures are boxed, so that what Leptos does around them is compiled once, or once for each type
//! of value, and not for each closure: it is all code that a browser has to load.

use leptos::prelude::*;

/// Runs a closure once the page is there and whenever a signal changes that it reads. Browser only.
pub(crate) fn effect(run: impl FnMut() + 'static) {
    fn boxed(mut run: Box<dyn FnMut()>) {
        Effect::new(move |_| run());
    }
    boxed(Box::new(run));
}

/// A value computed from signals, which notifies only when it becomes another one.
pub(crate) fn memo<T>(compute: impl Fn() -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Send + Sync + 'static,
{
    fn boxed<T: PartialEq + Send + Sync + 'static>(compute: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
        Memo::new(move |_| compute())
    }
    boxed(Box::new(compute))
}
