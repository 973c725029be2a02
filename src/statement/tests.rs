use std::io::{Cursor, Write as _};

use super::archive::{Packed, bounded};
use super::*;
use crate::domain::money::Fen;

const HEAD: &str = "setl_id\tmdtrt_id\tpsn_no\tmedfee_sumamt\tfund_pay_sumamt\tacct_pay\trefd_setl_flag\texp_content\n";

fn statement(rows: usize) -> String {
    let row = |at: usize| format!("S{at}\tM{at}\tP{at}\t100.00\t60.5\tnull\t0\tnull\n");
    std::iter::once(HEAD.to_owned()).chain((1..=rows).map(row)).collect()
}

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive
            .start_file(
                *name,
                zip::write::SimpleFileOptions::default()
                    .compression_method(zip::CompressionMethod::Deflated),
            )
            .unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn surveyed(bytes: &[u8]) -> Result<Survey, String> {
    survey(&mut Cursor::new(bytes.to_vec()), |_| {}).map_err(|fault| fault.code().to_owned())
}

fn all(bytes: &[u8], skip: u64) -> (Vec<StatementRow>, Vec<BadRow>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    rows(&mut Cursor::new(bytes.to_vec()), skip, |batch| {
        good.extend(batch.rows);
        bad.extend(batch.bad);
        true
    })
    .unwrap();
    (good, bad)
}

#[test]
fn a_statement_is_read_plain_and_packed_between_tabs_and_commas() {
    let tabs = statement(3);
    let commas = tabs.replace('\t', ",");
    let headless: String = tabs.lines().skip(1).map(|line| format!("{line}\r\n")).collect();
    let marked = format!("\u{feff}{tabs}");
    let (expected, _) = all(tabs.as_bytes(), 0);
    assert_eq!(expected.len(), 3);
    let first = expected.first().unwrap();
    assert_eq!(first.settlement.as_str(), "S1");
    assert_eq!(first.amounts, Amounts::new(Fen::new(10_000), Fen::new(6_050), Fen::ZERO));
    assert_eq!((first.line, first.refund), (2, false));
    let same = |bytes: &[u8], lines: bool| {
        let (mut rows, bad) = all(bytes, 0);
        assert_eq!(bad, []);
        if !lines {
            rows.iter_mut().for_each(|row| row.line += 1);
        }
        assert_eq!(rows, expected);
        assert_eq!(surveyed(bytes).unwrap().sum.rows, 3);
    };
    same(commas.as_bytes(), true);
    same(marked.as_bytes(), true);
    same(headless.as_bytes(), false);
    same(&packed(&[("a.txt", tabs.as_bytes())]), true);
}

#[test]
fn columns_are_found_by_name_and_cells_may_stand_in_quotes() {
    let text = "refd_setl_flag,setl_id,acct_pay,fund_pay_sumamt,medfee_sumamt,psn_no,mdtrt_id,exp_content\n\
        001,S1,1.00,2.00,\"3.00\",,\"M\"\"1\",\"a, b\"\n";
    let (rows, bad) = all(text.as_bytes(), 0);
    assert_eq!(bad, []);
    let row = rows.first().unwrap();
    assert_eq!(row.stay.as_ref().unwrap().as_str(), "M\"1");
    assert_eq!((row.refund, row.person_number.is_none()), (true, true));
    assert_eq!(row.amounts, Amounts::new(Fen::new(300), Fen::new(200), Fen::new(100)));
}

#[test]
fn bad_rows_are_named_by_line_and_the_others_count() {
    let long = "x".repeat(crate::limits::STATEMENT_LINE_BYTES_MAX + 1);
    let mut bytes = HEAD.as_bytes().to_vec();
    let lines: [&[u8]; 9] = [
        b"S1\tM1\tP1\t100.00\t60.00\t0\t0\tnull",
        b"\tM1\tP1\t100.00\t60.00\t0\t0\tnull",
        b"S3\tM1\tP1\t1e3\t60.00\t0\t0\tnull",
        b"S4\tM1\tP1\t100.00\tnull\t0\t0\tnull",
        b"S5\tM1\tP1\t100.00\t60.00\t0\t2\tnull",
        b"S6\tM1\tP1\t100.00",
        b"S7\tM1\tP1\t100.00\t60.00\t0\t0\t\xc4\xe3",
        long.as_bytes(),
        b"S9\tM1\tP1\t100.00\t60.00\tnull\t000\tnull",
    ];
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    let (rows, bad) = all(&bytes, 0);
    let good: Vec<_> = rows.iter().map(|row| (row.line, row.settlement.as_str())).collect();
    assert_eq!(good, [(2, "S1"), (10, "S9")]);
    let told: Vec<_> = bad.iter().map(|bad| (bad.line, bad.fault)).collect();
    assert_eq!(
        told,
        [
            (3, RowFault::Column("setl_id")),
            (4, RowFault::Column("medfee_sumamt")),
            (5, RowFault::Column("fund_pay_sumamt")),
            (6, RowFault::Column("refd_setl_flag")),
            (7, RowFault::Cells),
            (8, RowFault::Encoding),
            (9, RowFault::TooLong),
        ]
    );
    // Whose settlement a bad row is of can be read wherever its id can.
    let of: Vec<_> =
        bad.iter().map(|bad| bad.settlement.as_ref().map(SettlementId::as_str)).collect();
    let known = [Some("S3"), Some("S4"), Some("S5"), Some("S6"), Some("S7"), None];
    assert_eq!(of, [&[None][..], &known].concat());
    let survey = surveyed(&bytes).unwrap();
    assert_eq!((survey.rows, survey.bad, survey.sum.rows), (9, 7, 2));
}

#[test]
fn one_bad_row_among_thousands_is_found_and_the_rest_can_be_taken_from_anywhere() {
    let text = statement(50_000).replace("S31000\t", "\t");
    let (rows_after, bad) = all(text.as_bytes(), 0);
    assert_eq!(rows_after.len(), 49_999);
    assert_eq!(
        bad,
        [BadRow { line: 31_001, fault: RowFault::Column("setl_id"), settlement: None }]
    );
    let (rest, bad) = all(text.as_bytes(), 40_000);
    assert_eq!((rest.len(), bad.len()), (10_000, 0));
    assert_eq!(rest.first().unwrap().line, 40_002);
}

#[test]
fn what_can_not_be_taken_is_refused_as_a_whole() {
    let refused = |bytes: &[u8], code: &str| assert_eq!(surveyed(bytes).unwrap_err(), code);
    let whole = packed(&[("a.txt", statement(2_000).as_bytes())]);
    refused(&whole[..whole.len() / 2], "FILE_DAMAGED");
    refused(&whole[..whole.len() - 1], "FILE_DAMAGED");
    let mut damaged = whole.clone();
    // In the midst of what is packed.
    for byte in &mut damaged[200..260] {
        *byte ^= 0x55;
    }
    refused(&damaged, "FILE_DAMAGED");
    refused(&packed(&[("a.txt", b"x"), ("b.txt", b"y")]), "FILE_NOT_ALONE");
    refused(&packed(&[]), "FILE_NOT_ALONE");
    refused(b"", "FILE_EMPTY");
    refused(HEAD.as_bytes(), "FILE_EMPTY");
    let wide: Vec<u8> = statement(2).encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&wide, "FILE_ENCODING");
    let mut headed = b"\xc4\xe3".to_vec();
    headed.extend_from_slice(statement(2).as_bytes());
    refused(&headed, "FILE_ENCODING");
    refused(statement(2).replace("acct_pay", "acct").as_bytes(), "FILE_COLUMN_MISSING");
    refused(b"S1\tM1\tP1\t1.00\n", "FILE_COLUMN_MISSING");
}

/// What an archive says of itself is not believed: reading ends where no more is taken.
#[test]
fn a_bomb_is_cut_off() {
    let zeros = std::io::repeat(0);
    let told = bounded(zeros, 1_000, |text| {
        let mut all = Vec::new();
        text.read_to_end(&mut all).map_err(super::archive::unread)
    });
    assert_eq!(told.unwrap_err().code(), "FILE_TOO_LARGE");
    let some = bounded(&[1_u8; 10][..], 10, |text| {
        let mut all = Vec::new();
        text.read_to_end(&mut all).map_err(super::archive::unread)
    });
    assert_eq!(some.unwrap(), 10);
}

fn settled_row() -> ResultRow {
    ResultRow {
        stay: "M1".to_owned(),
        settlement: "S1".to_owned(),
        request: "R1".to_owned(),
        result: "000103",
        memo: "金额不符".to_owned(),
        ours: Some(Amounts::new(Fen::new(10_000), Fen::new(6_000), Fen::ZERO)),
        theirs: Some(Amounts::new(Fen::new(10_000), Fen::new(5_000), Fen::ZERO)),
        class: "amounts_differ".to_owned(),
        explanation: "ours_holds".to_owned(),
        detail: "aid".to_owned(),
        our_day: "2024-07-01".to_owned(),
        number: "7".to_owned(),
        last: LastEvent {
            event: "settled".to_owned(),
            by: "uid-7".to_owned(),
            at: "2024-07-02T01:00:00Z".to_owned(),
            reason: "退款".to_owned(),
            moved: Some(Fen::new(-1_000)),
        },
        ..ResultRow::default()
    }
}

#[test]
fn a_result_has_the_national_columns_and_the_same_rows_give_the_same_bytes() {
    let row = settled_row();
    let written = |format| {
        let mut results = Results::begin(Cursor::new(Vec::new()), format).unwrap();
        results.row(&row).unwrap();
        results.end().unwrap().into_inner()
    };
    assert_eq!(written(Format::Packed), written(Format::Packed));
    let mut text = String::new();
    super::archive::with_text(Cursor::new(written(Format::Packed)), |read| {
        read.read_to_string(&mut text).map_err(super::archive::unread)
    })
    .unwrap();
    assert_eq!(
        text,
        "psn_no\tmdtrt_id\tsetl_id\tmsgid\tstmt_rslt\trefd_setl_flag\tmemo\tmedfee_sumamt\tfund_pay_sumamt\tacct_pay\n\
         null\tM1\tS1\tR1\t000103\t0\t金额不符\t100.00\t60.00\t0.00\n"
    );
    let csv = String::from_utf8(written(Format::Csv)).unwrap();
    assert!(
        csv.ends_with(
            ",100.00,60.00,0.00,100.00,50.00,0.00,-10.00,amounts_differ,ours_holds,aid,2024-07-01,7,settled,uid-7,\
             2024-07-02T01:00:00Z,退款\n"
        ),
        "{csv}"
    );
    // A workbook is an archive, and Parquet begins and ends with its mark; both give the same bytes again.
    let sheet = written(Format::Xlsx);
    assert_eq!(sheet, written(Format::Xlsx));
    let mut archive = zip::ZipArchive::new(Cursor::new(sheet)).unwrap();
    let sheet =
        std::io::read_to_string(archive.by_name("xl/worksheets/sheet1.xml").unwrap()).unwrap();
    assert!(sheet.contains("<v>100</v>") && sheet.contains("<v>50</v>"), "{sheet}");
    assert!(sheet.contains("<v>-10</v>"), "{sheet}");
    let columnar = written(Format::Parquet);
    assert_eq!(columnar, written(Format::Parquet));
    assert!(columnar.starts_with(b"PAR1") && columnar.ends_with(b"PAR1"));
    let reader =
        parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(columnar)).unwrap();
    let rows: Vec<_> = parquet::file::reader::FileReader::get_row_iter(&reader, None)
        .unwrap()
        .map(|row| row.unwrap().to_string())
        .collect();
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0].contains("setl_id: \"S1\"") && rows[0].contains("fund_pay_sumamt: 60.00"),
        "{rows:?}"
    );
    let last = "difference_no: \"7\", event: \"settled\", event_by: \"uid-7\"";
    assert!(rows[0].contains("moved: -10.00") && rows[0].contains(last), "{rows:?}");
    // Packed and begun with nothing in it, it can still be read.
    let packed = Packed::begin(Cursor::new(Vec::new()), "x").unwrap().end().unwrap();
    assert_eq!(surveyed(packed.get_ref()).unwrap_err(), "FILE_EMPTY");
}
