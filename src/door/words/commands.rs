//! The words of what commands at the machine say, and the server's log: no door says them.

use super::advice::{Again, Done};

/// Code, Chinese, English, and what to do.
pub(in crate::door) const TABLE: &[(&str, &str, &str, Done, Again)] = &[
    (
        "NOT_SEALED",
        "该月尚未全部封印，请于封印完成后再出证据包，或加 --so-far 先出至已封印之日。",
        "The month is not sealed to its end; make the bundle when it is, or with --so-far up to there.",
        Done::Nothing,
        Again::Unchanged,
    ),
    (
        "NOT_AS_SEALED",
        "库中记录与封印不符，不出证据包；请运行 onestop audit seal --check 查明是哪条记录。",
        "A record is not what was sealed, so no bundle is made; `onestop audit seal --check` names it.",
        Done::Nothing,
        Again::OnceMended,
    ),
    (
        "SEAL_ALTERED",
        "已封印的内容被改动，停止封印；请运行 onestop audit seal --check，并从备份恢复。",
        "What was sealed was altered, and sealing stands still; run `onestop audit seal --check`, and restore from a backup.",
        Done::Nothing,
        Again::OnceMended,
    ),
    (
        "SEAL_LATE",
        "已关账的日期又出现新记录，该记录不在封印之内；请核查其来源。",
        "A row came into a day that is closed, and no seal is over it; find out who wrote it.",
        Done::Before,
        Again::Needless,
    ),
    (
        "SEAL_MANY_DAYS",
        "待截止的日期过多，可能是时钟有误；请核对时钟无误后运行 onestop audit seal。",
        "So many days are not closed unasked, the clock may have jumped; see that it is right, then run `onestop audit seal`.",
        Done::Nothing,
        Again::OnceMended,
    ),
    (
        "CLOCKS_DIFFER",
        "本机时钟与数据库的时钟相差过大，结算按本机时钟记日期；请校时。",
        "This machine's clock is not the database's, and what is settled here is dated by it; set it right.",
        Done::Before,
        Again::Needless,
    ),
    (
        "DAY_CLOSED_AHEAD",
        "今日已被提前截止（时钟曾超前），其间结算记入首个未截止之日；请校时。",
        "Today is closed already, by a clock that was ahead; what is settled is booked on the first open day. Set the clock right.",
        Done::Before,
        Again::Needless,
    ),
    (
        "ROOTS_DIFFER",
        "封印与已公布的不同，不再公布；请与外部保存的封印核对，查明哪一份被改动。",
        "A seal is not the one that was published, and nothing more is; compare with what others keep of it.",
        Done::Nothing,
        Again::OnceMended,
    ),
    (
        "VALUES_UNOPENED",
        "有数据无法用现有密钥打开，未予重新加密；请核对密钥目录，或从备份恢复这些数据。",
        "Some values do not open with these keys and were left as they are; check the keys' folder, or restore them from a backup.",
        Done::Partly,
        Again::OnceMended,
    ),
    (
        "CREDENTIAL_KEY_OF_ANOTHER_DATABASE",
        "密钥目录不是本数据库的，未启动；请改用建库时的密钥目录。",
        "The keys are of another database, and nothing was started; give the folder that this one was filled with.",
        Done::Nothing,
        Again::OnceMended,
    ),
    (
        "KEY_IN_USE",
        "该密钥仍有数据以其加密，不能停用；请先运行 onestop keys reseal。",
        "Values are still sealed by this key, so it stays; run `onestop keys reseal` first.",
        Done::Nothing,
        Again::OnceMended,
    ),
];
