//! The words of a month that is not shown.

/// Code, Chinese, English.
pub(super) const TABLE: &[(&str, &str, &str)] = &[
    (
        "MONTH_UNKNOWN",
        "月份应如 2026-10，且不晚于本月，请修改。",
        "A month is written such as 2026-10 and does not lie ahead; correct it.",
    ),
    (
        "AUDIT_TOO_WIDE",
        "该范围数据行过多，请按地区分别查询，或减少细分维度。",
        "There are more lines than one answer holds; ask region by region, or with fewer breakdowns.",
    ),
    (
        "FLOW_FUNDS_DIFFER",
        "某医院各基金支付之和与合计不符，不予出表，请核查账务。",
        "The funds of a hospital's settlements do not make up their total, so no table is made; check the books.",
    ),
    (
        "FLOW_DOES_NOT_CLOSE",
        "某基金期初加收入减支出不等于期末，不予出表，请核查账务。",
        "A fund's opening, what came in and what was granted do not make up its closing, so no table is made; check the books.",
    ),
    (
        "FLOW_OWED_DIFFERS",
        "某基金应付医院的增减与期末不符，不予出表，请核查账务。",
        "What hospitals were owed and got does not make up what they are owed, so no table is made; check the books.",
    ),
    (
        "FLOW_DEPOSITS_DIFFER",
        "某基金质保金的增减与期末不符，不予出表，请核查账务。",
        "Deposits withheld and released do not make up those held, so no table is made; check the books.",
    ),
    (
        "FLOW_BREAKDOWN_DIFFERS",
        "分项之和与合计不符，不予出表，请联系技术支持。",
        "A breakdown does not make up its fund, so no table is made; call support.",
    ),
    (
        "FLOW_OVERFLOW",
        "金额超出可计算范围，不予出表，请核查账务。",
        "An amount is past anything that is taken, so no table is made; check the books.",
    ),
];
