#!/usr/bin/env bash
# A discharge in full by the national JSON door: 1101, 2401, 2301, 2303, 2304, 5203, 2305. Shorter: first.sh 最短示例。
# 国家接口 JSON 通道的出院结算完整示例。 discharge.sh [PREFIX of the msgid of 2304, such as SBX-LOST-]
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/refusal.sh"

# A msgid is chosen, and stored, before the first attempt. msgid 在首次发送前就定下并存好。
# Hospital, time to a hundred-thousandth of a second, number. 机构编号、精确到十万分之一秒的时间、序号。
id() { printf '%s%s%d' "$SANDBOX_HOSPITAL" "$(date +%y%m%d%H%M%S%N | cut -c 1-17)" "$1"; }

# ask INFNO MSGID INPUT: until there is an answer, the SAME message: no answer means an unknown outcome, never a failure.
ask() {
    local attempt message code
    message=$(printf '{"infno":"%s","msgid":"%s","mdtrtarea_admvs":"529901","insuplc_admdvs":"529900","recer_sys_code":"ONESTOP",
        "infver":"V1.0","opter_type":"1","opter":"desk-1","opter_name":"收费员","inf_time":"%s","fixmedins_code":"%s",
        "fixmedins_name":"沙箱二级医院","input":%s}' "$1" "$2" "$(date '+%F %T')" "$SANDBOX_HOSPITAL" "$3")
    for attempt in 1 2 3 4 5; do # Always a deadline. 每次都设时限。
        answer=$(curl -sS --max-time 3 --cacert "$SANDBOX_CA" --cert "$SANDBOX_CERT" --key "$SANDBOX_KEY" \
            -H 'Content-Type: application/json' -d "$message" "$SANDBOX_NATIONAL") || { code=$?; answer='no answer'; }
        case $answer in
            *'"infcode":0'*) return ;;
            'no answer' | *'[OS-SYS-'* | *'[OS-ACC-007]'*) echo "$1: $answer; sending it again, unchanged" >&2 ;;
            *) refused "$1" "$answer" ;; # Nothing was done, and the code says what to mend. 拒绝：未办理。
        esac
        sleep "0.$((attempt * 2 % 10))"
    done
    [[ $answer != 'no answer' ]] || likely "$code"
    echo "$1: still unknown: ask 5203 later by msgid $2; do not settle under a new one" >&2
    exit 1
}

# field NAME: of the answer, which has it once, or first.
field() { grep -o "\"$1\":\"[^\"]*\"" <<<"$answer" | head -n 1 | cut -d '"' -f 4; }

amounts() { echo "$1" "$(field medfee_sumamt)" "$(field hifp_pay)" "$(field hifmi_pay)" "$(field maf_pay)" "$(field psn_cash_pay)"; }

fee() {
    printf '{"feedetl_sn":"%s","mdtrt_id":"%s","psn_no":"%s","med_type":"21","fee_ocur_time":"2024-06-21 10:00:00",
        "med_list_codg":"%s","cnt":"1","pric":"%s","det_item_fee_sumamt":"%s"}' "$1" "$stay" "$patient" "$2" "$3" "$3"
}

ask 1101 "$(id 1)" '{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"529901198506150068"}}'
patient=$(field psn_no)
ask 2401 "$(id 2)" "{\"mdtrtinfo\":{\"psn_no\":\"$patient\",\"insutype\":\"390\",\"begntime\":\"2024-06-20 09:00:00\",
    \"mdtrt_cert_type\":\"02\",\"med_type\":\"21\",\"ipt_no\":\"1\"},
    \"diseinfo\":[{\"diag_code\":\"I21.0\",\"diag_name\":\"急性心肌梗死\",\"maindiag_flag\":\"1\"}]}"
stay=$(field mdtrt_id)
ask 2301 "$(id 3)" "{\"feedetail\":[$(fee 1 SBX-A 30000.00),$(fee 2 SBX-B 5000.00),$(fee 3 SBX-C 1000.00)]}"
bill="{\"data\":{\"psn_no\":\"$patient\",\"mdtrt_id\":\"$stay\",\"mdtrt_cert_type\":\"02\",\"medfee_sumamt\":\"36000.00\",
    \"psn_setlway\":\"01\",\"insutype\":\"390\",\"acct_used_flag\":\"0\",\"mid_setl_flag\":\"0\",\"dscgTime\":\"2024-06-30\"}}"
ask 2303 "$(id 4)" "$bill"
settle_id=${1:+$1$(date +%H%M%S)$((RANDOM % 9000 + 1000))}
settle_id=${settle_id:-$(id 5)}
ask 2304 "$settle_id" "$bill"
settled=$(amounts settled)
settlement=$(field setl_id)
# Did it settle? By the msgid alone. 超时的那次结算了吗？凭 msgid 即可查询。
ask 5203 "$(id 6)" "{\"data\":{\"psn_no\":\"$patient\",\"msgid\":\"$settle_id\"}}"
[[ $(amounts settled) == "$settled" && $(field setl_id) == "$settlement" ]]
ask 2305 "$(id 7)" "{\"data\":{\"psn_no\":\"$patient\",\"mdtrt_id\":\"$stay\",\"setl_id\":\"$settlement\"}}"
echo "$settled"
amounts reversed
