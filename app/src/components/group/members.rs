//! The dialog "Group members": who belongs to the group, and what an admin can change.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{GroupStage, GroupView, MemberRow};
use leptos::{ev, html, prelude::*};

use super::invite::{Asking, InviteLink};
use crate::components::dialog::Dialog;
use crate::components::field::{ErrorText, Field, text_of};
use crate::components::icon::{Glyph, Icon};
use crate::components::key_text::Fingerprint;
use crate::reactive::memo;
use crate::session::{Session, use_session};
use crate::text::sentence;

/// A decision that is asked for once more, because it cannot be undone.
#[derive(Clone, PartialEq, Eq)]
enum Question {
    Remove(String),
    Leave,
}

/// Changes the group that the dialog shows.
#[derive(Clone, Copy)]
pub(super) struct Change {
    session: Session,
    gid: Memo<String>,
}

impl Change {
    pub(super) fn send(self, change: GroupChange) {
        self.session.send(UiEvent::GroupChanged { gid: self.gid.get_untracked(), change });
    }
}

/// The dialog.
#[component]
pub(super) fn MembersDialog(
    /// The conversation, as the address names it.
    handle: String,
    open: RwSignal<bool>,
) -> impl IntoView {
    let session = use_session();
    let group = session.thread_part_of(&handle, |thread| thread.group.clone());
    let on_close = Callback::new(move |()| open.set(false));
    let question = RwSignal::new(None::<Question>);
    let gid = memo(move || part(group, |group| group.gid.clone()));
    let change = Change { session, gid };
    view! {
        <Dialog id="members-title" title="Group members" open on_close>
            <Members group change question/>
        </Dialog>
        <QuestionDialog question change on_done=on_close/>
    }
}

/// A part of the group on screen.
pub(super) fn part<T: Default>(group: Memo<Option<GroupView>>, part: impl Fn(&GroupView) -> T) -> T {
    group.with(|group| group.as_ref().map(part).unwrap_or_default())
}

#[component]
fn Members(
    group: Memo<Option<GroupView>>,
    change: Change,
    question: RwSignal<Option<Question>>,
) -> impl IntoView {
    let rows = memo(move || part(group, |group| group.members.clone()));
    let admin = memo(move || part(group, |group| group.admin && group.stage == GroupStage::In));
    let inside = memo(move || part(group, |group| group.stage == GroupStage::In));
    let busy = memo(move || part(group, |group| group.busy));
    let error = Signal::derive(move || part(group, |group| group.error.as_ref().map(sentence)));
    let number = memo(move || part(group, |group| group.number.clone()));
    view! {
        <div class="stack">
            <ul class="blocked" aria-label="Members">
                {move || rows.get().into_iter().map(|row| view! { <Member row admin busy change question/> }).collect_view()}
            </ul>
            <ErrorText text=error/>
            <Show when=move || admin.get()>
                <Asking group change busy/>
                <AdminForms group change busy/>
            </Show>
            {move || number.get().map(|number| view! {
                <h3>"Group number"</h3>
                <Fingerprint digits=number/>
                <p class="hint">"Compare it with another member, by telephone for example. It is the same for all members until something changes."</p>
            })}
            <Show when=move || inside.get()>
                <p class="actions">
                    <button type="button" class="button" on:click=move |_| question.set(Some(Question::Leave))>
                        "Leave group"
                    </button>
                </p>
            </Show>
        </div>
    }
}

#[component]
fn Member(
    row: MemberRow,
    admin: Memo<bool>,
    busy: Memo<bool>,
    change: Change,
    question: RwSignal<Option<Question>>,
) -> impl IntoView {
    let MemberRow { handle, me, admin: is_admin, verified, devices } = row;
    let mut notes = Vec::new();
    if is_admin {
        notes.push("Admin".to_owned());
    }
    if me {
        notes.push("You".to_owned());
    }
    notes.push(match devices {
        0 => "cannot read yet".to_owned(),
        1 => "1 device".to_owned(),
        devices => format!("{devices} devices"),
    });
    let of = handle.clone();
    let actions = move || {
        let (remove, promote) = (of.clone(), of.clone());
        (admin.get() && !me).then(|| {
            view! {
                <span class="request-actions">
                    {(!is_admin).then(|| {
                        let name = format!("Make @{promote} admin");
                        view! {
                            <button
                                type="button"
                                class="button-small"
                                disabled=move || busy.get()
                                on:click=move |_| change.send(GroupChange::Promote(promote.clone()))
                            >
                                {name}
                            </button>
                        }
                    })}
                    <button
                        type="button"
                        class="button-small"
                        aria-label=format!("Remove @{remove}")
                        disabled=move || busy.get()
                        on:click=move |_| question.set(Some(Question::Remove(remove.clone())))
                    >
                        "Remove"
                    </button>
                </span>
            }
        })
    };
    view! {
        <li>
            <span>
                <span translate="no">{format!("@{handle}")}</span>
                {verified.then(|| view! {
                    " "<span class="row-verified"><Icon of=Glyph::ShieldCheck/><span class="sr-only">"Verified"</span></span>
                })}
                <span class="hint">{format!(" {}", notes.join(", "))}</span>
            </span>
            {actions}
        </li>
    }
}

/// The form that an admin has opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Add,
    Rename,
}

#[component]
fn AdminForms(group: Memo<Option<GroupView>>, change: Change, busy: Memo<bool>) -> impl IntoView {
    let form = RwSignal::new(None::<Form>);
    let toggle =
        move |which: Form| form.update(|form| *form = Some(which).filter(|which| *form != Some(*which)));
    let is_open = move |which: Form| (form.get() == Some(which)).to_string();
    view! {
        <p class="actions">
            <button
                type="button"
                class="button"
                aria-expanded=move || is_open(Form::Add)
                on:click=move |_| toggle(Form::Add)
            >
                "Add member"
            </button>
            <button
                type="button"
                class="button"
                aria-expanded=move || is_open(Form::Rename)
                on:click=move |_| toggle(Form::Rename)
            >
                "Rename group"
            </button>
            <InviteLink group change/>
        </p>
        {move || match form.get() {
            None => ().into_any(),
            Some(Form::Add) => view! { <AddForm change busy/> }.into_any(),
            Some(Form::Rename) => view! { <RenameForm change busy form/> }.into_any(),
        }}
    }
}

#[component]
fn AddForm(change: Change, busy: Memo<bool>) -> impl IntoView {
    let node = NodeRef::<html::Input>::new();
    let add = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let handle = text_of(node).trim().to_owned();
        if !handle.is_empty() && !busy.get_untracked() {
            change.send(GroupChange::Add(handle));
            if let Some(input) = node.get_untracked() {
                input.set_value("");
            }
        }
    };
    view! {
        <form class="stack" on:submit=add>
            <Field label="Handle" id="member-handle" node autofocus=true described_by="member-hint"/>
            <p id="member-hint" class="hint">"New members see nothing from before."</p>
            <p class="actions">
                <button type="submit" class="button" disabled=move || busy.get()>"Add"</button>
            </p>
        </form>
    }
}

#[component]
fn RenameForm(change: Change, busy: Memo<bool>, form: RwSignal<Option<Form>>) -> impl IntoView {
    let node = NodeRef::<html::Input>::new();
    let rename = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let name = text_of(node).trim().to_owned();
        if !name.is_empty() && !busy.get_untracked() {
            change.send(GroupChange::Rename(name));
            form.set(None);
        }
    };
    view! {
        <form class="stack" on:submit=rename>
            <Field label="Group name" id="group-name" node autofocus=true/>
            <p class="actions">
                <button type="submit" class="button" disabled=move || busy.get()>"Save"</button>
            </p>
        </form>
    }
}

#[component]
fn QuestionDialog(
    question: RwSignal<Option<Question>>,
    change: Change,
    on_done: Callback<()>,
) -> impl IntoView {
    let open = memo(move || question.with(Option::is_some));
    let title = memo(move || match question.get() {
        Some(Question::Remove(handle)) => format!("Remove @{handle}?"),
        Some(Question::Leave) => "Leave this group?".to_owned(),
        None => String::new(),
    });
    let leaves = memo(move || question.with(|question| *question == Some(Question::Leave)));
    let on_close = Callback::new(move |()| question.set(None));
    let confirm = move || match question.try_update(Option::take).flatten() {
        Some(Question::Remove(handle)) => change.send(GroupChange::Remove(handle)),
        Some(Question::Leave) => {
            change.send(GroupChange::Leave);
            on_done.run(());
        }
        None => {}
    };
    view! {
        <Dialog id="member-question-title" title open on_close asks=true>
            <div class="stack">
                <p>
                    {move || match leaves.get() {
                        true => "You can read nothing that is written after this. Only an admin can add you again.",
                        false => "They keep what they have read.",
                    }}
                </p>
                <p class="actions">
                    <button type="button" class="button button-primary" on:click=move |_| confirm()>
                        {move || if leaves.get() { "Leave" } else { "Remove" }}
                    </button>
                    <button type="button" class="button" on:click=move |_| question.set(None)>"Cancel"</button>
                </p>
            </div>
        </Dialog>
    }
}
