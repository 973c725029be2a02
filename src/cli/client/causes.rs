//! Why there is no answer, in words: what the libraries of the connection say, and what that is mostly from.

/// What is said, Chinese, English.
const CAUSES: &[(&str, &str, &str)] = &[
    (
        "KeyMismatch",
        "私钥与证书不是一对，请核对 --cert 与 --key",
        "the key is not that of the certificate; check --cert and --key",
    ),
    (
        "UnknownIssuer",
        "--ca 不是签发网关证书的机构",
        "--ca is not the authority of the gateway's certificate",
    ),
    (
        "NotValidForName",
        "网关的证书不是为该地址签发的，请核对 --server",
        "the gateway's certificate is of another address; check --server",
    ),
    ("CertificateRequired", NO_CERTIFICATE.0, NO_CERTIFICATE.1),
    ("received fatal alert", REFUSED.0, REFUSED.1),
    (
        "Expired",
        "网关的证书已过期，或本机时间不对",
        "the gateway's certificate has ended, or this machine's clock is wrong",
    ),
    (
        "onnection refused",
        "该地址没有服务：网关是否已启动，地址是否正确？",
        "nobody listens there: is the gateway up, and the address right?",
    ),
    (
        "dns error",
        "找不到该主机名，请核对 --server",
        "there is no host of that name; check --server",
    ),
    (
        "lookup address",
        "找不到该主机名，请核对 --server",
        "there is no host of that name; check --server",
    ),
    (
        "InvalidContentType",
        "该地址不是 https，请核对 --server",
        "what listens there does not speak https; check --server",
    ),
    (
        "Timeout expired",
        "限定时间内没有应答，结果未知",
        "there was no answer in time; the outcome is not known",
    ),
    (
        "no answer in time",
        "限定时间内没有应答，结果未知",
        "there was no answer in time; the outcome is not known",
    ),
    // By TLS 1.3 a client hears with its first call that it is not let in, if it hears anything.
    ("operation was canceled", NO_CERTIFICATE.0, NO_CERTIFICATE.1),
    ("onnection reset", NO_CERTIFICATE.0, NO_CERTIFICATE.1),
    ("broken pipe", NO_CERTIFICATE.0, NO_CERTIFICATE.1),
    ("connection error", NO_CERTIFICATE.0, NO_CERTIFICATE.1),
];

const NO_CERTIFICATE: (&str, &str) = (
    "网关断开了连接：是否没有出示证书（--cert、--key），或证书不被网关接受，或网关正在停止？",
    "the gateway broke the connection off: was no certificate shown (--cert, --key), or one that it does not take, or is it stopping?",
);
const REFUSED: (&str, &str) = (
    "网关不接受所出示的证书：由其他机构签发、已过期或已吊销",
    "the gateway does not take the certificate: issued by another authority, ended, or revoked",
);

/// What a fault of the connection means; nothing where it is none that we know.
pub(super) fn of(said: &str) -> Option<(&'static str, &'static str)> {
    let found = CAUSES.iter().find(|(sign, ..)| said.contains(sign));
    found.map(|(_, zh, en)| (*zh, *en))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_says_is_said_in_both_languages() {
        let check = |said: &str, expected: &str| {
            let (zh, en) = of(said).unwrap();
            assert!(zh.contains(expected) || en.contains(expected), "{said}: {zh} {en}");
        };
        check("Cancelled: operation was canceled", "--cert");
        check("keys may not be consistent: KeyMismatch", "--key");
        check("invalid peer certificate: UnknownIssuer", "--ca");
        check("tcp connect error: Connection refused (os error 111)", "nobody listens");
        check("received fatal alert: CertificateRequired", "没有出示证书");
        check("received fatal alert: CertificateRevoked", "已吊销");
        check("connection error: stream closed because of a broken pipe", "断开了连接");
        assert_eq!(of("STAY_SETTLED"), None);
    }
}
