import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.util.concurrent.TimeUnit;
import onestop.settlement.v1.SettlementOuterClass.*;
import onestop.settlement.v1.SettlementServiceGrpc;

/**
 * One stay, settled over gRPC with a client certificate: what the patient owes, and the clauses that took off the rest.
 * 最短示例：结算一次住院，患者应付多少，依据哪些条款。
 *
 * The request id stands fixed, so a second run settles nothing and tells the same again. For another bill change it, the stay and
 * the person, or start the sandbox with --fresh. 编号固定，再次运行不会重复结算；换一张单据请换编号和人员，或用 --fresh 重启沙箱。
 * From here on: Discharge.java beside it. A quote that binds, no answer, the same request again, looking up, reversing.
 * 锁定金额的预结算、没有应答、原样重发、查询、撤销，见完整示例 Discharge.java。
 */
public final class First {
    public static void main(String[] arguments) throws Exception {
        var tls = GrpcSslContexts.forClient().trustManager(new File(System.getenv("SANDBOX_CA")))
            .keyManager(new File(System.getenv("SANDBOX_CERT")), new File(System.getenv("SANDBOX_KEY"))).build();
        var channel = NettyChannelBuilder.forTarget(System.getenv("SANDBOX_GRPC")).sslContext(tls).build();
        var desk = SettlementServiceGrpc.newBlockingStub(channel).withDeadlineAfter(5, TimeUnit.SECONDS);

        var patient = Credential.newBuilder().setKind(CredentialKind.CREDENTIAL_KIND_IDENTITY_NUMBER).setNumber("529901198506150105");
        var charge = ChargeLine.newBuilder().setLineId("1").setItemCode("SBX-A").setQuantity("2").setUnitPrice("18000.00")
            .setAmountFen(3_600_000);
        var bill = Bill.newBuilder().setHospitalCode(System.getenv("SANDBOX_HOSPITAL")).setStayId("FIRST-JAVA")
            .setCredential(patient).setScheme("resident").setAdmissionDate("2024-06-20").setDischargeDate("2024-06-30")
            .setCareType(CareType.CARE_TYPE_INPATIENT).setReferral(Referral.REFERRAL_NONE).addDiagnosisCodes("I21.0")
            .addLines(charge).setTotalFen(3_600_000);
        try {
            var answer = desk.settle(SettleRequest.newBuilder().setRequestId("FIRST-JAVA-1").setBill(bill).build());
            if (answer.hasDeclined()) { // Read, and not to be settled: nothing was done. 不予结算：未办理。
                throw Refusal.exit(answer.getDeclined().getReason() + ": " + answer.getDeclined().getMessageZh());
            }
            var amounts = answer.getSettlement().getBreakdown();
            for (Step step : amounts.getTraceList()) { // Each has its clause, and its document: getSource(). 条款与文件。
                if (step.getAction().equals("band")) {
                    System.out.printf("%.2f x %s = %.2f  %s%n", step.getBaseFen() / 100.0, step.getRate(),
                        step.getAmountFen() / 100.0, step.getClause());
                }
            }
            System.out.printf("患者应付 patient owes %.2f%n", amounts.getCashPayFen() / 100.0);
        } catch (StatusRuntimeException e) {
            throw Refusal.exit(Refusal.why(e));
        }
    }
}
