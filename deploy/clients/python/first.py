"""One stay, settled over gRPC with a client certificate: what the patient owes, and the clauses that took off the rest.
最短示例：结算一次住院，患者应付多少，依据哪些条款。

The request id stands fixed, so a second run settles nothing and tells the same again. For another bill change it, the stay and
the person, or start the sandbox with --fresh. 编号固定，再次运行不会重复结算；换一张单据请换编号和人员，或用 --fresh 重启沙箱。
From here on: discharge.py beside it. A quote that binds, no answer, the same request again, looking up, reversing.
锁定金额的预结算、没有应答、原样重发、查询、撤销，见完整示例 discharge.py。
"""
import os, sys

import grpc
from onestop.settlement.v1 import settlement_pb2 as pb, settlement_pb2_grpc
from refusal import why

ca, key, cert = (open(os.environ[name], "rb").read() for name in ("SANDBOX_CA", "SANDBOX_KEY", "SANDBOX_CERT"))
channel = grpc.secure_channel(os.environ["SANDBOX_GRPC"], grpc.ssl_channel_credentials(ca, key, cert))
desk = settlement_pb2_grpc.SettlementServiceStub(channel)

patient = pb.Credential(kind=pb.CREDENTIAL_KIND_IDENTITY_NUMBER, number="529901198506150092")
charge = pb.ChargeLine(line_id="1", item_code="SBX-A", quantity="2", unit_price="18000.00", amount_fen=3_600_000)
bill = pb.Bill(hospital_code=os.environ["SANDBOX_HOSPITAL"], stay_id="FIRST-PY", credential=patient, scheme="resident",
               admission_date="2024-06-20", discharge_date="2024-06-30", care_type=pb.CARE_TYPE_INPATIENT,
               referral=pb.REFERRAL_NONE, diagnosis_codes=["I21.0"], lines=[charge], total_fen=3_600_000)
try:
    answer = desk.Settle(pb.SettleRequest(request_id="FIRST-PY-1", bill=bill), timeout=5)
except grpc.RpcError as error:
    sys.exit(why(error))
if answer.HasField("declined"):  # Read, and not to be settled: nothing was done. 不予结算：未办理。
    sys.exit(f"{answer.declined.reason}: {answer.declined.message_zh} {answer.declined.message_en}")

amounts = answer.settlement.breakdown
for step in amounts.trace:  # A step has its clause, and the document where one was published: step.source. 条款与文件。
    if step.action == "band":
        print(f"{step.base_fen / 100:.2f} x {step.rate} = {step.amount_fen / 100:.2f}  {step.clause}")
print(f"患者应付 patient owes {amounts.cash_pay_fen / 100:.2f}")
