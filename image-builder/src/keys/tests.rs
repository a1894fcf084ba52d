use super::*;

fn store() -> (tempfile::TempDir, KeyStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = KeyStore::at(folder.path().join("keys"));
    (folder, store)
}

#[test]
fn key_set_new_has_private_files_and_a_good_signature() {
    let (_folder, store) = store();
    let set = store.create("factory", Purpose::Production).unwrap();
    assert!(!set.set.development);
    for role in Role::ALL {
        let file = set.path.join(format!("{}.key", role.name()));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600, "{}", role.name());
        set.private(role).unwrap();
    }
    assert_eq!(PublicKey::of(&set.private(Role::Root).unwrap()), set.root);
    assert_eq!(store.names(), ["factory"]);
    assert_eq!(store.trusted_roots().len(), 1);
    assert_eq!(fs::read_dir(store.root()).unwrap().count(), 1, "nothing left beside it");
}

#[test]
fn key_set_that_is_there_is_not_written_over() {
    let (_folder, store) = store();
    let first = store.create("factory", Purpose::Production).unwrap();
    let failure = store.create("factory", Purpose::Production).unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert_eq!(store.load("factory").unwrap().root, first.root);
}

#[test]
fn development_set_is_made_once() {
    let (_folder, store) = store();
    let (first, made) = store.load_or_create_development(DEVELOPMENT).unwrap();
    assert!(made && first.set.development);
    let (second, made) = store.load_or_create_development(DEVELOPMENT).unwrap();
    assert!(!made);
    assert_eq!(first.root, second.root);
    assert_eq!(store.load_or_create_development("other").unwrap_err().exit(), Exit::NotFound);
}

#[test]
fn private_key_open_to_others_is_refused() {
    let (_folder, store) = store();
    let set = store.create("factory", Purpose::Production).unwrap();
    let file = set.path.join("os.key");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let failure = set.private(Role::Os).unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert!(failure.to_string().contains("0644"), "{failure}");
}

#[test]
fn private_key_of_another_role_or_set_is_refused() {
    let (_folder, store) = store();
    let set = store.create("factory", Purpose::Production).unwrap();
    fs::copy(set.path.join("app.key"), set.path.join("os.key")).unwrap();
    assert_eq!(set.private(Role::Os).unwrap_err().exit(), Exit::Refused);
}

#[test]
fn key_set_with_a_changed_byte_is_not_verified() {
    let (_folder, store) = store();
    let set = store.create("factory", Purpose::Production).unwrap();
    let mut bytes = set.signed_set.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(set.path.join(KEY_SET_FILE), bytes).unwrap();
    assert_eq!(store.load("factory").unwrap_err().exit(), Exit::VerificationFailed);
    assert!(store.trusted_roots().is_empty());
}

#[test]
fn key_set_name_that_leaves_the_store_is_refused() {
    let (_folder, store) = store();
    for name in ["", ".", "..", "../x", "a/b", "A", "a b", "a\n"] {
        assert_eq!(store.create(name, Purpose::Production).unwrap_err().exit(), Exit::BadInput, "{name:?}");
        assert_eq!(store.load(name).unwrap_err().exit(), Exit::BadInput, "{name:?}");
    }
}
