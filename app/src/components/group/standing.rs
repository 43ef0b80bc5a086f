//! The banner above the composer of a group: a request, or why nothing can be written here.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::GroupStage;
use leptos::prelude::*;

use crate::components::keyboard::{COMPOSER_ID, focus};
use crate::components::stopped::Stopped;
use crate::session::use_session;

/// Says what the user has to know before writing to the group, and offers "Accept" and "Leave" for a request.
#[component]
pub(crate) fn GroupBanner(
    /// The conversation, as the address names it.
    handle: String,
) -> impl IntoView {
    let session = use_session();
    let standing = session.thread_part_of(&handle, |thread| {
        let group = thread.group.as_ref();
        group.map(|group| {
            let asking = group.asking.len();
            (group.stage.clone(), thread.request, group.incomplete, asking, group.gid.clone())
        })
    });
    move || {
        let (stage, request, incomplete, asking, gid) = standing.get()?;
        let banner =
            |text: String| view! { <div class="banner" role="status"><p>{text}</p></div> }.into_any();
        Some(match stage {
            GroupStage::Joining => banner("This browser is joining the group.".to_owned()),
            GroupStage::Left => banner("You have left this group.".to_owned()),
            GroupStage::Removed => banner("You were removed from this group.".to_owned()),
            GroupStage::Broken(why) => view! { <Stopped why handle=handle.clone()/> }.into_any(),
            GroupStage::In if request => view! {
                <div class="banner" role="status">
                    <p>"Someone who is new to you added you to this group."</p>
                    <GroupRequestActions gid then_focus=COMPOSER_ID/>
                </div>
            }
            .into_any(),
            GroupStage::In if incomplete => banner("Not everybody can read this yet".to_owned()),
            GroupStage::In if asking == 1 => banner("1 person asks to join: see Members.".to_owned()),
            GroupStage::In if asking > 1 => banner(format!("{asking} people ask to join: see Members.")),
            GroupStage::In => ().into_any(),
        })
    }
}

/// The buttons "Accept" and "Leave" of a group that a stranger added the user to.
#[component]
pub(crate) fn GroupRequestActions(
    gid: String,
    /// The id of the element that takes the focus once a pressed button is gone.
    then_focus: &'static str,
    /// The `tabindex` of the buttons, if they are not tab stops themselves.
    #[prop(optional)]
    tabindex: Option<&'static str>,
) -> impl IntoView {
    let session = use_session();
    let press = move |change: GroupChange| {
        session.send(UiEvent::GroupChanged { gid: gid.clone(), change });
        focus(then_focus);
    };
    let accept = press.clone();
    view! {
        <span class="request-actions">
            <button
                type="button"
                class="button button-primary"
                tabindex=tabindex
                on:click=move |_| accept(GroupChange::Accept)
            >
                "Accept"
            </button>
            <button type="button" class="button" tabindex=tabindex on:click=move |_| press(GroupChange::Leave)>
                "Leave"
            </button>
        </span>
    }
}
