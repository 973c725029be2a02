//! What is wrong with the books, the ledger or the registry, in both languages: what `clearing check` finds by name.

/// What kind, Chinese, English.
const WORDS: &[(&str, &str, &str)] = &[
    ("unbalanced", "借贷不平", "debits and credits differ"),
    ("posting", "凭证内容与其哈希不符", "a posting is not what was hashed"),
    ("posting_day", "凭证日期晚于记账时间", "a posting is of a day after it was posted"),
    (
        "posting_proposal",
        "凭证没有经两人办理的待审记录",
        "a posting follows from nothing that two persons agreed on",
    ),
    ("overlap", "两份清算单期间重叠", "two statements have the same days"),
    (
        "statement",
        "清算单应付与其结算之和不符",
        "a statement owes another amount than its settlements",
    ),
    (
        "paid",
        "清算单已付与银行确认之和不符",
        "a statement is paid another amount than banks confirmed",
    ),
    ("payment", "付款已确认而未记账", "a payment is confirmed and not posted"),
    (
        "payment_day",
        "付款日早于支付文件或晚于确认日",
        "a bank paid before the file was made, or after it said so",
    ),
    ("four_eyes", "须两人办理的由同一人办理", "one person did what takes two"),
    (
        "step_missing",
        "清算单的办理记录缺失，或清算单本身缺失",
        "a step of a statement is gone, or the statement is",
    ),
    (
        "step_state",
        "清算单状态与其最后一步办理记录不符",
        "a statement does not stand where its last step took it",
    ),
    ("step_order", "清算单的办理步骤不合规定", "a statement took a step that there is none of"),
    (
        "step_approver",
        "清算单审批人与办理记录不符",
        "a statement was approved by others than its steps say",
    ),
    (
        "step_payment",
        "清算单的支付步骤与支付文件、回单不符",
        "a statement's steps are not those of its payments",
    ),
    (
        "account",
        "医院账户与其登记、复核记录不符，或已缺失",
        "a hospital's account is not the one that was set and confirmed, or is gone",
    ),
    (
        "account_number",
        "医院账户不能按该医院解密，或账号已被替换",
        "a hospital's account does not open as its own, or to another number",
    ),
    ("accumulator", "年度累计与结算历史不符", "what a person used is not what history says"),
    ("newest", "最近一次结算与历史不符", "a person's newest settlement is not what history says"),
    ("stay", "就诊状态与结算不符", "a stay is not as its settlement left it"),
    ("unstayed", "结算没有对应的就诊", "a settlement has no stay"),
    ("reversal", "撤销与原结算不是相反数", "a reversal is not the inverse of what it reverses"),
    ("record", "结算内容与其哈希不符", "the record of a settlement is not what was hashed"),
    ("lines", "费用明细缺失或与其哈希不符", "charge lines are gone, or not what was hashed"),
    ("outbox", "结算未列入上传队列", "a settlement is told to nobody"),
    ("request", "结算没有对应的请求号", "a settlement has no request key"),
    ("coverage", "参保记录与其最后一次变更不符", "coverage is not what was recorded of it last"),
    ("identity", "救助身份与其最后一次变更不符", "an identity is not what was recorded of it last"),
    (
        "standing",
        "人员版本与变更记录不符，变更记录可能缺失",
        "a person's version is not that of their last change: a change may be gone",
    ),
];

/// What a kind of fault is.
pub(super) fn words(what: &str) -> (&'static str, &'static str) {
    let found = WORDS.iter().find(|(known, ..)| *known == what);
    found.map_or(("账务不一致", "something contradicts itself"), |(_, zh, en)| (zh, en))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_check_finds_has_words_and_nothing_else_has() {
        let checks = [
            include_str!("../../store/sql/finance/check_books.sql"),
            include_str!("../../store/sql/check_integrity.sql"),
            include_str!("../../store/sql/check_registry.sql"),
        ];
        let named = |sql: &'static str| {
            let after = sql.lines().filter_map(|line| line.strip_prefix("SELECT '"));
            after.filter_map(|rest| rest.split_once('\'')).map(|(what, _)| what).collect::<Vec<_>>()
        };
        let mut found: Vec<&str> = checks.into_iter().flat_map(named).collect();
        // This one needs the keys.
        found.push("account_number");
        found.sort_unstable();
        found.dedup();
        let mut known: Vec<&str> = WORDS.iter().map(|(what, ..)| *what).collect();
        known.sort_unstable();
        assert_eq!(found, known);
    }
}
