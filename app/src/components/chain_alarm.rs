//! Describes what is wrong with a key history.

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, ChainAlarm, PersonAlarm};
use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};
use crate::reactive::memo;
use crate::session::{Session, use_session};

/// Above the composer: the history of another user's key contradicts what this client saw before.
#[component]
pub(crate) fn ChainAlarmBanner() -> impl IntoView {
    let session = use_session();
    let alarm = session.thread_part(|thread| thread.chain_alarm.clone());
    move || {
        alarm.get().map(move |PersonAlarm { handle, alarm }| {
            let text = format!(
                "The key history of @{handle} {} Ask @{handle} some other way before you continue.",
                words(alarm)
            );
            let dismiss = move |_| session.send(UiEvent::ChainAlarmDismissed { handle: handle.clone() });
            view! { <Alarm text on_dismiss=Callback::new(dismiss) button="Dismiss"/> }
        })
    }
}

/// Above the panes and in the settings: a warning about the user's own key.
#[component]
pub(crate) fn OwnKeyBanner() -> impl IntoView {
    let session = use_session();
    let notice = memo(move || notice(session));
    move || {
        match notice.get() {
        Notice::Nothing => ().into_any(),
        Notice::Replaced => view! {
            <p class="banner banner-bad" role="alert">
                <Icon of=Glyph::Alert/>
                "Your key was changed in another browser. This one can neither send nor receive until you enter the \
                 new phrase in "<a href="/settings">"the settings"</a>"."
            </p>
        }
        .into_any(),
        Notice::Removed => view! {
            <p class="banner banner-bad" role="alert">
                <Icon of=Glyph::Alert/>
                "This browser was removed from your account. It can neither send nor receive. What it has stays until                  you sign out in "<a href="/settings">"the settings"</a>"."
            </p>
        }
        .into_any(),
        Notice::Alarm(alarm, by) => {
            let by = by.map(|by| format!(" @{by} reports this.")).unwrap_or_default();
            let text = match alarm {
                ChainAlarm::DeviceAdded => {
                    "A browser was added to your account. If that was not you, remove it under Devices in the                      settings, and change your key."
                        .to_owned()
                }
                ChainAlarm::DeviceRemoved => "A browser was removed from your account.".to_owned(),
                alarm => format!("The history of your own key {}{by}", words(alarm)),
            };
            let button = match alarm {
                ChainAlarm::NotMine | ChainAlarm::DeviceAdded | ChainAlarm::DeviceRemoved => "It was me",
                _ => "Dismiss",
            };
            let dismiss = move |_| session.send(UiEvent::OwnChainAlarmDismissed);
            view! { <Alarm text on_dismiss=Callback::new(dismiss) button/> }.into_any()
        }
        Notice::PhraseUnconfirmed => view! {
            <p class="banner banner-reminder" role="status">
                "Your recovery phrase is not written down yet. Without it, this account is lost if this browser loses its data. "
                <a href="/settings#recovery-phrase">"Write it down"</a>
            </p>
        }
        .into_any(),
        Notice::PhraseWaits => view! {
            <div class="banner banner-reminder" role="status">
                <p>
                    "You have a second phrase of 24 words. If your key is ever stolen, only this phrase can replace it. "
                    <a href="/settings#rotation-phrase">"Write it down or print it"</a>
                </p>
                <button type="button" class="button-small" on:click=move |_| session.reminder_dismissed.set(true)>
                    "Later"
                </button>
            </div>
        }
        .into_any(),
    }
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Notice {
    Nothing,
    Removed,
    Replaced,
    /// With the handle of the contact whose claim it rests on.
    Alarm(ChainAlarm, Option<String>),
    PhraseUnconfirmed,
    PhraseWaits,
}

fn notice(session: Session) -> Notice {
    let reminder_dismissed = session.reminder_dismissed.get();
    session.account.with(|account| match account {
        AccountView::Open(me) if me.devices.removed => Notice::Removed,
        AccountView::Open(me) if me.chain.replaced => Notice::Replaced,
        AccountView::Open(me) => match me.chain.alarm {
            Some(alarm) => Notice::Alarm(alarm, me.chain.alarm_by.clone()),
            None if !me.phrase_confirmed => Notice::PhraseUnconfirmed,
            None if me.chain.phrase_waits && !reminder_dismissed => Notice::PhraseWaits,
            None => Notice::Nothing,
        },
        _ => Notice::Nothing,
    })
}

#[component]
fn Alarm(text: String, button: &'static str, on_dismiss: Callback<leptos::ev::MouseEvent>) -> impl IntoView {
    view! {
        <div class="banner banner-bad" role="alert">
            <Icon of=Glyph::Alert/>
            <p>{text}</p>
            <button type="button" class="button" on:click=move |event| on_dismiss.run(event)>{button}</button>
        </div>
    }
}

/// Completes "The key history of ... ".
const fn words(alarm: ChainAlarm) -> &'static str {
    match alarm {
        ChainAlarm::Shorter => "has become shorter on the server, which must never happen.",
        ChainAlarm::Forked => "is not the one that the server showed before, which must never happen.",
        ChainAlarm::Contradicted => {
            "looks different to you and to a friend: the server shows you different ones, or one of you got false data."
        }
        ChainAlarm::Withheld => {
            "is longer than the server shows you: a contact has seen more of it, or got false data."
        }
        ChainAlarm::UnknownKind => "has an entry that this version of the app does not understand.",
        ChainAlarm::Broken => "is inconsistent: an entry in it is forged or out of place.",
        ChainAlarm::Closed => "was ended for good by its owner: no one should write to this key any more.",
        ChainAlarm::NotMine => {
            "has an entry that this browser did not make. If that was not you, someone has your recovery phrase: \
             change your key in the settings."
        }
        ChainAlarm::DeviceAdded => "has a new device.",
        ChainAlarm::DeviceRemoved => "no longer has a device that it had.",
    }
}
