//! Judged by `coset`, an independent implementation of RFC 9052, and by tables of altered envelopes.

use coset::iana::{Algorithm, CoapContentFormat};
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable};
use proptest::prelude::*;

use super::*;
use crate::digest::Digest;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn envelope(kind: Kind, payload: &[u8]) -> Vec<u8> {
    sign(kind, payload, &key(1))
}

fn check(kind: Kind, bytes: &[u8]) -> Result<Verified<'_>, VerifyEnvelopeError> {
    verify(kind, bytes, &[PublicKey::of(&key(2)), PublicKey::of(&key(1))])
}

/// The same envelope made by coset; `alter` may change it before it is signed.
fn coset_envelope(
    payload: &[u8],
    alter: impl FnOnce(HeaderBuilder, CoseSign1Builder) -> CoseSign1Builder,
) -> CoseSign1 {
    let protected = HeaderBuilder::new()
        .algorithm(Algorithm::EdDSA)
        .content_type(Kind::App.content_type().to_owned())
        .key_id(PublicKey::of(&key(1)).id().0.to_vec());
    alter(protected, CoseSign1Builder::new().payload(payload.to_vec()))
        .create_signature(b"", |message| key(1).sign(message).to_bytes().to_vec())
        .build()
}

#[test]
fn envelope_of_each_kind_passes_for_that_kind_only() {
    for signed in Kind::ALL {
        let bytes = envelope(signed, b"payload");
        for wanted in Kind::ALL {
            match check(wanted, &bytes) {
                Ok(verified) => {
                    assert_eq!(signed, wanted);
                    assert_eq!(verified, Verified { payload: b"payload", key: PublicKey::of(&key(1)).id() });
                }
                Err(VerifyEnvelopeError::WrongKind { wanted: w, found }) => {
                    assert_eq!((w, found), (wanted, signed))
                }
                Err(other) => panic!("{signed} as {wanted}: {other}"),
            }
        }
    }
}

#[test]
fn signature_moved_to_another_kind_is_refused() {
    let id = PublicKey::of(&key(1)).id();
    let signature = key(1).sign(&to_be_signed(Kind::App, b"p", id)).to_bytes();
    assert!(check(Kind::App, &assemble(Kind::App, b"p", id, &signature)).is_ok());
    for other in Kind::ALL.into_iter().filter(|kind| *kind != Kind::App) {
        let moved = assemble(other, b"p", id, &signature);
        assert!(matches!(check(other, &moved), Err(VerifyEnvelopeError::BadSignature(_))));
    }
}

#[test]
fn envelope_with_any_bit_flipped_is_refused() {
    let bytes = envelope(Kind::Slot, b"some payload");
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(check(Kind::Slot, &altered).is_err(), "bit {bit}");
    }
}

#[test]
fn envelope_cut_or_extended_is_refused() {
    let bytes = envelope(Kind::Slot, b"some payload");
    for end in 0..bytes.len() {
        assert!(
            matches!(check(Kind::Slot, &bytes[..end]), Err(VerifyEnvelopeError::Malformed(_))),
            "{end} bytes"
        );
    }
    for extra in [&[0][..], &[0xff], &bytes] {
        assert!(matches!(
            check(Kind::Slot, &[&bytes, extra].concat()),
            Err(VerifyEnvelopeError::NotDeterministic)
        ));
    }
}

#[test]
fn envelope_by_unknown_key_is_refused_with_its_id() {
    let bytes = sign(Kind::App, b"p", &key(3));
    let expected = PublicKey::of(&key(3)).id();
    assert!(matches!(check(Kind::App, &bytes), Err(VerifyEnvelopeError::UnknownKey(id)) if id == expected));
    assert!(matches!(verify(Kind::App, &bytes, &[]), Err(VerifyEnvelopeError::UnknownKey(_))));
}

#[test]
fn envelope_in_the_name_of_another_key_is_refused() {
    let id = PublicKey::of(&key(1)).id();
    let signature = key(3).sign(&to_be_signed(Kind::App, b"p", id)).to_bytes();
    let bytes = assemble(Kind::App, b"p", id, &signature);
    assert!(matches!(check(Kind::App, &bytes), Err(VerifyEnvelopeError::BadSignature(found)) if found == id));
}

#[test]
fn envelope_in_other_encodings_is_refused() {
    let good = envelope(Kind::App, b"payload");
    let replace = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|window| window == from).expect("the bytes are there");
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let payload = [&[0x47][..], b"payload"].concat();
    let cases = [
        ("no tag", good[1..].to_vec()),
        ("tag in two bytes", [&[0xd8, 18], &good[1..]].concat()),
        ("another tag", [&[0xd1], &good[1..]].concat()),
        ("array with a long head", [&[0xd2, 0x98, 4], &good[2..]].concat()),
        ("array without a length", [&[0xd2, 0x9f], &good[2..], &[0xff]].concat()),
        ("payload with a long length", replace(&payload, &[&[0x58, 7][..], b"payload"].concat())),
        ("payload in pieces", replace(&payload, &[&[0x5f, 0x47][..], b"payload", &[0xff]].concat())),
        ("payload as text", replace(&payload, &[&[0x67][..], b"payload"].concat())),
        ("payload detached", replace(&payload, &[0xf6])),
        (
            "unprotected header not empty",
            replace(&[&[0xa0][..], &payload].concat(), &[&[0xa1, 1, 0x27][..], &payload].concat()),
        ),
        ("algorithm in two bytes", replace(&[0xa3, 1, 0x27], &[0xa3, 1, 0x38, 7])),
        ("another algorithm", replace(&[0xa3, 1, 0x27], &[0xa3, 1, 0x26])),
    ];
    for (what, bytes) in cases {
        let refused = check(Kind::App, &bytes);
        let as_expected =
            matches!(refused, Err(VerifyEnvelopeError::Malformed(_) | VerifyEnvelopeError::NotDeterministic));
        assert!(as_expected, "{what}: {refused:?}");
    }
}

#[test]
fn envelope_of_ours_is_parsed_and_verified_by_coset() {
    let bytes = envelope(Kind::Capability, b"payload");
    let parsed = CoseSign1::from_tagged_slice(&bytes).expect("coset parses it");
    let public = PublicKey::of(&key(1));
    assert_eq!(parsed.payload.as_deref(), Some(&b"payload"[..]));
    assert_eq!(parsed.protected.header.key_id, public.id().0);
    assert_eq!(parsed.protected.header.alg, Some(coset::Algorithm::Assigned(Algorithm::EdDSA)));
    assert!(parsed.unprotected.is_empty());
    parsed
        .verify_signature(b"", |signature, message| {
            public.verify(message, signature.try_into().expect("64 bytes"))
        })
        .expect("coset verifies it");
    assert_eq!(parsed.tbs_data(b""), to_be_signed(Kind::Capability, b"payload", public.id()));
    assert_eq!(parsed.to_tagged_vec().expect("coset encodes it"), bytes);
}

#[test]
fn envelope_of_coset_with_equal_content_is_accepted() {
    let made = coset_envelope(b"payload", |protected, builder| builder.protected(protected.build()));
    let bytes = made.clone().to_tagged_vec().expect("coset encodes it");
    assert_eq!(bytes, envelope(Kind::App, b"payload"));
    assert_eq!(check(Kind::App, &bytes).expect("it is good").payload, b"payload");
    assert!(check(Kind::App, &made.to_vec().expect("coset encodes it")).is_err(), "without the tag");
}

#[test]
fn envelope_of_coset_with_other_headers_is_refused() {
    type Alter = fn(HeaderBuilder, CoseSign1Builder) -> CoseSign1Builder;
    let cases: [(&str, Alter); 5] = [
        ("more protected", |p, b| b.protected(p.iv(vec![1]).build())),
        ("unprotected", |p, b| {
            b.protected(p.build()).unprotected(HeaderBuilder::new().key_id(vec![1]).build())
        }),
        ("numeric content type", |p, b| b.protected(p.content_format(CoapContentFormat::Cbor).build())),
        ("short key id", |p, b| b.protected(p.key_id(vec![1; 8]).build())),
        ("no protected", |_, b| b),
    ];
    for (what, alter) in cases {
        let bytes = coset_envelope(b"payload", alter).to_tagged_vec().expect("coset encodes it");
        assert!(matches!(check(Kind::App, &bytes), Err(VerifyEnvelopeError::Malformed(_))), "{what}");
    }
}

/// The format is a contract with devices in the field: this must never change. The key is that of RFC 8032,
/// section 7.1, test 1.
#[test]
fn envelope_of_known_key_and_payload_is_golden() {
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44,
        0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    let key = SigningKey::from_bytes(&seed);
    let bytes = sign(Kind::App, b"", &key);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(hex.starts_with("d2845836a301270378"), "{hex}");
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "dc286f68849c024a53e456660447eae654af3a088545ca051400ef9deab76016"
    );
}

#[test]
fn what_is_to_be_signed_is_taken_apart_in_its_one_form_only() {
    let id = PublicKey::of(&key(1)).id();
    let good = to_be_signed(Kind::App, b"payload", id);
    let (payload, meant) = parse_to_be_signed(Kind::App, &good).expect("it is good");
    assert_eq!((payload, meant), (&b"payload"[..], id));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::App) {
        let other = to_be_signed(kind, b"payload", id);
        let refused = parse_to_be_signed(Kind::App, &other);
        assert!(matches!(refused, Err(ParseToBeSignedError::WrongKind { found, .. }) if found == kind));
    }
    for end in 0..good.len() {
        assert!(parse_to_be_signed(Kind::App, &good[..end]).is_err(), "{end} bytes");
    }
    let longer = [&good[..], &[0]].concat();
    assert!(matches!(parse_to_be_signed(Kind::App, &longer), Err(ParseToBeSignedError::NotDeterministic)));
    let at = good.len() - 9;
    let external = [&good[..at], &[0x41, 0], &good[at + 1..]].concat();
    let envelope = envelope(Kind::App, b"payload");
    for (what, bytes) in [("external data", &external[..]), ("an envelope", &envelope), ("text", b"hello")] {
        let refused = parse_to_be_signed(Kind::App, bytes);
        assert!(matches!(refused, Err(ParseToBeSignedError::Malformed(_))), "{what}: {refused:?}");
    }
}

proptest! {
    #[test]
    fn envelope_of_any_payload_round_trips(payload: Vec<u8>, kind in prop::sample::select(&Kind::ALL[..])) {
        let bytes = envelope(kind, &payload);
        prop_assert_eq!(check(kind, &bytes).expect("it is good").payload, payload);
    }
}
