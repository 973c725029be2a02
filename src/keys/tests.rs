use super::*;

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
    for name in [CREDENTIAL_FILE, ENVELOPE_FILE, QUOTE_FILE] {
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
fn what_was_sealed_before_a_rotation_still_opens() {
    let folder = Folder::new("keys-rotate");
    let dir = made(&folder);
    let before = Keys::load(&dir).unwrap();
    let old = before.seal(b"old", b"").unwrap();
    let path = dir.join(ENVELOPE_FILE);
    let grown = format!("{}2 {}\n", fs::read_to_string(&path).unwrap(), BASE64.encode([7; 32]));
    fs::write(&path, grown).unwrap();
    let after = Keys::load(&dir).unwrap();
    let new = after.seal(b"new", b"").unwrap();
    assert_eq!(after.open(&old, b"").unwrap(), b"old");
    assert_eq!(after.open(&new, b"").unwrap(), b"new");
    assert!(before.open(&new, b"").unwrap_err().to_string().contains("not in the file"));
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
