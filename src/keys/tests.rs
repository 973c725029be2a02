use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::files::ENVELOPE_FILE;
use super::*;
use crate::domain::seal::leaf::{Kind, Parts};

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("onestop-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn made(folder: &Folder) -> PathBuf {
    let dir = folder.0.join("keys");
    init(&dir).unwrap();
    dir
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_are_made_once_and_for_us_alone() {
    let folder = Folder::new("keys-once");
    let dir = made(&folder);
    assert_eq!(mode(&dir), 0o700);
    let before = fs::read(dir.join(ENVELOPE_FILE)).unwrap();
    for name in [CREDENTIAL_FILE, ENVELOPE_FILE, QUOTE_FILE, seal::SALT_FILE, seal::SEAL_FILE] {
        assert_eq!(mode(&dir.join(name)), 0o600);
    }
    assert!(matches!(init(&dir), Err(KeysError::Exists(_))));
    assert_eq!(fs::read(dir.join(ENVELOPE_FILE)).unwrap(), before);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing half made is left");

    let repository = folder.0.join("checkout");
    fs::create_dir_all(repository.join(".git")).unwrap();
    let inside = init(&repository.join("deploy/keys"));
    assert!(matches!(inside, Err(KeysError::InRepository { .. })));
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let folder = Folder::new("keys-open");
    let dir = made(&folder);
    let path = dir.join(QUOTE_FILE);
    for (mode, taken) in [(0o640, true), (0o400, true), (0o604, false), (0o660, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Keys::load(&dir).is_ok(), taken, "mode {mode:o}");
    }
    fs::remove_file(&path).unwrap();
    assert!(Keys::load(&dir).unwrap_err().to_string().contains("find key file"));
}

#[test]
fn a_damaged_key_file_is_named_with_its_line() {
    let folder = Folder::new("keys-damaged");
    let dir = made(&folder);
    let path = dir.join(ENVELOPE_FILE);
    let good = fs::read_to_string(&path).unwrap();
    for bad in [format!("{good}2 c2hvcnQ=\n"), format!("{good}{good}"), format!("{good}\n")] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(Keys::load(&dir), Err(KeysError::NotAKey { line: 2, .. })));
    }
    fs::write(&path, "").unwrap();
    assert!(matches!(Keys::load(&dir), Err(KeysError::NotAKey { line: 1, .. })));
}

#[test]
fn a_sealed_name_opens_for_its_person_only_and_not_once_altered() {
    let folder = Folder::new("keys-seal");
    let keys = Keys::load(&made(&folder)).unwrap();
    let sealed = keys.seal_name("张三", "P1").unwrap();
    assert_eq!(keys.open_name(&sealed, "P1").unwrap(), "张三");
    assert!(keys.open_name(&sealed, "P2").is_err());
    assert_ne!(sealed, keys.seal_name("张三", "P1").unwrap(), "equal names do not look equal");
    for index in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[index] ^= 1;
        assert!(keys.open(&altered, b"P1").is_err(), "byte {index}");
        assert!(keys.open(&sealed[..index], b"P1").is_err(), "cut at {index}");
    }
    let empty = keys.seal(b"", b"").unwrap();
    assert_eq!(keys.open(&empty, b"").unwrap(), b"");
}

#[test]
fn a_rotation_adds_a_key_that_seals_and_what_was_sealed_before_still_opens() {
    let folder = Folder::new("keys-rotate");
    let dir = made(&folder);
    let path = dir.join(ENVELOPE_FILE);
    let running = Keys::load(&dir).unwrap();
    let old = running.seal(b"old", b"").unwrap();
    let before = fs::read_to_string(&path).unwrap();
    // What a rotation that was killed has left.
    fs::write(dir.join("envelope.keys.making"), "half").unwrap();
    assert_eq!(rotate(&dir).unwrap(), 2);
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&before) && after.lines().count() == 2, "keys are only added");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 5, "nothing half made is left");

    let started_later = Keys::load(&dir).unwrap();
    let new = started_later.seal(b"new", b"").unwrap();
    assert_eq!(started_later.open(&old, b"").unwrap(), b"old");
    // Whoever runs already opens what is sealed by a key that was made after its start, and seals by it once it has read it.
    assert_eq!(running.open(&new, b"").unwrap(), b"new");
    assert_eq!(running.envelope_ids(), [1, 2]);
    assert_eq!(head(&running.seal(b"", b"").unwrap()), running.newest_head());
    let resealed = running.reseal(&old, b"").unwrap();
    assert_eq!((head(&old), head(&resealed)), (head_of(1), head_of(2)));
    assert_eq!(running.open(&resealed, b"").unwrap(), b"old");
}

fn head(sealed: &[u8]) -> SealedHead {
    *sealed.first_chunk().unwrap()
}

#[test]
fn rotations_at_once_each_add_a_key() {
    let folder = Folder::new("keys-rotate-at-once");
    let dir = made(&folder);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| rotate(&dir).unwrap());
        }
    });
    assert_eq!(Keys::load(&dir).unwrap().envelope_ids(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_file_that_others_may_read_is_not_rotated_and_a_group_keeps_its_right() {
    let folder = Folder::new("keys-rotate-open");
    let dir = made(&folder);
    let path = dir.join(ENVELOPE_FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(rotate(&dir), Err(KeysError::Open { mode: 0o644, .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    rotate(&dir).unwrap();
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn a_key_is_taken_out_and_put_back_and_never_the_one_that_seals() {
    let folder = Folder::new("keys-retire");
    let dir = made(&folder);
    let old = Keys::load(&dir).unwrap().seal(b"old", b"").unwrap();
    assert!(matches!(take_out(&dir, 1), Err(KeysError::NewestKey(1))));
    rotate(&dir).unwrap();
    let running = Keys::load(&dir).unwrap();
    assert!(matches!(take_out(&dir, 7), Err(KeysError::UnknownKey(7))));
    let taken_out = take_out(&dir, 1).unwrap();
    assert!(!format!("{taken_out:?}").contains(taken_out.line.expose_secret().trim()));
    assert_eq!(running.reload().unwrap(), Reloaded { ids: vec![2], changed: true });
    assert!(running.open(&old, b"").unwrap_err().to_string().contains("not in the file"));
    taken_out.put_back().unwrap();
    assert_eq!(running.open(&old, b"").unwrap(), b"old");
    assert_eq!(running.envelope_ids(), [1, 2], "the newest one seals again");
}

#[test]
fn another_key_under_a_known_id_is_not_taken() {
    let folder = Folder::new("keys-replaced");
    let dir = made(&folder);
    let running = Keys::load(&dir).unwrap();
    let old = running.seal(b"old", b"").unwrap();
    let other = format!("1 {}\n2 {}\n", BASE64.encode([7; 32]), BASE64.encode([8; 32]));
    fs::write(dir.join(ENVELOPE_FILE), other).unwrap();
    assert!(matches!(running.reload(), Err(KeysError::Replaced(1))));
    assert_eq!(running.open(&old, b"").unwrap(), b"old");
    assert_eq!(running.envelope_ids(), [1]);
}

#[test]
fn whoever_watches_is_told_of_a_new_key_and_of_a_file_that_can_not_be_taken() {
    let folder = Folder::new("keys-watch");
    let dir = made(&folder);
    let running = Arc::new(Keys::load(&dir).unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let _watching = running.watch(move |reloaded| tell.send(reloaded).unwrap()).unwrap();
    let wait = Duration::from_secs(30);
    rotate(&dir).unwrap();
    let reloaded = told.recv_timeout(wait).unwrap().unwrap();
    assert_eq!(reloaded, Reloaded { ids: vec![1, 2], changed: true });
    assert_eq!(running.envelope_ids(), [1, 2]);
    fs::write(dir.join(ENVELOPE_FILE), "nothing").unwrap();
    assert!(matches!(told.recv_timeout(wait).unwrap(), Err(KeysError::NotAKey { .. })));
    assert_eq!(running.envelope_ids(), [1, 2]);
}

#[test]
fn hashes_and_signatures_are_keyed_and_tell_kinds_apart() {
    let (one, two) = (Folder::new("keys-hash-1"), Folder::new("keys-hash-2"));
    let dir = made(&one);
    let (keys, again) = (Keys::load(&dir).unwrap(), Keys::load(&dir).unwrap());
    let other = Keys::load(&made(&two)).unwrap();
    let number = "11010519491231002X";
    let hash = keys.credential_hash(1, number);
    assert_eq!(hash, again.credential_hash(1, number));
    assert_ne!(hash, keys.credential_hash(2, number));
    assert_ne!(hash, other.credential_hash(1, number));

    let signature = keys.sign_token(b"quote");
    assert!(again.verify_token(b"quote", &signature));
    assert!(!keys.verify_token(b"quota", &signature));
    assert!(!other.verify_token(b"quote", &signature));
    assert!(!keys.verify_token(b"quote", &signature[..31]));
    assert_eq!(format!("{keys:?}"), "Keys { envelope_key_ids: [1], .. }");
}

#[test]
fn a_retired_seal_key_leaves_its_public_half_alone() {
    let folder = Folder::new("keys-seal-rotate");
    let dir = made(&folder);
    let first = SealKeys::load(&dir).unwrap().unwrap();
    let before = fs::read_to_string(dir.join(seal::SEAL_FILE)).unwrap();
    let (old, new) = rotate_seals(&dir).unwrap();
    let after = SealKeys::load(&dir).unwrap().unwrap();
    assert_eq!((&old, &new), (first.public_key(), after.public_key()));
    assert_eq!(after.public_keys().collect::<Vec<_>>(), [&old, &new]);
    let text = fs::read_to_string(dir.join(seal::SEAL_FILE)).unwrap();
    assert!(text.starts_with("public ") && !text.contains(before.trim()), "its seed is gone");
    assert_eq!(mode(&dir.join(seal::SEAL_FILE)), 0o600);
    // Salts are the same before and after, or no leaf could be shown again.
    let parts = Parts { shown: vec![1], hidden: vec![2] };
    let salted = first.salted(Kind::Settlement, "s1", &parts);
    assert_eq!(after.salted(Kind::Settlement, "s1", &parts), salted);
    assert_ne!(first.salted(Kind::Settlement, "s2", &parts).salt, salted.salt);
    assert_ne!(first.salted(Kind::Settlement, "s2", &parts).commitment, salted.commitment);
}

#[test]
fn keys_of_seals_are_added_to_a_folder_that_is_older_than_seals() {
    let folder = Folder::new("keys-seal-added");
    let dir = made(&folder);
    assert!(!init_seals(&dir).unwrap(), "they are there");
    for name in [seal::SALT_FILE, seal::SEAL_FILE] {
        fs::remove_file(dir.join(name)).unwrap();
    }
    assert!(SealKeys::load(&dir).unwrap().is_none());
    assert!(Keys::load(&dir).is_ok(), "all else goes without");
    assert!(matches!(rotate_seals(&dir), Err(KeysError::NoSealKeys(_))));
    assert!(init_seals(&dir).unwrap());
    let path = dir.join(seal::SEAL_FILE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(SealKeys::load(&dir), Err(KeysError::Open { mode: 0o644, .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "seed c2hvcnQ=\n").unwrap();
    assert!(matches!(SealKeys::load(&dir), Err(KeysError::NotAKey { line: 1, .. })));
}

#[test]
fn a_pseudonym_is_the_same_once_and_another_one_the_next_time() {
    let (one, other) = (Pseudonyms::new().unwrap(), Pseudonyms::new().unwrap());
    assert_eq!(one.of(7), one.of(7));
    assert_ne!(one.of(7), one.of(8));
    assert_ne!(one.of(7), other.of(7));
}
