use super::*;

const FILE: &str = r#"
[[insurer]]
name = "resident-office"
schemes = ["resident"]
regions = ["520200"]

[[bureau]]
name = "finance"
regions = ["520000"]

[[administrator]]
name = "operations"
"#;

fn callers() -> Callers {
    let callers = Callers::default();
    callers.take_book(Book::read(FILE).unwrap());
    callers
}

fn certificate(name: &str) -> Certificate {
    Certificate { name: name.to_owned(), serial: vec![7] }
}

#[test]
fn a_certificate_is_who_it_names_if_that_is_written_down() {
    let callers = callers();
    let check = |name: &str, expected: Result<(&str, &str), Unknown>| {
        let found = callers.find("grpc", Some(&certificate(name)), None);
        let told = found.as_ref().map(|caller| (caller.role.word(), caller.name.as_str()));
        assert_eq!(told.map_err(|unknown| *unknown), expected, "{name}");
    };
    check("urn:onestop:hospital:H52020000001", Ok(("hospital", "hospital:H52020000001")));
    check("urn:onestop:insurer:resident-office", Ok(("insurer", "insurer:resident-office")));
    check("urn:onestop:bureau:finance", Ok(("bureau", "bureau:finance")));
    check(
        "urn:onestop:administrator:operations",
        Ok(("administrator", "administrator:operations")),
    );
    for stranger in [
        "urn:onestop:insurer:finance",
        "urn:onestop:administrator:somebody",
        "urn:onestop:hospital:",
        "urn:onestop:hospital:H 1",
        "urn:onestop:development:x",
        "urn:onestop:",
        "urn:other:hospital:H1",
    ] {
        check(stranger, Err(Unknown::Name));
    }
}

#[test]
fn a_revoked_certificate_is_good_for_nothing() {
    let callers = callers();
    let hospital = certificate("urn:onestop:hospital:H1");
    assert!(callers.find("grpc", Some(&hospital), None).is_ok());
    callers.revoke(BTreeSet::from([vec![7]]));
    assert_eq!(callers.find("grpc", Some(&hospital), None).unwrap_err(), Unknown::Revoked);
}

#[test]
fn who_shows_nothing_is_nobody_but_on_a_development_server() {
    assert_eq!(callers().find("grpc", None, None).unwrap_err(), Unknown::Nothing);
    assert_eq!(callers().find("grpc", None, Some("a.b.c")).unwrap_err(), Unknown::Nothing);
    let caller = Callers::development("dev").find("grpc", None, None).unwrap();
    assert_eq!((caller.role, caller.name.as_str()), (Role::Development, "dev"));
}

#[test]
fn a_fault_in_the_callers_file_is_named() {
    let check = |text: &str, expected: &str| {
        let told = Book::read(text).unwrap_err().to_string();
        assert!(told.contains(expected), "{text}: {told}");
    };
    check("[[insurer]]\nname = \"A\"\nregions = [\"520200\"]", "\"A\" is no name");
    check("[[insurer]]\nname = \"a\"\nregions = []", "\"a\" has no region");
    check("[[insurer]]\nname = \"a\"\nregions = [\"52020\"]", "\"52020\" is no region");
    check(
        "[[insurer]]\nname = \"a\"\nregions = [\"520200\"]\nschemes = [\"x\"]",
        "\"x\" is no scheme",
    );
    check(
        "[[administrator]]\nname = \"a\"\n[[administrator]]\nname = \"a\"",
        "\"a\" is there twice",
    );
    check("[[hospitals]]\nname = \"a\"", "unknown field");
}
