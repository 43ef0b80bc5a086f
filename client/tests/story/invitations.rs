//! Joining a server with restricted registration.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::{AccountView, Availability, JoinStep, JoinView, Reason};
use kez_core::api::RegistrationMode;
use rstest::rstest;

use crate::sim::World;

const GOOD: &str = "K7QXM-2R9VD-WT4HB-N8ZPC";
const BAD: &str = "00000-11111-00000-11111";

fn join(world: &World) -> JoinView {
    let AccountView::None { join, .. } = world.view("bob").account else { panic!("not joining") };
    join
}

fn is_open(world: &World) -> bool {
    matches!(world.view("bob").account, AccountView::Open(_))
}

/// Bob is on /join, and has typed a handle that is available.
fn at_the_door(mode: RegistrationMode) -> World {
    let mut world = World::new(1);
    world.relay.registration = mode;
    world.relay.invites.insert(GOOD.into(), None);
    world.open("bob");
    world.run(500);
    world.ui("bob", UiEvent::HandleTyped { text: "bob".into() });
    world.run(500);
    world
}

fn type_invitation(world: &mut World, text: &str) {
    world.ui("bob", UiEvent::InvitationTyped { text: Secret::new(text) });
}

fn go_on(world: &mut World) {
    world.ui("bob", UiEvent::HandleChosen);
    world.run(1_000);
}

#[test]
fn an_invitation_is_accepted_in_any_spelling() {
    let mut world = at_the_door(RegistrationMode::Invite);
    assert_eq!(join(&world).registration, Some(RegistrationMode::Invite));
    go_on(&mut world);
    assert_eq!(join(&world).step, JoinStep::Handle);
    assert_eq!(join(&world).error, Some(Reason::InvitationNeeded));
    type_invitation(&mut world, "K7QXM");
    assert_eq!(join(&world).error, None);
    go_on(&mut world);
    assert_eq!(join(&world).error, Some(Reason::InvalidInvitation));
    type_invitation(&mut world, " k7qxm2r9vdwt4hbn8zpc ");
    world.create_account("bob", "");
    world.run(1_000);
    assert!(is_open(&world));
    assert!(!world.browser("bob").disk.keys().any(|(kind, _)| kind.as_str() == "invite"), "not kept");
}

#[rstest]
#[case::unknown(None, "there is no such invitation")]
#[case::used_up(Some("this invitation is used up"), "this invitation is used up")]
#[case::expired(Some("this invitation has expired"), "this invitation has expired")]
#[case::revoked(Some("this invitation was withdrawn"), "this invitation was withdrawn")]
fn a_refused_invitation_is_corrected_and_the_phrase_stays(
    #[case] state: Option<&'static str>,
    #[case] detail: &str,
    #[values(false, true)] reloads: bool,
) {
    let mut world = at_the_door(RegistrationMode::Invite);
    world.relay.invites.extend(state.map(|why| (BAD.to_owned(), Some(why))));
    type_invitation(&mut world, BAD);
    world.ui("bob", UiEvent::HandleChosen);
    let JoinStep::Phrase { words } = world.join_step("bob") else { panic!("no phrase") };
    world.create_account("bob", "");
    world.run(1_000);
    if reloads {
        world.reload("bob");
        world.run(1_000);
    }
    let view = join(&world);
    let error = Some(Reason::Server(detail.to_owned()));
    assert_eq!((&view.step, view.busy, &view.error), (&JoinStep::Handle, false, &error));
    assert_eq!((view.handle.as_str(), view.invitation.expose()), ("bob", BAD));
    assert_eq!(view.availability, Availability::Available, "nothing is wrong with the handle");

    type_invitation(&mut world, GOOD);
    go_on(&mut world);
    assert!(is_open(&world));
    assert_eq!(world.words("bob"), words.join(" "), "the words that were written down");
    world.reload("bob");
    assert!(is_open(&world));
}

#[test]
fn an_invitation_survives_a_lost_answer_and_a_reload() {
    for lost in ["request", "answer"] {
        let mut world = at_the_door(RegistrationMode::Invite);
        type_invitation(&mut world, GOOD);
        match lost {
            "request" => world.weather.request_lost = 100,
            _ => world.weather.answer_lost = 100,
        }
        world.create_account("bob", "");
        world.run(60_000);
        world.reload("bob");
        world.run(5_000);
        (world.weather.request_lost, world.weather.answer_lost) = (0, 0);
        world.run(60_000);
        assert!(is_open(&world), "{lost}");
    }
}

#[test]
fn a_closed_server_is_shown_before_any_input() {
    let world = at_the_door(RegistrationMode::Closed);
    assert_eq!(join(&world).registration, Some(RegistrationMode::Closed));
}

#[test]
fn an_invitation_required_only_at_registration_is_requested_then() {
    let mut world = at_the_door(RegistrationMode::Open);
    type_invitation(&mut world, GOOD);
    world.relay.registration = RegistrationMode::Invite;
    world.create_account("bob", "");
    world.run(1_000);
    assert_eq!(
        (join(&world).step, join(&world).registration),
        (JoinStep::Handle, Some(RegistrationMode::Invite))
    );
    go_on(&mut world);
    assert!(is_open(&world));
}
