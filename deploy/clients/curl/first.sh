#!/usr/bin/env bash
# One stay, settled by the national JSON door with a client certificate: what the patient owes, and the clauses that took off the rest.
# 国家接口最短示例：1101、2401、2301、2304 结算一次住院，患者应付多少，依据哪些条款。
#
# The msgids stand fixed, so a second run settles nothing and tells the same again. For another bill change them and
# the person, or start the sandbox with --fresh. 编号固定，再次运行不会重复结算；换一张单据请换编号和人员，或用 --fresh 重启沙箱。
# From here on: discharge.sh beside it. A quote that binds (2303), no answer, the same message again, looking up (5203), reversing (2305).
# 锁定金额的预结算、没有应答、原样重发、查询、撤销，见完整示例 discharge.sh。
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh" # Where the sandbox is: SANDBOX_… 沙箱的地址与证书。
source "$(dirname "${BASH_SOURCE[0]}")/refusal.sh" # What to do without an answer. 没有应答时怎么办。

# call INFNO INPUT: one message in the national envelope; its msgid is hospital, time and number. 一笔交易。
call() {
    answer=$(curl -sS --max-time 5 --cacert "$SANDBOX_CA" --cert "$SANDBOX_CERT" --key "$SANDBOX_KEY" "$SANDBOX_NATIONAL" -d @- <<END
{"infno": "$1", "msgid": "${SANDBOX_HOSPITAL}20240630100000$1", "infver": "V1.0", "inf_time": "$(date '+%F %T')", "opter": "desk-1",
"opter_type": "1", "opter_name": "收费员", "fixmedins_code": "$SANDBOX_HOSPITAL", "fixmedins_name": "沙箱二级医院",
"mdtrtarea_admvs": "529901", "insuplc_admdvs": "529900", "recer_sys_code": "ONESTOP", "input": $2}
END
    ) || no_answer $?
    case "$1 $answer" in
        *'"infcode":0'* | 2301*'[OS-REF-004]'*) ;; # OS-REF-004: by an earlier run; 2304 then tells its settlement. 已结算。
        *) refused "$1" "$answer" ;;
    esac
}
field() { grep -o "\"$1\":\"[^\"]*\"" <<<"$answer" | head -n 1 | cut -d '"' -f 4; }

call 1101 '{"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "529901198506150113"}}'
patient=$(field psn_no)
call 2401 '{"mdtrtinfo": {"psn_no": "'"$patient"'", "insutype": "390", "med_type": "21", "ipt_no": "1", "mdtrt_cert_type": "02",
    "begntime": "2024-06-20 09:00:00"}, "diseinfo": [{"diag_code": "I21.0", "diag_name": "急性心肌梗死", "maindiag_flag": "1"}]}'
stay='"psn_no": "'$patient'", "mdtrt_id": "'$(field mdtrt_id)'"'
call 2301 '{"feedetail": [{'"$stay"', "feedetl_sn": "1", "med_type": "21", "fee_ocur_time": "2024-06-21 10:00:00",
    "med_list_codg": "SBX-A", "cnt": "2", "pric": "18000.00", "det_item_fee_sumamt": "36000.00"}]}'
call 2304 '{"data": {'"$stay"', "mdtrt_cert_type": "02", "medfee_sumamt": "36000.00", "psn_setlway": "01", "insutype": "390",
    "acct_used_flag": "0", "mid_setl_flag": "0", "dscgTime": "2024-06-30"}}'
# Each fund's steps with their clauses, in setl_proc_info: JSON in a text, its quotes escaped. 各基金的步骤与条款。
tr -d '\\' <<<"$answer" | grep -o '{"act":"band"[^}]*}' |
    sed -E 's/.*"amt":"([^"]*)".*"base":"([^"]*)","clause":"([^"]*)".*"rate":"([^"]*)".*/\2 x \4 = \1  \3/'
echo "患者应付 patient owes $(field psn_cash_pay)"
