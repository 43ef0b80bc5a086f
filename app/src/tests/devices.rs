//! The devices of an account.

use kez_client::view::{
    AccountView, DeviceRow, DevicesView, LinkStep, LinkView, LinkingStep, LinkingView, Me, Reason, View,
};

use super::{assert_holds, linking, me, show};

fn with_devices(devices: DevicesView) -> View {
    View { account: AccountView::Open(Me { devices, ..me() }), ..View::default() }
}

#[test]
fn the_settings_list_the_devices_and_offer_to_remove_the_others() {
    let named = |number, here, name: &str| DeviceRow {
        id: "ab".repeat(16),
        number,
        name: name.to_owned(),
        here,
        added: 27 * 86_400,
        last_seen: (!here).then_some(40 * 86_400),
    };
    let device = |number, here| named(number, here, "");
    let devices = DevicesView { rows: vec![device(1, false), device(3, true)], ..DevicesView::default() };
    let html = show("/settings", with_devices(devices.clone()));
    assert_holds(
        &html,
        &[
            "aria-label=\"Devices\"",
            "Browser 1",
            "28 January 1970</time>",
            ". Last seen <time",
            "10 February 1970</time>",
            "aria-label=\"Remove Browser 1\"",
            "Browser 3",
            "<strong>This browser</strong>",
            "aria-label=\"Rename Browser 1\"",
            "Link a device",
            "Keep history for my recovery words",
        ],
    );
    let alone = "Only this browser has your messages.";
    assert!(!html.contains(alone), "{html}");
    let only = DevicesView { rows: vec![device(1, true)], ..DevicesView::default() };
    assert_holds(&show("/settings", with_devices(only.clone())), &[alone]);
    let kept = show("/settings", with_devices(DevicesView { keeps_history: true, ..only }));
    assert!(!kept.contains(alone), "{kept}");
    let rows = vec![named(1, false, "Desk")];
    let html =
        show("/settings", with_devices(DevicesView { rows, history: Some((3, 17)), ..devices.clone() }));
    assert_holds(&html, &["aria-label=\"Remove Desk\"", "Earlier messages: part 3 of 17"]);
    assert!(!html.contains("Remove Browser 3") && !html.contains("20 browsers"), "{html}");
    let error = Some(Reason::NoAnswer);
    let html = show("/settings", with_devices(DevicesView { full: true, error, ..devices }));
    assert_holds(&html, &["An account can have 20 browsers", "The server did not answer. Try again."]);
}

#[test]
fn a_browser_is_linked_by_its_code() {
    let html = show("/link", linking(LinkView::default()));
    assert_holds(&html, &["Link this browser", ">Passphrase<", ">Repeat passphrase<", "Continue"]);
    assert!(html.contains("class=\"actions\"><button"), "nothing stands beside the button: {html}");
    let (code, url) = ("K7QXM-2R9VD-WT4HB-N8ZPC".to_owned(), "https://kez.lat/settings#link=K7".to_owned());
    let html = show("/link", linking(LinkView { step: LinkStep::Code { code, url }, error: None }));
    assert_holds(
        &html,
        &["aria-label=\"Code\"", "K7QXM-2R9VD-WT4HB-N8ZPC", "aria-label=\"QR code\"", "Cancel"],
    );
    let expired = LinkView { error: Some(Reason::LinkExpired), ..LinkView::default() };
    assert_holds(&show("/link", linking(expired)), &["The other browser did not answer in time."]);
    assert_holds(&show("/", View::default()), &["Link to another browser"]);

    let asked = |step, error| DevicesView { linking: LinkingView { step, error }, ..DevicesView::default() };
    let html = show("/settings", with_devices(asked(LinkingStep::Confirm, None)));
    assert_holds(&html, &["Link this browser to @alice?", ">Link<", "Cancel"]);
    let html = show("/settings", with_devices(asked(LinkingStep::Linked, None)));
    assert_holds(&html, &["The browser is linked."]);
}

#[test]
fn a_linked_browser_has_no_words_to_show() {
    let account = AccountView::Open(Me { has_words: false, ..me() });
    let html = show("/settings", View { account, ..View::default() });
    assert_holds(&html, &["It does not have your recovery phrase.", "Sign out of this browser"]);
    for absent in ["Show recovery phrase", "Change key", "Delete account", "Keep history"] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }
}

#[test]
fn a_removed_browser_says_so() {
    let html = show("/messages", with_devices(DevicesView { removed: true, ..DevicesView::default() }));
    assert_holds(&html, &["This browser was removed from your account.", "href=\"/settings\""]);
}
