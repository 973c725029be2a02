//! What is said of statement files, of statements and of what differs.

/// Code, Chinese, English.
pub(super) const TABLE: &[(&str, &str, &str)] = &[
    (
        "FILE_UNREADABLE",
        "对账文件无法读取，请重新上传。",
        "The statement file can not be read; send it again.",
    ),
    (
        "FILE_DAMAGED",
        "对账文件不完整或已损坏，未导入任何数据，请重新生成后上传。",
        "The file is truncated or damaged and nothing of it was taken; make it anew and send it again.",
    ),
    (
        "FILE_NOT_ALONE",
        "压缩包应只含一个对账文件，请重新打包。",
        "The archive must hold exactly one file; pack it again.",
    ),
    (
        "FILE_PACKING",
        "压缩包的压缩方式不支持或已加密，请用普通 ZIP 打包。",
        "The archive is packed in an unknown way or under a password; use plain ZIP.",
    ),
    (
        "FILE_ENCODING",
        "对账文件不是 UTF-8 编码，请转换编码后上传。",
        "The file is not UTF-8 text; convert it and send it again.",
    ),
    (
        "FILE_COLUMN_MISSING",
        "对账文件缺少必需的列，请按接口规范补齐。",
        "A column of the statement is missing; the field says which.",
    ),
    (
        "FILE_EMPTY",
        "对账文件没有数据行，请核对后上传。",
        "The statement file has no rows; check it and send it again.",
    ),
    (
        "FILE_TOO_LARGE",
        "对账文件解压后过大，请按机构或日期拆分。",
        "The file unpacks to more than is taken; split it by hospital or day.",
    ),
    (
        super::FILE_TOO_LARGE_FOR_MESSAGE,
        "对账文件过大：上传报文（9101）最大 4 MiB，文件须不到 3 MiB。请压缩为 ZIP 或按日分次对账；仍过大的，改用 gRPC 的 Reconcile 或命令行 onestop reconcile run。",
        "A statement file that comes as a message (9101) must have less than 3 MiB, and the message at most 4 MiB: pack it as ZIP or reconcile day by day, or else send it by gRPC (Reconcile) or by `onestop reconcile run`.",
    ),
    (
        "FILE_TOO_MANY_ROWS",
        "对账文件行数过多，请按机构或日期拆分。",
        "The file has more rows than are taken; split it by hospital or day.",
    ),
    (
        "FILE_CHANGED",
        "读取期间文件发生变化，请重新提交。",
        "The file changed while it was read; send it again.",
    ),
    (
        "RESULT_UNWRITABLE",
        "对账结果文件无法写出，请检查磁盘空间。",
        "The result file can not be written; check that there is room.",
    ),
    (
        "SCOPE_TOO_WIDE",
        "请指明医疗机构或参保地，对账范围不能为全部。",
        "Name a hospital or an insured region: a statement is never of everything.",
    ),
    (
        "DAY_NOT_OVER",
        "结算日尚未结束，请于次日再行对账。",
        "The accounting day is not over; reconcile it from the next day on.",
    ),
    (
        "STATEMENT_DAY_CLOSED",
        "该结算日已关账，不再接收对账文件，差错请在以后日期更正。",
        "The day is closed for this scope; what is wrong is corrected by entries in a later day.",
    ),
    (
        "STATEMENT_UNKNOWN",
        "没有此对账单，请核对编号后重试。",
        "There is no such statement; check its number.",
    ),
    (
        "STATEMENT_NOT_MATCHED",
        "对账尚未完成，请稍候再查或重新提交文件。",
        "The statement is not matched yet; wait, or send the file again to go on with it.",
    ),
    (
        "STATEMENT_FILE_UNKNOWN",
        "没有此编号的上传文件，请先上传（9101）。",
        "No file of this number was sent by this hospital; send it first.",
    ),
    (
        "DIFFERENCE_NOT_OPEN",
        "该差异不存在或已处理完毕，不能再改。",
        "There is no such difference that is still open; look at it first.",
    ),
    (
        "FOUR_EYES",
        "涉及资金的差异须由另一人先提出，金额也须一致。",
        "Where money is in a difference another person must have proposed exactly this amount; have somebody else agree.",
    ),
    (
        "DIFFERENCES_OPEN",
        "仍有差异未处理，不能关账；请逐条处理或结转。",
        "Differences are still open, so it can not be closed; settle or carry each of them.",
    ),
    (
        "STATEMENT_FLAWED",
        "对账单有坏行，或总额与明细不符；请重新提交文件，或说明仍要关账的原因。",
        "Rows are bad, or the totals are not those of the rows; send a better file, or say why it is closed all the same.",
    ),
    (
        "REASON_UNFIT",
        "请填写原因，长度为 1 至 200 个字符。",
        "Give a reason of 1 to 200 characters that can be printed.",
    ),
    (
        "PAYER_UNKNOWN",
        "没有此支付方，请核对名称后重试。",
        "No rule package and no settlement of these days has such a payer; check its name.",
    ),
    (
        "CLEARING_TYPE_UNKNOWN",
        "没有此清算类别的结算，请核对后重试。",
        "No settlement of these days is of such a clearing type; check its code.",
    ),
];
