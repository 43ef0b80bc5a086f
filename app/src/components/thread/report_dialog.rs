//! Reports a user to the operator.

use kez_client::event::UiEvent;
use kez_client::view::ReportView;
use leptos::{ev, html, prelude::*};

use crate::components::dialog::Dialog;
use crate::components::field::ErrorText;
use crate::reactive::memo;
use crate::session::use_session;
use crate::text::sentence;

/// The dialog "Report @handle".
#[component]
pub(super) fn ReportDialog(handle: String, open: RwSignal<bool>) -> impl IntoView {
    let session = use_session();
    let on_close = Callback::new(move |()| {
        if open.get_untracked() {
            open.set(false);
            session.send(UiEvent::ReportClosed);
        }
    });
    let title = format!("Report @{handle}");
    view! {
        <Dialog id="report-title" title open on_close>
            <Report handle=handle.clone() on_close/>
        </Dialog>
    }
}

#[component]
fn Report(handle: String, on_close: Callback<()>) -> impl IntoView {
    let session = use_session();
    let sent = memo(move || session.report.get() == ReportView::Sent);
    move || {
        if sent.get() {
            view! {
                <div class="stack">
                    <p role="status">"Your report was sent. The operator of this server can read it now."</p>
                    <p class="actions">
                        <button type="button" class="button button-primary" on:click=move |_| on_close.run(())>"Done"</button>
                    </p>
                </div>
            }
            .into_any()
        } else {
            view! { <ReportForm handle=handle.clone()/> }.into_any()
        }
    }
}

#[component]
fn ReportForm(handle: String) -> impl IntoView {
    let session = use_session();
    let note = NodeRef::<html::Textarea>::new();
    let busy = Signal::derive(move || session.report.get() == ReportView::Sending);
    let error = Signal::derive(move || match session.report.get() {
        ReportView::Failed(why) => Some(sentence(&why)),
        ReportView::Open | ReportView::Sending | ReportView::Sent => None,
    });
    let send = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let note = note.get_untracked().map(|note| note.value()).unwrap_or_default();
        session.send(UiEvent::ReportSubmitted { handle: handle.clone(), note });
    };
    view! {
        <form class="stack" on:submit=send>
            <p>
                "The operator of this server learns who you are, who you report, which messages it is about, and what \
                 you write here. The messages stay encrypted: the operator cannot read them."
            </p>
            <div class="field">
                <label for="report-note">"What happened"</label>
                <textarea node_ref=note id="report-note" rows="4" maxlength="1000"></textarea>
            </div>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-danger" disabled=move || busy.get()>"Send report"</button>
            </p>
        </form>
    }
}
