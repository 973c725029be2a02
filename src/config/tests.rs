use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// What is at stake in the file of a key; nothing where the key names none.
fn kept(key: &str) -> Option<Kept> {
    match key {
        "tls.key" | "core.key" | "database.password_file" => Some(Kept::Secret),
        "tls.cert" | "tls.client_ca" | "tls.crl" | "callers_file" | "oidc.jwks_file"
        | "database.ca_file" | "core.ca_file" | "core.cert" => Some(Kept::Trusted),
        // The folder of keys looks at its own files; packages are locked.
        "keys_dir" | "data_dir" | "rules_dir" => None,
        "listen"
        | "national_listen"
        | "national_sign_in"
        | "metrics_listen"
        | "rules_examples"
        | "database.url"
        | "database.password"
        | "commit.group_max"
        | "commit.writers"
        | "otlp_endpoint"
        | "otlp_trace_one_in"
        | "log.format"
        | "log.filter"
        | "oidc.issuer"
        | "oidc.audience"
        | "caller.name"
        | "core.address"
        | "core.changes"
        | "seals.enabled"
        | "seals.roots_file"
        | "core.decides"
        | "core.patience_ms"
        | "connections.all"
        | "connections.per_address" => None,
        other => panic!("is the file of {other} a secret? say so here"),
    }
}

/// Walks every key there is: a file with which others may do too much is refused by the name of its key, each by itself.
#[test]
fn no_file_is_taken_that_others_may_read_or_change_too_freely() {
    let folder = std::env::temp_dir().join(format!("onestop-config-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files: Vec<_> = KEYS.into_iter().filter_map(|key| Some((key, kept(key)?))).collect();
    let path = |key: &str| folder.join(key);
    let set = |key: &str, mode| {
        std::fs::write(path(key), "x").unwrap();
        std::fs::set_permissions(path(key), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let lines = files.iter().map(|(key, _)| format!("{key} = '{}'\n", path(key).display()));
    let text = lines.collect::<String>()
        + "oidc.issuer = 'x'\noidc.audience = 'x'\ndatabase.url = 'postgres://u@h/d'\n"
        + "core.address = 'https://core.example:1'\n";
    files.iter().for_each(|(key, _)| set(key, 0o600));
    assert!(from_parts(Some(("t.toml", &text)), &outside(&[])).is_ok());
    for (key, kept) in &files {
        let modes: &[(u32, bool)] = match kept {
            Kept::Secret => &[(0o400, true), (0o640, true), (0o604, false), (0o660, false)],
            Kept::Trusted => &[(0o644, true), (0o664, true), (0o602, false), (0o666, false)],
        };
        for (mode, taken) in modes {
            set(key, *mode);
            let read = from_parts(Some(("t.toml", &text)), &outside(&[]));
            let told = read.map_err(|faults| faults.to_string());
            assert_eq!(told.is_ok(), *taken, "{key} {mode:o}: {told:?}");
            if let Err(told) = told {
                assert!(told.contains(&format!("`{key}` in t.toml")), "{told}");
                assert!(told.contains(&format!("mode {mode:03o}")), "{told}");
            }
        }
        set(key, 0o600);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_configuration_file_with_a_password_is_kept_like_one() {
    let file = std::env::temp_dir().join(format!("onestop-config-{}.toml", std::process::id()));
    let check = |text: &str, mode: u32, refused: bool| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = read(Some(&file)).map_err(|faults| faults.to_string());
        let had = told.as_ref().is_err_and(|told| told.contains("chmod 600"));
        assert_eq!(had, refused, "{text} {mode:o}: {told:?}");
        assert!(!told.is_err_and(|told| told.contains("secret")), "and is never shown");
    };
    for secret in [
        "[database]\nurl = 'postgres://u:secret@h/d'",
        "database.url = 'host=h user=u password=secret'",
        "database.url = 'postgres://u@h/d'\ndatabase.password = 'secret'",
    ] {
        check(secret, 0o644, true);
        check(secret, 0o600, false);
    }
    check("database.url = 'postgres://u@h/d'", 0o644, false);
    std::fs::remove_file(&file).unwrap();
}

fn outside(variables: &[(&str, &str)]) -> Outside {
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outside { variables, root: true }
}

fn check_fault(file: &str, variables: &[(&str, &str)], want: &[&str]) {
    let faults = from_parts(Some(("t.toml", file)), &outside(variables)).unwrap_err().to_string();
    for part in want {
        assert!(faults.contains(part), "{part:?} is not in {faults}");
    }
    assert_eq!(faults.lines().count(), want.len().saturating_add(1), "one line a fault: {faults}");
}

#[test]
fn nothing_set_gives_the_defaults() {
    let config = from_parts(None, &outside(&[])).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.data_dir, Path::new("/var/lib/onestop"));
    assert_eq!(config.keys_dir, Path::new("/var/lib/onestop/keys"));
    assert!(config.database.is_none() && config.tls.is_none() && !config.rules_examples);
}

#[test]
fn a_user_keeps_data_in_their_own_data_folder() {
    let mut home = outside(&[("HOME", "/home/zhang")]);
    home.root = false;
    let config = from_parts(None, &home).unwrap();
    assert_eq!(config.data_dir, Path::new("/home/zhang/.local/share/onestop"));
    home.variables.insert("XDG_DATA_HOME".to_owned(), "/srv/share".to_owned());
    assert_eq!(from_parts(None, &home).unwrap().data_dir, Path::new("/srv/share/onestop"));
    let nowhere = Outside { root: false, ..Outside::default() };
    assert!(from_parts(None, &nowhere).unwrap_err().to_string().contains("`data_dir`"));
}

#[test]
fn the_environment_overlays_the_file() {
    let file = "listen = '127.0.0.1:1'\nrules_examples = true\n[log]\nformat = 'json'\n";
    let variables = outside(&[("ONESTOP_LISTEN", "[::1]:2"), ("ONESTOP_DATA_DIR", "/var/tmp/x")]);
    let config = from_parts(Some(("t.toml", file)), &variables).unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:2");
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(config.rules_examples);
    assert_eq!(config.keys_dir, Path::new("/var/tmp/x/keys"));
    assert_eq!(config.otlp_trace_one_in, 100);
    let all = from_parts(Some(("t.toml", "otlp_trace_one_in = '1'")), &outside(&[])).unwrap();
    assert_eq!(all.otlp_trace_one_in, 1);
}

#[test]
fn all_faults_come_at_once_with_key_value_and_what_fits() {
    check_fault(
        "listen = 'here'\nlog.format = 'xml'\nlisten_on = 'x'\nrules_dir = 7\n",
        &[("ONESTOP_RULES_EXAMPLES", "maybe"), ("ONESTOP_LISTENS", "1")],
        &[
            "`listen` in t.toml is \"here\"; what would fit: an address and a port",
            "`log.format` in t.toml is \"xml\"; what would fit: text or json",
            "`listen_on` in t.toml; what would fit: one of the keys listen,",
            "`rules_dir` in t.toml; what would fit: quoted text",
            "environment variable ONESTOP_RULES_EXAMPLES is \"maybe\"; what would fit: true or",
            "environment variable ONESTOP_LISTENS; what would fit: one of the keys",
        ],
    );
    check_fault("listen = ", &[], &["t.toml; what would fit: TOML"]);
    check_fault("log.filter = 'a=b=c'", &[], &["is \"a=b=c\""]);
    check_fault("otlp_endpoint = 'collector'", &[], &["http://127.0.0.1:4317"]);
    check_fault("otlp_trace_one_in = '0'", &[], &["how many calls one is traced of, from 1 on"]);
    check_fault("data_dir = 'here'", &[], &["an absolute path"]);
}

#[test]
fn what_fits_is_told_in_both_languages_and_by_key() {
    check_fault(
        "listen = 5\nrules_examples = 1\n",
        &[],
        &[
            "`listen` in t.toml; what would fit: an address and a port in quotes, such as \"127.0.0.1:50051\" / 应为：带引号的地址和端口",
            "`rules_examples` in t.toml; what would fit: true or false / 应为：true 或 false",
        ],
    );
    let several = "data_dir = 'here'\nlog.filter = 'a=b=c'\notlp_endpoint = 'x'\ntls.key = '/k'\ncolour = 'red'";
    let faults = from_parts(Some(("t.toml", several)), &outside(&[])).unwrap_err().to_string();
    for line in faults.lines().skip(1) {
        assert!(line.contains("what would fit: ") && line.contains(" / 应为："), "{line}");
    }
    assert!(faults.contains("配置有误，共 5 处"), "{faults}");
}

#[test]
fn calls_and_metrics_need_an_address_each() {
    let same = "listen = '127.0.0.1:7'\nmetrics_listen = '127.0.0.1:7'";
    let fits =
        "another address than that of listen, 127.0.0.1:7 / 应为：与 listen（127.0.0.1:7）不同";
    check_fault(
        same,
        &[],
        &[&format!("`metrics_listen` in t.toml is \"127.0.0.1:7\"; what would fit: {fits}")],
    );
    check_fault("metrics_listen = '0.0.0.0:50051'", &[], &["`metrics_listen` in t.toml"]);
    let config = |metrics: &str| {
        let file = format!("listen = '127.0.0.1:0'\nmetrics_listen = '{metrics}'");
        from_parts(Some(("t.toml", &file)), &outside(&[])).unwrap()
    };
    assert!(!config("127.0.0.1:0").metrics_are_exposed());
    assert!(config("192.0.2.1:9464").metrics_are_exposed());
}

#[test]
fn no_open_address_without_tls() {
    check_fault("listen = '0.0.0.0:50051'", &[], &["`listen` in t.toml is \"0.0.0.0:50051\""]);
    check_fault("tls.cert = '/c.pem'", &[], &["`tls.key`; what would fit"]);
    check_fault(
        "tls.cert = '/no/c'\ntls.key = '/no/k'\ntls.client_ca = '/no/a'",
        &[],
        &["`tls.cert` in", "`tls.key` in", "`tls.client_ca` in"],
    );
    let known = ["/dev/null"; 2];
    let file = format!("tls.cert = '{}'\ntls.key = '{}'", known[0], known[1]);
    check_fault(&file, &[], &["`tls.client_ca`; what would fit"]);
    let half =
        format!("{file}\ntls.client_ca = '/dev/null'\noidc.issuer = 'https://login.example'");
    check_fault(
        &half,
        &[],
        &["`oidc.audience`; what would fit", "`oidc.jwks_file`; what would fit"],
    );
}

#[test]
fn no_secret_is_shown() {
    let url = "postgres://onestop:hunter2@db:port/onestop";
    let faults = from_parts(None, &outside(&[("ONESTOP_DATABASE_URL", url)])).unwrap_err();
    assert!(faults.to_string().contains("ONESTOP_DATABASE_URL; what would fit"));
    assert!(!format!("{faults} {faults:?}").contains("hunter2"));

    let url = "postgres://onestop@db/onestop";
    let variables = [("ONESTOP_DATABASE_URL", url), ("ONESTOP_DATABASE_PASSWORD", "correct horse")];
    let config = from_parts(None, &outside(&variables)).unwrap();
    assert!(!format!("{config:?}").contains("horse"));
    let connection = config.database.unwrap().connection;
    assert_eq!(connection.get_password(), Some("correct horse".as_bytes()));

    let password_alone = outside(&[("ONESTOP_DATABASE_PASSWORD", "correct horse")]);
    let faults = from_parts(None, &password_alone).unwrap_err();
    assert!(faults.to_string().contains("`database.url`"), "{faults}");
    assert!(!format!("{faults:?}").contains("horse"));
}

#[test]
fn a_password_can_lie_in_a_file() {
    let folder = std::env::temp_dir().join(format!("onestop-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("password");
    std::fs::write(&file, "from a file\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let url = ("ONESTOP_DATABASE_URL", "postgres://u@db/d");
    let config =
        from_parts(None, &outside(&[url, ("ONESTOP_DATABASE_PASSWORD_FILE", file)])).unwrap();
    let connection = config.database.unwrap().connection;
    assert_eq!(connection.get_password(), Some("from a file".as_bytes()));
    std::fs::remove_dir_all(&folder).unwrap();
    check_fault(
        "database.password_file = '/no/such'",
        &[url],
        &["`database.password_file` in t.toml is \"/no/such\""],
    );
}

#[test]
fn the_national_door_is_closed_unless_it_is_given_a_place_of_its_own_on_loopback() {
    let none = from_parts(None, &outside(&[])).unwrap();
    assert!(none.national_listen.is_none() && !none.national_sign_in);
    let set = [("ONESTOP_NATIONAL_LISTEN", "127.0.0.1:8088"), ("ONESTOP_NATIONAL_SIGN_IN", "true")];
    let config = from_parts(None, &outside(&set)).unwrap();
    assert_eq!(config.national_listen.unwrap().to_string(), "127.0.0.1:8088");
    assert!(config.national_sign_in);
    check_fault(
        "national_listen = '0.0.0.0:8088'",
        &[],
        &["`national_listen` in t.toml is \"0.0.0.0:8088\"; what would fit: a loopback"],
    );
    check_fault(
        "national_listen = '127.0.0.1:50051'",
        &[],
        &["another address than that of listen, 127.0.0.1:50051"],
    );
    check_fault(
        "metrics_listen = '127.0.0.1:8088'",
        &set,
        &["another address than that of national_listen, 127.0.0.1:8088"],
    );
    check_fault("national_sign_in = 'maybe'", &[], &["true or false"]);
}
