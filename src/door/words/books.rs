//! The words of what is not done with the books.

/// Code, Chinese, English.
pub(super) const TABLE: &[(&str, &str, &str)] = &[
    (
        "POSTING_LINES",
        "凭证应有二至六十四行，请核对。",
        "A posting has two to 64 lines; check them.",
    ),
    (
        "POSTING_AMOUNT",
        "凭证金额为零或超出范围，请核对。",
        "A line of the posting is of nothing, or of more than is taken; check it.",
    ),
    (
        "POSTING_UNBALANCED",
        "凭证在同一地区、同一基金内借贷不平，不予记账，请核对。",
        "The lines do not balance within each region and fund, so nothing is posted; check them.",
    ),
    (
        "POSTING_ACCOUNT",
        "该类凭证不能使用此科目或借贷方向，请核对。",
        "This kind of posting does not move that account, or not to that side; check the lines.",
    ),
    (
        "POSTING_HOSPITALS",
        "一张凭证只能涉及一家医院，请分开填写。",
        "A posting concerns one hospital; write one for each.",
    ),
    (
        "POSTING_YEAR",
        "拨款凭证须注明预算年度，其他凭证不得填写。",
        "An appropriation names the year of its budget, and nothing else does; check the year.",
    ),
    (
        "POSTING_REFERENCE",
        "凭证依据过长或含有不可见字符，请修改。",
        "The reference is too long or is not plain text; shorten it.",
    ),
    ("POSTING_REASON", "请填写凭证事由，不超过二百字。", "Say why, in at most 200 characters."),
    (
        "POSTING_MADE_BY_US",
        "该类凭证由系统随清算或支付自动生成，不能手工填制。",
        "This kind of posting follows from a statement or a payment by itself and is not proposed.",
    ),
    (
        "POSTING_DATED_AHEAD",
        "凭证日期晚于今日，不予记账，请核对日期。",
        "A posting is never dated ahead; check the day.",
    ),
    (
        "POSTING_DAY_CLOSED",
        "该会计日已关账，不再记账，请于次日办理。",
        "The day is closed and takes no more postings; do it on the next one.",
    ),
    (
        "PROPOSAL_UNKNOWN",
        "没有此待审凭证，或已处理完毕，请核对编号。",
        "There is no such proposal that is open; check its number.",
    ),
    (
        "SECOND_PERSON_NEEDED",
        "须由另一人复核，同一人不能审批两次。",
        "Another person must agree: one person never does both; have a colleague do it.",
    ),
    (
        "CLEARING_DAYS_OPEN",
        "清算期间尚有未关账的日期，请待关账后再行清算。",
        "Some of these days are not closed; make the statement when they are.",
    ),
    (
        "CLEARING_OVERLAPS",
        "清算期间与已有清算单重叠，请核对起止日期。",
        "These days overlap another statement's; check first and last day.",
    ),
    (
        "CLEARING_UNKNOWN",
        "没有此清算单，请核对编号后重试。",
        "There is no such statement; check its number.",
    ),
    (
        "CLEARING_MOVED",
        "该清算单或单据状态已变化，请重新查询后再办理。",
        "It has moved on meanwhile; look at it again first.",
    ),
    (
        "ADVANCE_OVERDRAWN",
        "预付款余额不足以冲抵，请撤回清算单后重新生成。",
        "The advance is used up elsewhere; withdraw the statement and make it anew.",
    ),
    (
        "NOTHING_TO_PAY",
        "该银行目前没有应付款项，或医院账户尚未复核。",
        "Nothing is to be paid by this bank, or the hospitals' accounts are not confirmed; check both.",
    ),
    (
        "ACCOUNT_UNKNOWN",
        "没有此待复核的医院账户，请核对编号。",
        "There is no such account that waits to be confirmed; check its number.",
    ),
    (
        "ACCOUNT_SEALED",
        "医院账户无法解密，请检查密钥目录。",
        "A hospital's account can not be opened with these keys; check the keys' folder.",
    ),
    (
        "PAYMENT_UNKNOWN",
        "没有此支付文件或支付行，请核对编号。",
        "There is no such payment file or line; check its number.",
    ),
    (
        "BANK_FILE_UNREADABLE",
        "银行回单文件格式不符，未导入任何数据，请核对提示的行。",
        "The bank's file can not be read and nothing of it was taken; the message says which line.",
    ),
    (
        "PAYMENT_CONFIRMED",
        "该笔支付已确认过，不能重复确认，请核对回单。",
        "This payment was confirmed before and is confirmed once; check the bank's file.",
    ),
    (
        "BANK_REFERENCE_USED",
        "银行流水号已用于另一笔支付，请与银行核对。",
        "The bank used this reference for another payment; ask the bank.",
    ),
    (
        "PAYMENT_OF_ANOTHER_BANK",
        "该支付文件不是发往此银行的，回单未予导入。",
        "The payment file went to another bank; nothing of this one's answer was taken.",
    ),
    (
        "PAYMENT_AMOUNT",
        "回单金额与支付金额不符，未予导入，请与银行核对。",
        "The amount is not that of the payment and nothing was taken; ask the bank.",
    ),
    (
        "PAYMENT_DAY",
        "回单付款日早于支付文件生成日或晚于今日，未予导入，请与银行核对。",
        "The bank's day is before the payment file was made, or ahead; nothing was taken. Ask the bank.",
    ),
    (
        "NO_BUDGET",
        "该基金不设预算控制，不能设置此规则。",
        "This fund has no budget, so there is nothing to say of one.",
    ),
];
