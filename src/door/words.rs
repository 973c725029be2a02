//! What a clerk at a counter reads: for every stable code what is wrong and what to do, in Chinese and in English. One table.

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// Chinese.
    pub(crate) zh: &'static str,
    /// English.
    pub(crate) en: &'static str,
}

/// Codes of what the gateway says of itself; refusals and declines bring their own.
pub(in crate::door) const BUSY: &str = "BUSY";
pub(in crate::door) const DEPENDENCY_AWAY: &str = "DEPENDENCY_AWAY";
pub(in crate::door) const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
pub(in crate::door) const RULES_MOVED: &str = "RULES_MOVED";
pub(in crate::door) const INTERNAL: &str = "INTERNAL";
pub(in crate::door) const CALLER_UNKNOWN: &str = "CALLER_UNKNOWN";
pub(in crate::door) const CERTIFICATE_REVOKED: &str = "CERTIFICATE_REVOKED";
pub(in crate::door) const BUDGET_EXCEEDED: &str = "BUDGET_EXCEEDED";
pub(in crate::door) const CALLER_NOT_LISTED: &str = "CALLER_NOT_LISTED";
pub(in crate::door) const TOKEN_OUT_OF_TIME: &str = "TOKEN_OUT_OF_TIME";
pub(in crate::door) const TOKEN_INVALID: &str = "TOKEN_INVALID";
pub(in crate::door) const DEADLINE_PASSED: &str = "DEADLINE_PASSED";
pub(in crate::door) const STREAM_BROKEN: &str = "STREAM_BROKEN";
pub(in crate::door) const BEGIN_MISSING: &str = "BEGIN_MISSING";
pub(in crate::door) const BEGIN_TWICE: &str = "BEGIN_TWICE";
pub(in crate::door) const ROW_OF_ANOTHER_KIND: &str = "ROW_OF_ANOTHER_KIND";
pub(in crate::door) const ROW_TOO_LARGE: &str = "ROW_TOO_LARGE";
pub(in crate::door) const LIST_REFUSED: &str = "LIST_REFUSED";
pub(in crate::door) const LIST_EMPTY: &str = "LIST_EMPTY";
pub(in crate::door) const LIST_DATED_AHEAD: &str = "LIST_DATED_AHEAD";
pub(in crate::door) const LIST_OLDER: &str = "LIST_OLDER";
pub(in crate::door) const IMPORT_ELSEWHERE: &str = "IMPORT_ELSEWHERE";
pub(in crate::door) const MESSAGE_MALFORMED: &str = "MESSAGE_MALFORMED";
pub(in crate::door) const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";

/// Codes of the national door alone.
pub(in crate::door) const NOT_JSON: &str = "NOT_JSON";
pub(in crate::door) const FILE_TOO_LARGE_FOR_MESSAGE: &str = "FILE_TOO_LARGE_FOR_MESSAGE";
pub(in crate::door) const METHOD_NOT_TAKEN: &str = "METHOD_NOT_TAKEN";
pub(in crate::door) const HEAD_TOO_LARGE: &str = "HEAD_TOO_LARGE";
pub(in crate::door) const MESSAGE_LATE: &str = "MESSAGE_LATE";
pub(in crate::door) const TRANSACTION_UNKNOWN: &str = "TRANSACTION_UNKNOWN";
pub(in crate::door) const NOT_SIGNED_IN: &str = "NOT_SIGNED_IN";
pub(in crate::door) const REFERRAL_UNSAID: &str = "REFERRAL_UNSAID";
pub(in crate::door) const QUOTE_MOVED: &str = "QUOTE_MOVED";
pub(in crate::door) const SIGNATURE_MISSING: &str = "SIGNATURE_MISSING";
pub(in crate::door) const SIGNATURE_WRONG: &str = "SIGNATURE_WRONG";
pub(in crate::door) const SIGNATURE_OF_ANOTHER: &str = "SIGNATURE_OF_ANOTHER";
pub(in crate::door) const MESSAGE_REPLAYED: &str = "MESSAGE_REPLAYED";
pub(in crate::door) const CLOCK_DIFFERS: &str = "CLOCK_DIFFERS";
pub(in crate::door) const BODY_NOT_DECRYPTED: &str = "BODY_NOT_DECRYPTED";

/// The words of a code.
pub(crate) fn of(code: &str) -> Words {
    let found = rows().find(|(known, ..)| *known == code);
    // A test walks every code; this only keeps the clerk from an empty line.
    found.map_or(
        Words {
            zh: "无法办理，请联系技术支持。", en: "This cannot be done; call support."
        },
        |(_, zh, en)| Words { zh, en },
    )
}

/// Said beside an answer: a fund has not enough left.
pub(in crate::door) const FUND_SHORT: &str = "FUND_SHORT";

/// Its words. The bill is settled, so that the desk need do nothing.
pub(in crate::door) const fn fund_short() -> Words {
    Words {
        zh: "本年度预算余额不足，本次已照常办理，请医保经办机构留意。",
        en: "not enough is left of this year's budget; the bill goes through all the same, and the agency should know.",
    }
}

/// Every code, in the table's order.
pub(in crate::door) fn all() -> impl Iterator<Item = &'static str> {
    rows().map(|(code, ..)| *code)
}

fn rows() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    TABLE.iter().chain(statements::TABLE).chain(books::TABLE).chain(audit::TABLE)
}

/// Code, Chinese, English.
const TABLE: &[(&str, &str, &str)] = &[
    // === Declines: the bill was read and cannot be settled ===
    (
        "HOSPITAL_UNKNOWN",
        "该医院未登记为定点医疗机构（结算时以出院日期为准），请核对医院编码，或联系医保经办机构登记。",
        "The hospital is not registered (for a bill: on its discharge date); check its code, or have the agency register it.",
    ),
    (
        "PERSON_UNKNOWN",
        "未找到该人员，请核对证件类型和号码；若无误，请联系参保地经办机构登记。",
        "Nobody with this credential is registered; check its kind and number, or ask the insured region's agency.",
    ),
    (
        "NOT_COVERED",
        "该人员在出院日期没有有效的参保关系，请核对险种和日期，或请患者联系参保地经办机构。",
        "The person is not insured on that date; check scheme and dates, or send the patient to the insured region's agency.",
    ),
    (
        "SCHEME_AMBIGUOUS",
        "该人员同时参加多个险种，请在单据中注明按哪个险种结算。",
        "The person is insured by more than one scheme; name the one to settle by.",
    ),
    (
        "NO_PACKAGE_IN_FORCE",
        "该参保地和险种在出院日期没有生效的待遇政策，暂不能即时结算，请按手工报销办理。",
        "No rules of this region and scheme are in force on the discharge date; claim by hand for now.",
    ),
    (
        "WAITING",
        "该人员仍在待遇等待期内，不能享受本次待遇；请核对入院日期。",
        "The person's waiting time is not over on admission; check the admission date.",
    ),
    (
        "STAY_OVERLAPS",
        "该人员在这段时间已有另一次住院结算，请核对入院和出院日期，或先冲正有误的一次。",
        "The dates overlap another settled stay of this person; check them, or reverse the wrong one first.",
    ),
    (
        "STAY_LATE",
        "之后出院的住院已先行结算，按当地政策本次不能补结，请联系经办机构。",
        "A later stay is settled already, and the rules here take no earlier one after it; ask the agency.",
    ),
    (
        "ITEM_UNKNOWN",
        "该收费项目在费用日期不在医保目录库中，请核对国家编码和日期。",
        "This item is not in the catalogue on its day; check its national code and the day of the charge.",
    ),
    (
        "CLASS_DISAGREES",
        "医院上传的目录等级与医保目录不一致，请更新医院目录后重试。",
        "The hospital's class of this item disagrees with the catalogue; update the hospital's list and try again.",
    ),
    (
        "AMOUNT_UNDECLARED",
        "该项目归入的费用类别未在本地政策中定义，请联系医保经办机构。",
        "The catalogue counts this item under an amount that the rules do not declare; call the agency.",
    ),
    (
        "FACT_MISSING",
        "缺少当地政策要求的信息，请补充该项后重试。",
        "The rules here ask for a fact that is missing; add it and try again.",
    ),
    (
        "FACT_UNREADABLE",
        "该项信息的取值不符合当地政策的要求，请更正后重试。",
        "The rules here cannot read this fact's value; correct it and try again.",
    ),
    (
        "FACT_UNKNOWN",
        "当地政策没有该项信息，请核对名称或删除该项。",
        "The rules here know no fact of this name; check the name, or leave it out.",
    ),
    (
        "TRANSFER_UNKNOWN",
        "未找到转出的那次住院的结算，请核对就诊编号，或先结算前一次住院。",
        "The stay that the patient was transferred from is not settled here; check its id, or settle it first.",
    ),
    (
        "NO_ROW_MATCHES",
        "当地政策没有适用于本次情况的条款，不能结算，请联系经办机构。",
        "No clause of the rules fits this case, so it cannot be settled; call the agency.",
    ),
    (
        "NOBODY_TELLS",
        "当地政策规定该段待遇由医保核心系统计算，而本系统尚未接入，不能即时结算，请按原有方式结算。",
        "The rules here leave this layer to the insurance core, and none is connected; settle it the old way.",
    ),
    (
        "TOLD_ABOVE_LEFT",
        "核心系统返回的支付金额超过剩余费用，未予结算，请联系技术支持。",
        "The insurance core told more than what is left to pay; nothing was settled, call support.",
    ),
    (
        "OVERFLOW",
        "金额过大，系统无法计算，请核对单据金额。",
        "An amount is too large to compute; check the bill's amounts.",
    ),
    // === Refusals: the bill contradicts itself ===
    (
        "ADMISSION_AFTER_DISCHARGE",
        "入院日期晚于出院日期，请更正。",
        "The stay ends before it begins; correct its dates.",
    ),
    (
        "DISCHARGE_IN_FUTURE",
        "出院日期晚于今天，请更正。",
        "The discharge date lies in the future; correct it.",
    ),
    ("NO_LINES", "单据没有费用明细，请补传明细。", "The bill has no charge lines; send them."),
    (
        "TOO_MANY_LINES",
        "费用明细超过一万条，每张单据最多受理一万条；可将同一项目、同一天的明细合并后重传。",
        "At most 10 000 lines are taken; the hospital may add up lines of one item and day, then send the bill again.",
    ),
    (
        "DUPLICATE_LINE",
        "费用明细流水号重复，请更正后重传。",
        "Two lines have the same id; correct it and send the bill again.",
    ),
    (
        "STAY_PART_NOT_TAKEN",
        "暂不受理住院中途的分段结算，请在出院时整次结算（分段号填 0）。",
        "Parts of a stay are not settled yet; settle the whole stay at discharge, with part 0.",
    ),
    (
        "NOTHING_CHARGED",
        "扣除退费后费用合计为零，无需结算。",
        "Nothing is left to pay once refunds are taken off; there is nothing to settle.",
    ),
    (
        "CHARGED_OUTSIDE_STAY",
        "费用发生日期不在住院期间，请更正。",
        "A line was charged outside the stay; correct its day.",
    ),
    (
        "LINE_AMOUNT",
        "该明细的金额不等于数量乘以单价，请更正。",
        "This line's amount is not quantity times price; correct it.",
    ),
    (
        "REFUNDS_NOTHING",
        "该退费明细没有对应的原明细，或项目、单价与原明细不同，或退费超过原明细，请更正。",
        "This negative line names no line that it refunds, or has another item or unit price, or refunds more; correct it.",
    ),
    (
        "TOTAL_IS_NOT_THE_SUM",
        "总费用不等于明细合计，请核对是否有明细漏传。",
        "The total is not the sum of the lines; see whether a line is missing.",
    ),
    (
        "AMOUNT_OUT_OF_RANGE",
        "金额超出允许范围，请更正。",
        "An amount is larger than any we take, or negative where it cannot be; correct it.",
    ),
    // === Refusals: ids, tokens, state ===
    (
        "FUND_RUN_DRY",
        "该基金本年度预算已用完，按当地规定暂不能即时结算，请按手工报销办理并联系经办机构。",
        "The fund has used up this year's budget and its region settles no more at once; claim by hand and tell the agency.",
    ),
    (
        "REQUEST_ID_REUSED",
        "该报文编号已用于另一笔业务，请使用新的编号。",
        "This request id was used for something else; use a new one.",
    ),
    (
        "REQUEST_REVERSED",
        "该报文编号已被冲正，不能再结算，请使用新的编号。",
        "This request was reversed before, and will never settle; use a new request id.",
    ),
    (
        "ALREADY_BARRED",
        "该报文编号从未结算，且已被先前的冲正永久作废，无需再次冲正。",
        "Nothing was ever settled under that request id, and an earlier reversal barred it; nothing is left to do.",
    ),
    (
        "STAY_SETTLED",
        "该次就诊已经结算，请勿重复结算；如需更正，请先撤销原结算。",
        "This stay is settled already; to correct it, reverse that settlement first.",
    ),
    (
        "QUOTE_TOKEN_FORGED",
        "预结算凭据无效，请重新预结算。",
        "The quote token is not ours or was changed; ask for a new quote.",
    ),
    (
        "QUOTE_TOKEN_STALE",
        "预结算已过有效期，请重新预结算。",
        "The quote has expired; ask for a new one.",
    ),
    (
        "QUOTE_TOKEN_OF_ANOTHER_BILL",
        "预结算凭据属于另一张单据，请用本单据重新预结算。",
        "The quote token is of another bill; ask for a quote of this one.",
    ),
    (
        "SETTLEMENT_UNKNOWN",
        "没有这笔结算。若原请求可能仍在途中，请稍后再查，或用原报文编号冲正。",
        "There is no such settlement. If the request may be on its way, ask again later, or reverse its request id.",
    ),
    (
        "NOT_ALLOWED",
        "您的角色无权进行此操作，或所填的数据不属于您；括号内为所填的内容、角色和操作。",
        "Your role may not do this, or what you named is not yours; see which value, role and act.",
    ),
    (
        "REVERSES_A_REVERSAL",
        "该编号本身是一笔撤销，不能再撤销；如需恢复，请重新结算。",
        "That is itself a reversal and cannot be reversed; settle the stay again instead.",
    ),
    (
        "ALREADY_REVERSED",
        "该结算已经撤销，无需再次撤销。",
        "The settlement is reversed already; nothing is left to do.",
    ),
    (
        "TRUED_UP",
        "该结算已由核对更正：原结算撤销，并以新编号重新结算；需撤销请用新编号（见信息），或用原请求号。",
        "A true-up took it back and settled it anew; to reverse it name the new settlement, which is told, or your own request id.",
    ),
    (
        "NOT_NEWEST",
        "该人员之后还有一笔结算，请先撤销较新的一笔。",
        "The person has a newer settlement; reverse that one first.",
    ),
    (
        "STAY_UNKNOWN",
        "没有该就诊编号的入院登记，请核对就诊编号，或先办理入院登记（2401）。",
        "Nobody was admitted to this stay here; check its id, or admit the patient first.",
    ),
    (
        "STAY_CANCELLED",
        "该次入院登记已被冲正，不能再办理业务，请重新办理入院登记。",
        "The admission to this stay was reversed; admit the patient again.",
    ),
    (
        "PERSON_DIFFERS",
        "人员编号与该次入院登记的人员不一致，请核对。",
        "The stay was admitted for another person; check the person's number.",
    ),
    (
        "LINE_ID_REUSED",
        "该费用明细流水号已上传且内容不同，请先撤销（2302）或更换流水号。",
        "A line of this id is there with other contents; cancel it first, or use a new id.",
    ),
    (
        "SIGN_IN_UNKNOWN",
        "没有该操作员的这个签到编号，请核对后重试。",
        "This operator never signed in by that number; check both.",
    ),
    (
        NOT_SIGNED_IN,
        "操作员当日未签到或已签退，请先签到（9001）。",
        "The operator is not signed in for today; sign in first.",
    ),
    (
        SIGNATURE_MISSING,
        "本机构的报文须签名：缺少 cainfo，请按约定的算法签名后再发。",
        "This hospital's messages must be signed; sign it as agreed, in cainfo.",
    ),
    (
        SIGNATURE_WRONG,
        "报文签名不符：报文在签名后有改动，或密钥、签名内容不对；请核对待签名内容的拼接方式和密钥。",
        "The signature does not hold: the message changed after it was signed, or key or signed text are others; check both.",
    ),
    (
        SIGNATURE_OF_ANOTHER,
        "报文是用另一家医疗机构的密钥签名的，请改用本机构的密钥。",
        "The message is signed by another hospital's key; sign by the key of this one.",
    ),
    (
        MESSAGE_REPLAYED,
        "近期已用同一报文编号办理过内容不同的已签名报文，本报文不予受理；请使用新的报文编号。",
        "A signed message of other content was done under this msgid lately; send this one under an id of its own.",
    ),
    (
        CLOCK_DIFFERS,
        "报文时间与网关时间相差过大，不予受理；请校准本机时间，重发时更新 inf_time 并重新签名，报文编号不变。",
        "The message's time is too far from ours; set the clock, then send it again under the same msgid with a new inf_time.",
    ),
    (
        BODY_NOT_DECRYPTED,
        "加密的 input 无法解密，或解密后不是 JSON 对象；请核对密钥和加密方式（SM4、CBC）。",
        "The encrypted input can not be decrypted, or is no JSON object then; check the key and how it was encrypted.",
    ),
    (
        REFERRAL_UNSAID,
        "就医地与参保地不同，须说明转诊备案情况（exp_content 中的 referral，或医疗类别 23、24）。",
        "Treated away from the insured region: say how the patient was referred, in exp_content or by the kind of care.",
    ),
    (
        QUOTE_MOVED,
        "预结算后情况有变，金额与预结算不同，未予结算，请重新预结算（2303）。",
        "Something moved since the quote and the amounts differ; nothing was settled, ask for a new quote.",
    ),
    // === Messages that can not be read ===
    (
        NOT_JSON,
        "报文不是有效的 JSON 对象，请检查报文格式。",
        "The message is no JSON object, or has a name twice; check how it is put together.",
    ),
    (
        METHOD_NOT_TAKEN,
        "只受理以 POST 方式发送的报文，请更正调用方式。",
        "Only messages sent by POST are taken; correct how it is called.",
    ),
    (
        MESSAGE_TOO_LARGE,
        "报文超过允许的大小，未予办理，原样重发无用；请减少内容，或将费用明细分批上传。",
        "The message is larger than is taken and nothing was done; send less in one, such as charge lines in batches.",
    ),
    (
        MESSAGE_MALFORMED,
        "报文无法按接口定义（proto）解码，未予办理，原样重发无用；请检查客户端所用的接口文件。",
        "The message can not be decoded by the contract and nothing was done; check the client against the proto files.",
    ),
    (
        HEAD_TOO_LARGE,
        "HTTP 请求头或地址过长，未予办理，请更正调用方式。",
        "The HTTP head or address is too long and nothing was done; correct how it is called.",
    ),
    (
        MESSAGE_LATE,
        "报文未能在规定时间内传完，未予办理，请检查网络后重试。",
        "The message did not arrive in time and nothing was done; check the network and send it again.",
    ),
    (
        TRANSACTION_UNKNOWN,
        "不受理该交易编号，请核对 infno。",
        "This transaction is not taken here; check its number.",
    ),
    (
        "FIELD_WRONG_TYPE",
        "该项类型不对（例如应为文本或数字），请更正。",
        "This field is of another type than wanted, such as a list for a text; correct it.",
    ),
    ("FIELD_MISSING", "必填项为空，请补充。", "This field is missing; fill it in."),
    ("FIELD_TOO_LONG", "该项超过允许长度，请更正。", "This field is too long; shorten it."),
    (
        "FIELD_NOT_PLAIN",
        "该项含有不允许的字符，请更正（编号只能使用半角字母、数字和符号，不含空格）。",
        "This field has characters that do not belong there; ids take visible ASCII without spaces.",
    ),
    (
        "NOT_A_REGION",
        "地区编码应为六位数字（行政区划代码），请更正。",
        "A region is six digits, such as 520200; correct it.",
    ),
    (
        "VALUE_UNKNOWN",
        "该项取值不在允许范围，请按接口文档更正。",
        "This value is not one of those known; see the interface's document.",
    ),
    (
        "NOT_A_DATE",
        "日期无效，应写作 2024-06-30 的形式，请更正。",
        "This is not a date; write it like 2024-06-30.",
    ),
    (
        "NOT_A_DECIMAL",
        "该项不是有效的数字，应写作 12.50 的形式，请更正。",
        "This is not a plain decimal; write it like 12.50.",
    ),
    (
        "TOO_MANY_DECIMALS",
        "小数位数过多：数量最多四位，单价最多六位，请更正。",
        "Too many decimals: a quantity takes four, a price six; correct it.",
    ),
    (
        "OUT_OF_RANGE",
        "数值超出允许范围，请更正。",
        "This number is too large or too small; correct it.",
    ),
    (
        "IDENTITY_NUMBER_LENGTH",
        "身份证号码位数不对，应为 18 位，请重新核对证件。",
        "An identity number has 18 characters, and this has more or fewer; read the card again.",
    ),
    (
        "IDENTITY_NUMBER_CHECK_DIGIT",
        "身份证号码校验位不符，请重新核对证件。",
        "The identity number's check digit is wrong; read the card again.",
    ),
    (
        "TOO_MANY",
        "该项条数超过上限，请减少。",
        "There are more of these than are taken; send fewer.",
    ),
    ("DUPLICATE", "该项重复，请删除重复的一项。", "This is given twice; leave one out."),
    // === Imports ===
    (
        BEGIN_MISSING,
        "导入流的第一条消息必须是开始信息，请重新导入。",
        "An import's first message must be `begin`; start again.",
    ),
    (
        BEGIN_TWICE,
        "导入流只能有一条开始信息，请每个名单单独导入。",
        "An import has one `begin` only; send each list in a stream of its own.",
    ),
    (
        ROW_TOO_LARGE,
        "名单中有一行过大，未予导入，请更正该行后重新导入。",
        "A row of the list is too large to be taken; correct it and import the list again.",
    ),
    (
        ROW_OF_ANOTHER_KIND,
        "该行为空，或其类型与名单类型不一致，请更正后重新导入。",
        "This row is empty or of another kind than the list; correct it and send the list again.",
    ),
    (
        LIST_REFUSED,
        "名单信息缺失、有误，或与同一导入编号此前的信息不一致，请更正该项。",
        "This says something wrong about the list, or other than before under the same import id; correct it.",
    ),
    (
        LIST_EMPTY,
        "全量名单没有任何有效记录，未终止任何记录；请核对文件后重新导入。",
        "No row of this full list was taken, so nothing was ended; check the file and send it again.",
    ),
    (
        LIST_DATED_AHEAD,
        "全量名单日期晚于今天，请更正名单日期。",
        "The date of this full list is after today; correct it.",
    ),
    (
        LIST_OLDER,
        "同类型、同地区已有日期更新的全量名单完成导入，未终止任何记录；请使用最新名单。",
        "A newer full list of this kind and region was taken already, so nothing was ended; send the newest list.",
    ),
    (
        IMPORT_ELSEWHERE,
        "同一名单正由另一连接导入，请稍候再试。",
        "Another stream is sending the same list; wait and send it again.",
    ),
    (
        STREAM_BROKEN,
        "导入连接中断，请用同一导入编号重新发送，已入库的行不会重复。",
        "The stream broke; send the list again under the same import id, rows already taken change nothing.",
    ),
    // === The gateway itself ===
    (
        CALLER_UNKNOWN,
        "无法确认调用方身份，请联系技术支持。",
        "It is not known who is calling; call support.",
    ),
    (
        CERTIFICATE_REVOKED,
        "调用方证书已吊销，请换用新证书。",
        "The caller's certificate was revoked; use a new one.",
    ),
    (
        BUDGET_EXCEEDED,
        "该调用方的请求过于频繁或并发过多，请稍后重试；如需更高额度，请联系网关管理员。",
        "This caller asks too often or for too much at once; try again in a moment, or ask for a larger budget.",
    ),
    (
        CALLER_NOT_LISTED,
        "证书或令牌中的名称未在调用方名录中登记，请联系网关管理员。",
        "The name in the certificate or token is not listed as a caller; ask whoever runs the gateway.",
    ),
    (
        TOKEN_OUT_OF_TIME,
        "令牌已过期或尚未生效，请重新登录。",
        "The token has expired or is not valid yet; sign in again.",
    ),
    (
        TOKEN_INVALID,
        "令牌无效，请重新登录；若仍如此，请联系网关管理员。",
        "The token is not valid; sign in again, or ask whoever runs the gateway.",
    ),
    (
        DEADLINE_PASSED,
        "请求到达时已超时，未予处理，请重试。",
        "The deadline had passed when the call arrived; nothing was done, try again.",
    ),
    (
        BUSY,
        "系统繁忙，本次未办理，请稍候用同一报文编号重试。",
        "We are busy and nothing was done; try again in a moment with the same request id.",
    ),
    (
        DEPENDENCY_AWAY,
        "数据库暂时不可用，本次未办理，请稍候用同一报文编号重试。",
        "The database is away and nothing was done; try again shortly with the same request id.",
    ),
    (
        OUTCOME_UNKNOWN,
        "结算结果暂时未知：请用同一报文编号查询结算，或原样重发，切勿更换编号。",
        "The outcome is not known: ask GetSettlement by the same request id, or send it again unchanged; do not use a new id.",
    ),
    (
        RULES_MOVED,
        "待遇政策刚刚更新，本次未办理，请稍候用同一报文编号重试。",
        "The rules have just changed and nothing was done; try again shortly with the same request id.",
    ),
    (
        INTERNAL,
        "系统内部错误，请用同一报文编号查询结果，并联系技术支持。",
        "Something went wrong inside; ask for the outcome by the same request id, and call support.",
    ),
];

pub(in crate::door) mod advice;
mod audit;
mod books;
pub(in crate::door) mod commands;
mod statements;

#[cfg(test)]
mod tests;
