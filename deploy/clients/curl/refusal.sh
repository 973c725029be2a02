# shellcheck shell=bash
# What an error of a call means, for whoever has to mend it. 调用出错时，告诉操作员或开发者怎么办。

# no_answer CODE: curl's code; it said its own text. Whether the gateway has done it is not known. 没有应答即结果未知。
no_answer() {
    echo "no answer from $SANDBOX_NATIONAL (curl $1): send the same again, unchanged. 没有应答：请原样重发。" >&2
    likely "$1"
    exit 1
}

# likely CODE: what no answer is mostly from. 常见原因。
likely() {
    case $1 in
        7) echo "nobody listens there: is the gateway up, and the address right? 网关是否已启动，地址是否正确？" >&2 ;;
        60) echo "SANDBOX_CA is not the authority of the gateway's certificate. SANDBOX_CA 不是签发网关证书的机构。" >&2 ;;
        35 | 56) echo "the gateway does not take SANDBOX_CERT: issued by another authority, ended, or revoked. 网关不接受 SANDBOX_CERT。" >&2 ;;
    esac
}

# refused INFNO ANSWER: nothing was done, and the code in brackets says what to mend: onestop codes. 拒绝：未办理。
refused() {
    local why=${2#*\"err_msg\":\"}
    echo "$1: ${why%%\",\"*}" >&2
    exit 1
}
