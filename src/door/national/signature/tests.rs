use super::*;
use crate::door::callers::Book;
use crate::door::seals;

/// Keys of the example in README.md, which everybody knows.
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SM4_KEY: &str = "0123456789abcdeffedcba9876543210";

/// The same message as there, but for its signature.
const MESSAGE: &str = r#"{"infno":"1101","msgid":"H52020000001202406300930000001","mdtrtarea_admvs":"520201","insuplc_admdvs":"520200","recer_sys_code":"ONESTOP","dev_no":"","dev_safe_info":"","cainfo":"CAINFO","signtype":"SIGNTYPE","infver":"V1.0","opter_type":"1","opter":"desk-1","opter_name":"收费员","inf_time":"2024-06-30 09:30:00","fixmedins_code":"H52020000001","fixmedins_name":"六盘水市人民医院","sign_no":"","input":{"data": {"psn_no":"P0000000000000000000"}}}"#;

struct Case {
    callers: Callers,
    heard: Heard,
}

impl Case {
    /// One hospital that signs so, another that signs alike by another key.
    fn new(means: Means) -> Self {
        let own = seals::own_key(&"1f".repeat(32)).unwrap();
        let key = |secret: &str| match means {
            Means::HmacSha256 => secret.to_owned(),
            Means::Sm2 => seals::public_of(&seals::own_key(secret).unwrap()),
        };
        let mut book = Book::default();
        for (hospital, secret) in [("H52020000001", SECRET), ("H52020000002", &"2e".repeat(32))] {
            let seal = Seal::new(means, &key(secret), Some(&own)).unwrap();
            book.seal(hospital_of(hospital), seal.with_body(SM4_KEY).unwrap());
        }
        let callers = Callers::default();
        callers.take_book(book);
        Self { callers, heard: Heard::default() }
    }

    /// What is told of a message that comes at a time: nothing where it is taken.
    fn told(&self, message: &str, at: &str) -> String {
        match self.open(message, at) {
            Ok(_) => String::new(),
            Err(fault) => fault.told().message,
        }
    }

    fn open(&self, message: &str, at: &str) -> Result<(Envelope, Reply), Fault> {
        let Some(Json::Object(mut rest)) = json::read(message.as_bytes()) else { panic!() };
        let envelope = envelope::read(&mut rest)?;
        let signed = self.callers.signed(&envelope.hospital).unwrap();
        let mut reply = Reply::plain(signed);
        let of = (&self.callers, &mut reply);
        let envelope = open(of, envelope, (&rest, message.as_bytes()), &now(at))?;
        self.heard.is_first(&envelope)?;
        self.heard.remember(&envelope, &reply, &now(at));
        Ok((envelope, reply))
    }
}

fn hospital_of(code: &str) -> crate::domain::ids::HospitalCode {
    crate::domain::ids::HospitalCode::new(code).unwrap()
}

/// A time of that day in Asia/Shanghai.
fn now(time: &str) -> Now {
    let at = format!("2024-06-30T{time}+08:00").parse().unwrap();
    Now { at, day: jiff::civil::date(2024, 6, 30) }
}

/// As a hospital signs it.
fn signed(means: Means, secret: &str, message: &str) -> String {
    let message = message.replace("SIGNTYPE", word(means));
    let Some(Json::Object(rest)) = json::read(message.as_bytes()) else { panic!() };
    let said = said(&rest, message.as_bytes()).unwrap();
    let signature = match means {
        Means::HmacSha256 => Seal::new(means, secret, None).unwrap().sign(&said),
        Means::Sm2 => {
            let own = seals::own_key(secret).unwrap();
            Seal::new(means, &seals::public_of(&own), Some(&own)).unwrap().sign(&said)
        }
    };
    message.replace("CAINFO", &signature.unwrap())
}

fn starts(told: &str, code: &str) {
    assert!(told.starts_with(&format!("[{code}] ")), "{code}: {told}");
}

#[test]
fn only_what_the_hospital_signed_is_taken() {
    for means in [Means::HmacSha256, Means::Sm2] {
        let case = Case::new(means);
        let good = signed(means, SECRET, MESSAGE);
        assert_eq!(case.told(&good, "09:30:01"), "");
        starts(&case.told(&MESSAGE.replace("CAINFO", ""), "09:30:01"), "OS-ACC-008");
        starts(&case.told(&MESSAGE.replace("SIGNTYPE", "").to_owned(), "09:30:01"), "OS-ACC-009");
        starts(&case.told(&MESSAGE.replace("SIGNTYPE", "RSA"), "09:30:01"), "OS-ENV-007");
        // Every change counts, be it of a field, of the input, or of a space in it.
        for (was, is) in [
            ("\"desk-1\"", "\"desk-2\""),
            ("\"dev_no\":\"\"", "\"dev_no\":\"x\""),
            ("{\"data\": {", "{\"data\":{"),
            ("P0000000000000000000", "P0000000000000000001"),
            ("\"sign_no\":\"\"", "\"sign_no\":\"\",\"new\":\"1\""),
            ("\"sign_no\":\"\"", "\"sign_no\":\"\",\"new\":\"1\\n2\""),
        ] {
            let changed = good.replace(was, is);
            assert_ne!(changed, good);
            starts(&case.told(&changed, "09:30:01"), "OS-ACC-009");
        }
        // What is empty says nothing, signed or not.
        assert_eq!(case.told(&good.replace("\"dev_no\":\"\",", ""), "09:30:01"), "");
        starts(&case.told(&signed(means, &"2e".repeat(32), MESSAGE), "09:30:01"), "OS-ACC-010");
    }
}

#[test]
fn a_clock_that_is_wrong_is_told_both_times() {
    let case = Case::new(Means::HmacSha256);
    let good = signed(Means::HmacSha256, SECRET, MESSAGE);
    for at in ["09:20:00", "09:40:00"] {
        assert_eq!(case.told(&good, at), "");
    }
    for (at, ours) in [("09:19:59", "09:19:59"), ("09:40:01", "09:40:01")] {
        let told = case.told(&good, at);
        starts(&told, "OS-ENV-024");
        assert!(told.contains("2024-06-30 09:30:00") && told.contains(ours), "{told}");
        assert!(told.contains("10 min"), "{told}");
    }
}

#[test]
fn an_id_says_one_thing_for_as_long_as_what_was_signed_could_come_again() {
    let case = Case::new(Means::HmacSha256);
    let signed = |message: &str| signed(Means::HmacSha256, SECRET, message);
    let good = signed(MESSAGE);
    assert_eq!(case.told(&good, "09:30:00"), "");
    assert_eq!(case.told(&good, "09:30:09"), "", "the same again is no harm");
    // Sent again later it says so, and is signed anew; it is still the same.
    let later = MESSAGE.replace("09:30:00", "10:05:00");
    let other = |message: &str| message.replace("P0000000000000000000", "P1");
    starts(&case.told(&signed(&other(MESSAGE)), "09:35:00"), "OS-ENV-023");
    assert_eq!(case.told(&signed(&later), "10:05:00"), "");
    starts(&case.told(&signed(&other(&later)), "10:06:00"), "OS-ENV-023");
    // Both halves have been forgotten in turn.
    let filler = |time: &str, id: &str| {
        signed(
            &MESSAGE
                .replace("09:30:00", time)
                .replace("000001\",\"mdtrtarea", &format!("{id}\",\"mdtrtarea")),
        )
    };
    assert_eq!(case.told(&filler("10:30:00", "000002"), "10:30:00"), "");
    assert_eq!(case.told(&filler("11:00:00", "000003"), "11:00:00"), "");
    let much_later = other(&MESSAGE.replace("09:30:00", "11:01:00"));
    assert_eq!(case.told(&signed(&much_later), "11:01:00"), "");
}

#[test]
fn an_encrypted_input_is_read_and_its_answer_encrypted_too() {
    let case = Case::new(Means::Sm2);
    let seal = case.callers.signed(&hospital_of("H52020000001")).unwrap().seal;
    let input = r#"{"data":{"psn_no":"P7"}}"#;
    let sealed = seal.encrypt(input.as_bytes(), [9; BLOCK_BYTES]).unwrap();
    let plain = r#""input":{"data": {"psn_no":"P0000000000000000000"}}"#;
    let sealed_message = |sealed: &str| {
        let message = MESSAGE.replace(plain, &format!(r#""enc_type":"SM4","input":"{sealed}""#));
        signed(Means::Sm2, SECRET, &message)
    };
    let (envelope, reply) = case.open(&sealed_message(&sealed), "09:30:00").unwrap();
    assert_eq!(json::canonical(&envelope.input), r#"{"data":{"psn_no":"P7"}}"#);
    starts(&case.told(&sealed_message("AAAA"), "09:30:00"), "OS-ENV-025");
    let list = seal.encrypt(b"[]", [9; BLOCK_BYTES]).unwrap();
    starts(&case.told(&sealed_message(&list), "09:30:00"), "OS-ENV-025");

    let output = serde_json::json!({"baseinfo": {"psn_name": "张三"}});
    let mut answer = Answer::default();
    answer.output = Written::of(&output);
    reply.finish(&mut answer, [3; BLOCK_BYTES]);
    assert_eq!((answer.enctype, answer.signtype), ("SM4", "SM2"));
    let sealed = answer.output.as_ref().unwrap().as_str();
    let opened = seal.decrypt(serde_json::from_str(sealed).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&opened).unwrap(), output);
    let ours = seals::own_key(&"1f".repeat(32)).unwrap();
    let ours = Seal::new(Means::Sm2, &seals::public_of(&ours), None).unwrap();
    let said = format!("enctype=SM4\ninfcode=0\nsigntype=SM2\noutput={sealed}");
    assert!(ours.is_signed(said.as_bytes(), &answer.cainfo));
}

/// Without a key of ours an answer is not signed, and does not say that it was.
#[test]
fn who_has_no_key_signs_no_answer() {
    let mut book = Book::default();
    let own = seals::own_key(SECRET).unwrap();
    let seal = Seal::new(Means::Sm2, &seals::public_of(&own), None).unwrap();
    book.seal(hospital_of("H52020000001"), seal);
    let callers = Callers::default();
    callers.take_book(book);
    let reply = Reply::plain(callers.signed(&hospital_of("H52020000001")).unwrap());
    let mut answer = Answer::default();
    reply.finish(&mut answer, [0; BLOCK_BYTES]);
    assert_eq!((answer.cainfo.as_str(), answer.signtype), ("", ""));
}

/// The example in README.md is what we take, and prints what it says there.
#[test]
fn the_example_for_developers_holds() {
    let readme = include_str!("../README.md");
    let good = signed(Means::HmacSha256, SECRET, MESSAGE);
    let Some(Json::Object(rest)) = json::read(good.as_bytes()) else { panic!() };
    let Some(Json::Text(cainfo)) = rest.get("cainfo") else { panic!() };
    let said = String::from_utf8(said(&rest, good.as_bytes()).unwrap()).unwrap();
    for part in [SECRET, cainfo.as_str(), said.as_str(), SM4_KEY] {
        assert!(readme.contains(part), "not in README.md:\n{part}");
    }
    let sm2 = signed(Means::Sm2, SECRET, MESSAGE);
    let Some(Json::Object(rest)) = json::read(sm2.as_bytes()) else { panic!() };
    let Some(Json::Text(cainfo)) = rest.get("cainfo") else { panic!() };
    let public = seals::public_of(&seals::own_key(SECRET).unwrap());
    for part in [public.as_str(), cainfo.as_str()] {
        assert!(readme.contains(part), "not in README.md:\n{part}");
    }
    let seal = Seal::new(Means::HmacSha256, SECRET, None).unwrap().with_body(SM4_KEY).unwrap();
    let input = br#"{"data": {"psn_no":"P0000000000000000000"}}"#;
    let sealed = seal.encrypt(input, [0; BLOCK_BYTES]).unwrap();
    assert!(readme.contains(&sealed), "not in README.md:\n{sealed}");
}
