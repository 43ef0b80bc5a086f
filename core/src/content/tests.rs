//! Contents read back as they were written, and malformed ones are told apart.

use super::*;

fn parse(json: &str) -> Result<Content, MalformedContent> {
    Content::parse(json.as_bytes())
}

#[test]
fn every_kind_reads_back() {
    let root: Primary = format!("ed25519:{}", "0a".repeat(32)).parse().unwrap();
    let id = |id: &str| id.parse::<MessageId>().unwrap();
    let at = Timestamp::from_unix(1_795_374_000);
    let text = Content::text(id("01JD"), "Grüße 🦀", at);
    let re = Some(Ref { by: root, id: id("01JC") });
    let reply = Content { what: What::Text(Text { text: "yes".into(), re }), ..text.clone() };
    let of = Ref { by: root, id: id("01JC") };
    let reaction = Reaction { of, emoji: "👍".parse().unwrap(), on: true };
    let reaction = Content { what: What::Reaction(reaction), ..text.clone() };
    let seed = crate::identity::Seed::from_bytes([7; 32]);
    let former = Content { what: What::FormerKey(FormerKey { seed }), sent_at: None, ..text.clone() };
    let face = Face { name: "Hiking".into(), about: None, expires: Some(86_400) };
    let face = Content { what: What::Face(face), ..text.clone() };
    let gid = "0b".repeat(16).parse().unwrap();
    let registration = serde_json::value::RawValue::from_string(r#"{"kez":1}"#.to_owned()).ok();
    let device = "0c".repeat(16).parse().unwrap();
    let changes = vec![
        Change::Read { chat: Chat::Group(gid), by: root, id: id("01JC") },
        Change::Standing { root, accepted: true, blocked: false, registration },
        Change::Group { gid, accepted: true, name: Some("Hiking".into()) },
        Change::Verified { root, key: None },
        Change::Name { device, name: "Work".into() },
        Change::Link { seqno: 7, hash: crate::sigchain::Hash::of_json("{}") },
        Change::KeepHistory { on: true },
        Change::Words { device, has: true },
    ];
    let sync = Content { what: What::Sync(Sync { changes }), ..text.clone() };
    let chat = Chat::Person(root);
    let reactions = vec![PastReaction { by: root, emoji: "👍".parse().unwrap(), id: id("01JF") }];
    let (from, re) = (root, None);
    let past =
        Past { chat, id: id("01JB"), from, text: "old".into(), re, sent_at: at, kept_at: at, reactions };
    let history = History { device, part: 1, of: 2, messages: vec![past.clone()] };
    let registration = serde_json::value::RawValue::from_string(r#"{"kez":1}"#.to_owned()).ok();
    let archive = Archive { messages: vec![past], registration, name: Some("Hiking".into()) };
    let archive = Content { what: What::Archive(archive), ..text.clone() };
    let history = Content { what: What::History(history), ..text.clone() };
    let copy = EnvelopeCopy {
        with: root,
        mine: false,
        envelope: "0d".repeat(32).parse().unwrap(),
        message: Box::new(reaction.clone()),
        kept_at: at,
    };
    let copy = Content { what: What::Copy(copy), ..text.clone() };
    let rest = [former, face, sync, history, archive, copy];
    for content in
        [text.clone(), reply.clone(), reaction.clone(), text.own_copy(root)].into_iter().chain(rest)
    {
        let json = content.to_json();
        let read = Content::parse(&json).unwrap();
        assert_eq!((&read.id, read.sent_at), (&content.id, content.sent_at));
        assert_eq!(read.what.kind(), content.what.kind());
        assert_eq!(read.to_json(), json, "{content:?}");
    }
    let expected = format!(
        r#"{{"id":"01JD","kind":"text","sent_at":"2026-11-22T19:00:00Z","text":"yes","re":{{"by":"{root}","id":"01JC"}}}}"#
    );
    assert_eq!(String::from_utf8(reply.to_json().to_vec()).unwrap(), expected);
    let expected = format!(
        r#"{{"id":"01JD","kind":"reaction","quiet":true,"sent_at":"2026-11-22T19:00:00Z","of":{{"by":"{root}","id":"01JC"}},"emoji":"👍","on":true}}"#
    );
    assert_eq!(String::from_utf8(reaction.to_json().to_vec()).unwrap(), expected);
}

#[test]
fn changes_of_another_version_are_ignored() {
    let device = "0c".repeat(16);
    let json = format!(
        r#"{{"id":"a","kind":"sync","changes":[7,{{"theme":{{}}}},{{"name":{{"device":"{device}","name":"Work","new":1}}}},{{"name":{{"device":"{device}","name":"a\u0007"}}}}]}}"#
    );
    let What::Sync(Sync { changes }) = parse(&json).unwrap().what else { panic!("no sync") };
    assert!(matches!(changes.as_slice(), [Change::Name { name, .. }] if name == "Work"), "{changes:?}");
    for bad in [r#"{"id":"a","kind":"sync"}"#, r#"{"id":"a","kind":"history","part":1}"#] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert_eq!("bob".parse::<Chat>(), Err(InvalidChat));
}

#[test]
fn an_unknown_kind_keeps_its_quiet_flag() {
    for (json, expected) in [
        (r#"{"id":"a","kind":"poll","question":1.5}"#, false),
        (r#"{"id":"a","kind":"poll","quiet":false,"text":7,"to":7}"#, false),
        (r#"{"id":"a","kind":"poll","quiet":true}"#, true),
    ] {
        let content = parse(json).unwrap();
        assert!(matches!(content.what, What::Unknown { kind, quiet } if kind == "poll" && quiet == expected));
    }
}

#[test]
fn a_known_member_of_a_wrong_type_makes_the_content_malformed() {
    for (json, quiet) in [
        (r#"{"id":"a"}"#, false),
        (r#"{"kind":"text","text":"x"}"#, false),
        (r#"{"id":"a","kind":"text"}"#, false),
        (r#"{"id":"","kind":"text","text":"x"}"#, false),
        (r#"{"id":"a\n","kind":"text","text":"x"}"#, false),
        (r#"{"id":"a","kind":"text","text":"x","text":"y"}"#, false),
        (r#"{"id":"a","kind":"text","text":7}"#, false),
        (r#"{"id":"a","kind":"text","text":"x","re":7}"#, false),
        (r#"{"id":"a","kind":"text","text":"x","quiet":7}"#, false),
        (r#"{"id":"a","kind":"text","quiet":true}"#, true),
        (r#"{"id":"a","kind":"reaction","quiet":true,"of":{},"emoji":"x","on":true}"#, true),
        (r#"{"id":"a","kind":"sent"}"#, false),
        (r#"{"id":"a","kind":"face"}"#, false),
        (r#"{"id":"a","kind":"face","name":"x","expires":-1}"#, false),
        (r#"{"id":"a","kind":"former_key","seed":"00"}"#, false),
        (r#"{"id":"a","kind":"archive","quiet":true,"messages":[{"id":"b"}]}"#, true),
        (r#"{"id":"a","kind":"copy","quiet":true,"mine":false,"message":{"id":"b","kind":"text"}}"#, true),
        ("[]", false),
        ("hello", false),
        ("\u{ff}", false),
    ] {
        assert_eq!(parse(json).unwrap_err(), MalformedContent { quiet }, "{json}");
    }
    let long = format!(r#"{{"id":"{}","kind":"text","text":"x"}}"#, "a".repeat(65));
    assert!(parse(&long).is_err());
}

#[test]
fn ulids_sort_by_their_time() {
    struct Zero;
    impl rand_core::TryRng for Zero {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0)
        }
        fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
            dst.fill(0);
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for Zero {}
    // The example of the ULID specification.
    let ulid = MessageId::ulid(1_469_918_176_385, &mut Zero);
    assert_eq!(ulid.as_str(), "01ARYZ6S410000000000000000");
    let later = MessageId::ulid(1_469_918_176_386, &mut Zero);
    assert!(ulid < later && later < MessageId::ulid(u64::MAX >> 16, &mut Zero));
}

#[test]
fn an_emoji_is_short_and_visible() {
    for good in ["👍", "❤️", "👩‍👩‍👧‍👦", "+1"] {
        assert_eq!(good.parse::<Emoji>().unwrap().as_str(), good);
    }
    for bad in ["", "a b", "\u{7}", "\u{2003}", &"x".repeat(33)] {
        assert_eq!(bad.parse::<Emoji>(), Err(InvalidEmoji), "{bad:?}");
    }
}

#[test]
fn unknown_members_and_an_invalid_time_are_ignored() {
    for odd in [r#""2026-11-22T19:00:00+01:00""#, r#""yesterday""#, "1795374000", "null", "{}"] {
        let content = parse(&format!(r#"{{"id":"a","kind":"text","text":"x","sent_at":{odd},"new":[1]}}"#));
        let content = content.unwrap();
        assert!(matches!(content.what, What::Text(Text { text, .. }) if text == "x"), "{odd}");
        assert_eq!(content.sent_at, None, "{odd}");
    }
}
