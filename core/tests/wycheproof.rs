//! Project Wycheproof's vectors for every primitive in use, natively and in WASM: published attacks on ed25519,
//! X25519, HKDF-SHA256 and AES-256-GCM.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "tests"
)]

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use kez_core::signature::verify_ed25519_hex;
use sha2::Sha256;
use wycheproof::{TestResult, aead, eddsa, hkdf as kdf, xdh};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the vectors load");
    let mut count = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let verified = verify_ed25519_hex(&hex(&group.key.pk), &test.msg, &hex(&test.sig)).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            count += 1;
        }
    }
    assert_eq!(count, set.number_of_tests);
}

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("the vectors load");
    let mut without_secret = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = test.private_key[..].try_into().expect("32 bytes");
        let public: [u8; 32] = test.public_key[..].try_into().expect("32 bytes");
        let shared = x25519_dalek::StaticSecret::from(private).diffie_hellman(&public.into());
        assert_eq!(shared.as_bytes()[..], test.shared_secret[..], "{}: {}", test.tc_id, test.comment);
        let zero = test.shared_secret.iter().all(|byte| *byte == 0);
        assert_eq!(shared.was_contributory(), !zero, "{}: {}", test.tc_id, test.comment);
        without_secret += usize::from(zero);
    }
    assert!(without_secret > 20, "the vectors hold small-order keys");
}

#[test]
fn hkdf_sha256() {
    let set = kdf::TestSet::load(kdf::TestName::HkdfSha256).expect("the vectors load");
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let expanded = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(expanded.is_ok(), test.result != TestResult::Invalid, "{}: {}", test.tc_id, test.comment);
        if expanded.is_ok() {
            assert_eq!(okm, test.okm[..], "{}: {}", test.tc_id, test.comment);
        }
    }
}

#[test]
fn aes_256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).expect("the vectors load");
    // The nonce size that the protocol uses is part of the cipher's type; no other can be tried.
    let groups = set.test_groups.iter().filter(|group| group.key_size == 256 && group.nonce_size == 96);
    let mut count = 0;
    for test in groups.flat_map(|group| &group.tests) {
        let cipher = Aes256Gcm::new_from_slice(&test.key).expect("32 bytes");
        let nonce = Nonce::try_from(&test.nonce[..]).expect("12 bytes");
        let sealed = [&test.ct[..], &test.tag[..]].concat();
        let opened = cipher.decrypt(&nonce, Payload { msg: &sealed, aad: &test.aad });
        match test.result {
            TestResult::Invalid => assert!(opened.is_err(), "{}: {}", test.tc_id, test.comment),
            _ => assert_eq!(opened.as_deref(), Ok(&test.pt[..]), "{}: {}", test.tc_id, test.comment),
        }
        count += 1;
    }
    assert!(count > 60, "{count} vectors");
}
