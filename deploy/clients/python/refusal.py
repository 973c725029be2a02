"""What an error of a call means, for whoever has to mend it. 调用出错时，告诉操作员或开发者怎么办。"""
import os

from google.rpc import error_details_pb2
from grpc_status import rpc_status

# What gRPC says of a connection that did not come about, and what that is mostly from. 连接不上时的常见原因。
CAUSES = {
    "refused": "nobody listens there: is the gateway up, and the address right? 网关是否已启动，地址是否正确？",
    "CERTIFICATE_VERIFY_FAILED":
        "SANDBOX_CA is not the authority of the gateway's certificate. SANDBOX_CA 不是签发网关证书的机构。",
    "TSI_DATA_CORRUPTED":
        "the gateway does not take SANDBOX_CERT: issued by another authority, ended, or revoked. 网关不接受 SANDBOX_CERT。",
}


def why(error):
    """The gateway's own reason, field and texts; where nobody answered, that, with the likely cause."""
    status = rpc_status.from_call(error)
    if status is None:
        said = error.details() or ""
        causes = [cause for sign, cause in CAUSES.items() if sign in said]
        first = f"no answer from {os.environ['SANDBOX_GRPC']} ({error.code().name}): send the same again, unchanged. 没有应答：请原样重发。"
        return "\n".join([first, *causes, said])

    info, fields, texts = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), []
    for detail in status.details:
        text = error_details_pb2.LocalizedMessage()
        detail.Unpack(info)
        detail.Unpack(fields)
        if detail.Unpack(text):
            texts.append(text.message)
    where = [violation.field for violation in fields.field_violations if violation.field]
    return f"{' '.join([info.reason, *where])}: {' '.join(texts)}"
