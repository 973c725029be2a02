"""A discharge in full: quote, settle, look up, reverse. 完整的出院结算：预结算、结算、查询、撤销。Shorter: first.py 最短示例。"""
import os, sys, time, uuid

import grpc
from onestop.settlement.v1 import settlement_pb2 as pb, settlement_pb2_grpc
from refusal import why

AGAIN = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED", "ABORTED", "UNKNOWN")
ca, key, cert = (open(os.environ[name], "rb").read() for name in ("SANDBOX_CA", "SANDBOX_KEY", "SANDBOX_CERT"))
channel = grpc.secure_channel(os.environ["SANDBOX_GRPC"], grpc.ssl_channel_credentials(ca, key, cert))
desk, hospital = settlement_pb2_grpc.SettlementServiceStub(channel), os.environ["SANDBOX_HOSPITAL"]


def surely(call, request):
    """Until there is an answer, the SAME request: no answer means an unknown outcome, never a failure. 无应答即结果未知，原样重发。"""
    for attempt in range(5):
        try:
            return call(request, timeout=3)  # Always a deadline. 每次都设时限。
        except grpc.RpcError as error:
            if error.code().name not in AGAIN:
                sys.exit(why(error))  # Refused: nothing was done, and the reason says what to mend. 拒绝：未办理。
            print(f"no answer ({error.code().name}); sending it again, unchanged", file=sys.stderr)
            last = why(error)
            time.sleep(0.2 * 2**attempt)
    sys.exit(f"{last}\nstill unknown: ask GetSettlement later by the same request id; do not settle under a new one")


def line(number, item, yuan):
    return pb.ChargeLine(line_id=number, item_code=item, quantity="1", unit_price=f"{yuan}.00", amount_fen=yuan * 100)


# The request id is chosen, and stored, before the first attempt. 报文编号在首次发送前就定下并存好。
request_id = (sys.argv[1] if len(sys.argv) > 1 else "PY-") + uuid.uuid4().hex[:12]
patient = pb.Credential(kind=pb.CREDENTIAL_KIND_IDENTITY_NUMBER, number="529901198506150068")
bill = pb.Bill(hospital_code=hospital, stay_id=f"ST-{request_id[-12:]}", credential=patient, scheme="resident",
               admission_date="2024-06-20", discharge_date="2024-06-30", care_type=pb.CARE_TYPE_INPATIENT,
               referral=pb.REFERRAL_NONE, diagnosis_codes=["I21.0"], total_fen=3_600_000,
               lines=[line("1", "SBX-A", 30_000), line("2", "SBX-B", 5_000), line("3", "SBX-C", 1_000)])

quote = surely(desk.Quote, pb.QuoteRequest(bill=bill))
if quote.HasField("declined"):
    sys.exit(f"{quote.declined.reason} {quote.declined.message_zh} {quote.declined.message_en}")
settled = surely(desk.Settle, pb.SettleRequest(request_id=request_id, bill=bill, quote_token=quote.quoted.quote_token))
found = surely(desk.GetSettlement, pb.GetSettlementRequest(
    request=pb.RequestKey(hospital_code=hospital, request_id=request_id)))  # Did it settle? 超时的那次结算了吗？
assert found.settlement == settled.settlement
reversed_ = surely(desk.Reverse, pb.ReverseRequest(request_id=f"REV-{request_id[-12:]}", hospital_code=hospital,
                                                   original_request_id=request_id, reason="example"))


def amounts(name, b):
    fen = b.total_fen, b.basic_pool_pay_fen, b.critical_illness_pay_fen, b.medical_aid_pay_fen, b.cash_pay_fen
    print(name, *(f"{amount / 100:.2f}" for amount in fen))


amounts("settled", settled.settlement.breakdown)
amounts("reversed", reversed_.reversal.breakdown)
