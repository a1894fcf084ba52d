//! Whole packages: good ones pass, altered ones don't, and `tar` agrees about the archive.

use std::fs;
use std::path::Path;
use std::process::Command;

use nacre_verify::digest::Digest;
use nacre_verify::envelope::{self, Kind};
use nacre_verify::key::{PublicKey, SigningKey};
use nacre_verify::package::{
    InvalidPayload, MAX_IMAGE_BYTES, MAX_MANIFEST_BYTES, MalformedArchive, OpenPackageError, Package,
    Payload, VerifyManifestError, open_package, verify_manifest, write_package,
};
use nacre_verify::target::Arch;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn image() -> Vec<u8> {
    (0..5000_u32).map(|at| at.to_le_bytes()[0] | 1).collect()
}

fn payload() -> Payload {
    let mut payload = Payload {
        component: "org.nacre.recorder".into(),
        version: "1.2.3".into(),
        rollback_index: 4,
        arch: Arch::Armv7,
        manifest: b"\xa0".to_vec(),
        image_bytes: 0,
        image_digest: Digest([0; 32]),
        filter: vec![6; 16],
        filter_sha256: Digest::of(&[6; 16]),
    };
    payload.describe_image(&image());
    payload
}

fn manifest() -> Vec<u8> {
    payload().sign(&key(1)).expect("a good payload")
}

fn package() -> Vec<u8> {
    write_package(&manifest(), &image()).expect("it fits")
}

fn open(bytes: &[u8]) -> Result<Package, OpenPackageError> {
    open_package(bytes, &[PublicKey::of(&key(1))])
}

/// Runs tar in a folder and answers with its standard output.
fn tar(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("tar").current_dir(folder).env("TZ", "UTC").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("tar is needed as the judge of this test: {error}"));
    assert!(output.status.success(), "tar failed: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The arguments with which GNU tar makes a package's archive.
const CANONICAL: [&str; 9] = [
    "--format=ustar",
    "--numeric-owner",
    "--owner=0",
    "--group=0",
    "--mtime=@0",
    "--mode=0644",
    "-b1",
    "-cf",
    "-",
];

#[test]
fn package_as_written_passes() {
    let bytes = package();
    let package = open(&bytes).expect("it is good");
    assert_eq!(package.payload, payload());
    assert_eq!(package.signed_by, PublicKey::of(&key(1)).id());
    assert_eq!(bytes[package.manifest_range], manifest());
    assert_eq!(bytes[package.image_range], image());
}

#[test]
fn package_of_ours_is_unpacked_by_tar() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("package"), package()).expect("write");
    let listing =
        String::from_utf8(tar(folder.path(), &["--numeric-owner", "-tvf", "package"])).expect("text");
    let words: Vec<Vec<&str>> = listing.lines().map(|line| line.split_whitespace().collect()).collect();
    let manifest_bytes = manifest().len().to_string();
    let expected = [
        vec!["-rw-r--r--", "0/0", &manifest_bytes, "1970-01-01", "00:00", "manifest.cose"],
        vec!["-rw-r--r--", "0/0", "5000", "1970-01-01", "00:00", "app.img"],
    ];
    assert_eq!(words, expected);
    tar(folder.path(), &["--no-same-owner", "-xf", "package"]);
    assert_eq!(fs::read(folder.path().join("manifest.cose")).expect("read"), manifest());
    assert_eq!(fs::read(folder.path().join("app.img")).expect("read"), image());
}

#[test]
fn package_of_tar_is_byte_for_byte_ours_and_other_forms_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("manifest.cose"), manifest()).expect("write");
    fs::write(folder.path().join("app.img"), image()).expect("write");
    fs::write(folder.path().join("more"), b"more").expect("write");
    let with = |options: &[&str], members: &[&str]| tar(folder.path(), &[options, members].concat());
    let members = ["manifest.cose", "app.img"];
    let canonical = with(&CANONICAL, &members);
    assert!(canonical == package(), "tar writes other bytes");
    open(&canonical).expect("it is good");

    let replaced =
        |from: &str, to: &'static str| CANONICAL.map(|option| if option == from { to } else { option });
    let others = [
        ("other order", with(&CANONICAL, &["app.img", "manifest.cose"])),
        ("one member", with(&CANONICAL, &["manifest.cose"])),
        ("the other member", with(&CANONICAL, &["app.img"])),
        ("a third member", with(&CANONICAL, &["manifest.cose", "app.img", "more"])),
        ("a member twice", with(&CANONICAL, &["manifest.cose", "manifest.cose", "app.img"])),
        ("other paths", with(&CANONICAL, &["./manifest.cose", "./app.img"])),
        ("executable", with(&replaced("--mode=0644", "--mode=0755"), &members)),
        ("set-user-id", with(&replaced("--mode=0644", "--mode=4644"), &members)),
        ("an owner", with(&replaced("--owner=0", "--owner=1"), &members)),
        ("owner names", with(&replaced("--numeric-owner", "--owner=root:0"), &members)),
        ("a time", with(&replaced("--mtime=@0", "--mtime=@1"), &members)),
        ("old format", with(&replaced("--format=ustar", "--format=v7"), &members)),
        ("GNU format", with(&replaced("--format=ustar", "--format=gnu"), &members)),
        ("more zeros", with(&replaced("-b1", "-b20"), &members)),
    ];
    for (what, bytes) in others {
        assert!(matches!(open(&bytes), Err(OpenPackageError::Archive(_))), "{what}");
    }
}

#[test]
fn package_with_a_byte_changed_is_refused() {
    let bytes = package();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(open(&altered).is_err(), "byte {at}");
    }
}

#[test]
fn package_cut_or_extended_is_refused() {
    let bytes = package();
    for end in (0..bytes.len()).step_by(100).chain([bytes.len() - 1]) {
        assert!(matches!(open(&bytes[..end]), Err(OpenPackageError::Archive(_))), "{end} bytes");
    }
    let longer = [&bytes[..], &[0; 512]].concat();
    assert!(matches!(open(&longer), Err(OpenPackageError::Archive(MalformedArchive::End))));
}

#[test]
fn package_members_beyond_their_bounds_are_neither_written_nor_read() {
    let cases: [(usize, usize); 4] = [(0, 1), (1, 0), (MAX_MANIFEST_BYTES + 1, 1), (1, MAX_IMAGE_BYTES + 1)];
    for (manifest_bytes, image_bytes) in cases {
        let refused = write_package(&vec![1; manifest_bytes], &vec![1; image_bytes]);
        assert!(refused.is_err(), "{manifest_bytes} and {image_bytes} bytes");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("manifest.cose"), vec![1; manifest_bytes]).expect("write");
        fs::write(folder.path().join("app.img"), vec![1; image_bytes]).expect("write");
        let bytes = tar(folder.path(), &[&CANONICAL[..], &["manifest.cose", "app.img"]].concat());
        let refused = open(&bytes);
        let archive = matches!(refused, Err(OpenPackageError::Archive(MalformedArchive::MemberBytes { .. })));
        assert!(archive, "{manifest_bytes} and {image_bytes} bytes: {refused:?}");
    }
}

#[test]
fn package_with_another_image_is_refused() {
    let mut other = image();
    other[4999] ^= 1;
    let bytes = write_package(&manifest(), &other).expect("it fits");
    assert!(matches!(open(&bytes), Err(OpenPackageError::ImageDigest)));
    let bytes = write_package(&manifest(), &other[1..]).expect("it fits");
    assert!(matches!(open(&bytes), Err(OpenPackageError::ImageLength { found: 4999, signed: 5000 })));
}

#[test]
fn manifest_by_another_key_or_of_another_kind_is_refused() {
    let keys = [PublicKey::of(&key(1))];
    let by_other = payload().sign(&key(2)).expect("a good payload");
    assert!(matches!(verify_manifest(&by_other, &keys), Err(VerifyManifestError::Envelope(_))));
    let encoded = payload().encode().expect("a good payload");
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::App) {
        let signed = envelope::sign(kind, &encoded, &key(1));
        assert!(matches!(verify_manifest(&signed, &keys), Err(VerifyManifestError::Envelope(_))), "{kind}");
    }
    let longer = envelope::sign(Kind::App, &[&encoded[..], &[0]].concat(), &key(1));
    assert!(matches!(verify_manifest(&longer, &keys), Err(VerifyManifestError::Decode(_))));
    let huge = envelope::sign(Kind::App, &vec![0; MAX_MANIFEST_BYTES], &key(1));
    assert!(matches!(verify_manifest(&huge, &keys), Err(VerifyManifestError::TooLarge(_))));
}

#[test]
fn payload_that_breaks_a_rule_is_refused() {
    type Alter = fn(&mut Payload);
    let cases: [(Alter, InvalidPayload); 11] = [
        (|p| p.component = "../../etc".into(), InvalidPayload::Component),
        (|p| p.component = "recorder".into(), InvalidPayload::Component),
        (|p| p.version = "\x1b[2J".into(), InvalidPayload::Version),
        (|p| p.manifest.clear(), InvalidPayload::Manifest(0)),
        (|p| p.manifest = vec![0; 16385], InvalidPayload::Manifest(16385)),
        (|p| p.image_bytes = 0, InvalidPayload::ImageBytes(0)),
        (|p| p.image_bytes = u64::MAX, InvalidPayload::ImageBytes(u64::MAX)),
        (|p| p.filter.clear(), InvalidPayload::FilterBytes(0)),
        (|p| p.filter.truncate(15), InvalidPayload::FilterBytes(15)),
        (|p| p.filter = vec![0; 4097 * 8], InvalidPayload::FilterBytes(32776)),
        (|p| p.filter[3] ^= 1, InvalidPayload::FilterDigest),
    ];
    for (alter, expected) in cases {
        let mut payload = payload();
        alter(&mut payload);
        assert_eq!(payload.sign(&key(1)), Err(expected));
        let mut encoded = Vec::new();
        minicbor::encode(&payload, &mut encoded).expect("it encodes");
        let signed = envelope::sign(Kind::App, &encoded, &key(1));
        let refused = verify_manifest(&signed, &[PublicKey::of(&key(1))]);
        assert!(
            matches!(refused, Err(VerifyManifestError::Invalid(found)) if found == expected),
            "{expected}"
        );
    }
}
