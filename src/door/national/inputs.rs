//! What every transaction is told: one table of its fields is the validator, and what the tests are made of.
//!
//! It holds the fields that are looked at; what else a hospital sends is not. What only the transaction itself can say of them (one of two
//! must be there, dates in order) it says itself.

use super::care;
use super::fault::Fault;
use super::field::{Invalid, InvalidReason};
use super::input::{Node, parts};
use super::json::Object;
use super::query;
use super::statements;
use crate::app::TrueUpPage;
use crate::domain::ids::{
    ItemCode, LineId, OperatorId, PersonNumber, RequestId, SettlementId, SignNumber, StayId,
};
use crate::domain::money::{parse_price_e6, parse_quantity_e4};
use crate::limits;

/// What one transaction is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Which. [infno]
    pub(super) transaction: &'static str,
    /// The parts of its input.
    pub(super) parts: &'static [Part],
}

/// A part of an input: one object, or a list of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Its name.
    pub(super) name: &'static str,
    /// How many of it there may be.
    pub(super) most: usize,
    /// Must it be there?
    pub(super) needed: bool,
    /// Its fields, in the order in which they are looked at.
    pub(super) fields: &'static [Field],
}

/// A field of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// Must it be there?
    pub(super) needed: bool,
    /// What it holds.
    pub(super) kind: Kind,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Visible ASCII without spaces, of at most so many characters.
    Id(usize),
    /// Any script, no control characters, of at most so many characters.
    Text(usize),
    /// Yuan with at most two decimals.
    Money,
    /// A decimal with at most so many decimals, by its reader.
    Decimal(usize, fn(&str) -> Option<i64>),
    /// A day, alone or with its time.
    Day,
    /// A word of a closed set.
    Word(fn(&str) -> bool),
    /// A file: its bytes in base64, or as a list of numbers.
    File,
}

const fn one(name: &'static str, fields: &'static [Field]) -> Part {
    Part { name, most: 1, needed: true, fields }
}

const fn many(name: &'static str, fields: &'static [Field]) -> Part {
    Part { name, most: limits::NATIONAL_FEE_ROWS_MAX, needed: true, fields }
}

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field { name, needed: true, kind }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, needed: false, kind }
}

const PAGE: Kind = Kind::Id(TrueUpPage::LENGTH_MAX);
const PERSON: Kind = Kind::Id(PersonNumber::LENGTH_MAX);
const STAY: Kind = Kind::Id(StayId::LENGTH_MAX);
const LINE: Kind = Kind::Id(LineId::LENGTH_MAX);
const REQUEST: Kind = Kind::Id(RequestId::LENGTH_MAX);
const SETTLEMENT: Kind = Kind::Id(SettlementId::LENGTH_MAX);
const OPERATOR: Kind = Kind::Id(OperatorId::LENGTH_MAX);
const SCHEME: Kind = Kind::Word(|code| care::scheme(code).is_some());
const FLAG: Kind = Kind::Word(|code| ["0", "1"].contains(&code));
const PLACE: Kind = Kind::Decimal(0, |text| text.parse::<u32>().ok().map(i64::from));

const DIAGNOSES: Part = Part {
    name: "diseinfo",
    most: limits::DIAGNOSES_MAX,
    needed: false,
    fields: &[
        needed("diag_code", Kind::Id(limits::DIAGNOSIS_CODE_LENGTH_MAX)),
        optional("maindiag_flag", Kind::Text(3)),
        optional("diag_srt_no", PLACE),
    ],
};

const BILL: &[Part] = &[one(
    "data",
    &[
        needed("psn_no", PERSON),
        needed("mdtrt_id", STAY),
        needed("medfee_sumamt", Kind::Money),
        optional("insutype", SCHEME),
        optional("dscgTime", Kind::Day),
        optional("mid_setl_flag", FLAG),
        optional("acct_used_flag", FLAG),
        optional("exp_content", Kind::Text(care::EXTRAS_LENGTH_MAX)),
    ],
)];

const COUNT: Kind = Kind::Decimal(0, statements::counted);
const SCOPE_TEXT: Kind = Kind::Text(limits::SCOPE_TEXT_LENGTH_MAX);
const REFUNDED: Kind = Kind::Word(|flag| statements::refunded(flag).is_some());
const FILE_NAME: Kind = Kind::Text(limits::FILE_NAME_LENGTH_MAX);
const STATEMENT_EXTRAS: Kind = Kind::Text(limits::NATIONAL_STEPS_LENGTH_MAX);

/// All transactions.
pub(super) const SHAPES: &[Shape] = &[
    Shape {
        transaction: "9001",
        parts: &[one(
            "signIn",
            &[
                needed("opter_no", OPERATOR),
                optional("mac", Kind::Text(20)),
                optional("ip", Kind::Text(40)),
            ],
        )],
    },
    Shape {
        transaction: "9002",
        parts: &[one(
            "signOut",
            &[needed("opter_no", OPERATOR), needed("sign_no", Kind::Id(SignNumber::LENGTH_MAX))],
        )],
    },
    Shape {
        transaction: "1101",
        parts: &[one(
            "data",
            &[
                optional("psn_no", PERSON),
                optional("mdtrt_cert_type", Kind::Word(|code| ["01", "02", "03"].contains(&code))),
                optional("mdtrt_cert_no", Kind::Text(limits::CREDENTIAL_LENGTH_MAX)),
                optional("begntime", Kind::Day),
            ],
        )],
    },
    Shape {
        transaction: "2401",
        parts: &[
            one(
                "mdtrtinfo",
                &[
                    needed("psn_no", PERSON),
                    optional("insutype", SCHEME),
                    needed("begntime", Kind::Day),
                    needed("med_type", Kind::Word(|code| care::care(code).is_some())),
                ],
            ),
            DIAGNOSES,
        ],
    },
    Shape {
        transaction: "2402",
        parts: &[
            one(
                "dscginfo",
                &[needed("mdtrt_id", STAY), needed("psn_no", PERSON), needed("endtime", Kind::Day)],
            ),
            DIAGNOSES,
        ],
    },
    Shape {
        transaction: "2301",
        parts: &[many(
            "feedetail",
            &[
                needed("mdtrt_id", STAY),
                needed("psn_no", PERSON),
                needed("feedetl_sn", LINE),
                needed("cnt", Kind::Decimal(4, parse_quantity_e4)),
                needed("pric", Kind::Decimal(6, parse_price_e6)),
                needed("det_item_fee_sumamt", Kind::Money),
                needed("fee_ocur_time", Kind::Day),
                needed("med_list_codg", Kind::Id(ItemCode::LENGTH_MAX)),
                optional("init_feedetl_sn", LINE),
            ],
        )],
    },
    Shape {
        transaction: "2302",
        parts: &[many(
            "data",
            &[needed("mdtrt_id", STAY), needed("psn_no", PERSON), needed("feedetl_sn", LINE)],
        )],
    },
    Shape { transaction: "2303", parts: BILL },
    Shape { transaction: "2304", parts: BILL },
    Shape {
        transaction: "2305",
        parts: &[one(
            "data",
            &[needed("psn_no", PERSON), needed("mdtrt_id", STAY), needed("setl_id", SETTLEMENT)],
        )],
    },
    Shape {
        transaction: "2601",
        parts: &[one(
            "data",
            &[
                needed("psn_no", PERSON),
                needed("omsgid", REQUEST),
                needed("oinfno", Kind::Word(|code| ["2304", "2305", "2401"].contains(&code))),
            ],
        )],
    },
    Shape {
        transaction: "3201",
        parts: &[one(
            "data",
            &[
                needed("stmt_begndate", Kind::Day),
                needed("stmt_enddate", Kind::Day),
                optional("insutype", SCHEME),
                optional("clr_type", SCOPE_TEXT),
                optional("setl_optins", SCOPE_TEXT),
                optional("refd_setl_flag", REFUNDED),
                needed("fixmedins_setl_cnt", COUNT),
                needed("medfee_sumamt", Kind::Money),
                needed("fund_pay_sumamt", Kind::Money),
                optional("acct_pay", Kind::Money),
                optional("exp_content", STATEMENT_EXTRAS),
            ],
        )],
    },
    Shape {
        transaction: "3202",
        parts: &[one(
            "data",
            &[
                needed("stmt_begndate", Kind::Day),
                needed("stmt_enddate", Kind::Day),
                optional("insutype", SCHEME),
                optional("clr_type", SCOPE_TEXT),
                optional("refd_setl_flag", REFUNDED),
                needed("file_qury_no", Kind::Word(|text| statements::sent(text).is_some())),
                needed("fixmedins_setl_cnt", COUNT),
                needed("medfee_sumamt", Kind::Money),
                needed("fund_pay_sumamt", Kind::Money),
            ],
        )],
    },
    Shape {
        transaction: "9101",
        parts: &[one("fsUploadIn", &[needed("in", Kind::File), optional("filename", FILE_NAME)])],
    },
    Shape {
        transaction: "9102",
        parts: &[one(
            "fsDownloadIn",
            &[
                needed("file_qury_no", Kind::Word(|text| statements::kept(text).is_some())),
                optional("filename", FILE_NAME),
                optional("exp_content", STATEMENT_EXTRAS),
            ],
        )],
    },
    Shape {
        transaction: "5203",
        parts: &[one(
            "data",
            &[
                optional("psn_no", PERSON),
                optional("setl_id", SETTLEMENT),
                optional("medins_setl_id", REQUEST),
                optional("msgid", REQUEST),
            ],
        )],
    },
    Shape {
        transaction: "5204",
        parts: &[one("data", &[needed("psn_no", PERSON), needed("mdtrt_id", STAY)])],
    },
    Shape {
        transaction: "5206",
        parts: &[one(
            "data",
            &[
                needed("psn_no", PERSON),
                optional("cum_ym", Kind::Word(|text| query::month(text).is_some())),
            ],
        )],
    },
    Shape {
        transaction: "OS01",
        parts: &[one("data", &[optional("begndate", Kind::Day), optional("page_token", PAGE)])],
    },
];

/// Looks at every field of an input, and names the first that does not fit.
pub(super) fn check(transaction: &str, input: &Object) -> Result<(), Fault> {
    let Some(shape) = SHAPES.iter().find(|shape| shape.transaction == transaction) else {
        return Ok(());
    };
    for Part { name, most, needed, fields } in shape.parts {
        let nodes = parts(input, name, *most)?;
        if nodes.is_empty() && *needed {
            let (field, reason) = ((*name).to_owned(), InvalidReason::Missing);
            return Err(Invalid { field, reason }.into());
        }
        for node in &nodes {
            for field in *fields {
                check_field(node, field)?;
            }
        }
    }
    Ok(())
}

fn check_field(node: &Node<'_>, field: &Field) -> Result<(), Invalid> {
    let Field { name, needed, kind } = *field;
    let is_there = match kind {
        Kind::Id(longest) => {
            let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
            node.id(name, longest, |text| visible(text).then_some(()))?.is_some()
        }
        Kind::Text(longest) => !node.text(name, longest)?.is_empty(),
        Kind::Money => node.money(name)?.is_some(),
        Kind::Decimal(decimals, read) => node.decimal(name, decimals, read)?.is_some(),
        Kind::Day => node.day(name)?.is_some(),
        Kind::File => return node.bytes(name).map(|_| ()),
        Kind::Word(is_known) => node.word(name, |text| is_known(text).then_some(()))?.is_some(),
    };
    if needed && !is_there { Err(node.invalid(name, InvalidReason::Missing)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
