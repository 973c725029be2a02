import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.util.EnumSet;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import onestop.settlement.v1.SettlementOuterClass.*;
import onestop.settlement.v1.SettlementServiceGrpc;
import onestop.settlement.v1.SettlementServiceGrpc.SettlementServiceBlockingStub;

/** A discharge in full: quote, settle, look up, reverse. 完整的出院结算：预结算、结算、查询、撤销。Shorter: First.java 最短示例。 */
public final class Discharge {
    private static final EnumSet<Status.Code> AGAIN = EnumSet.of(Status.Code.UNAVAILABLE, Status.Code.DEADLINE_EXCEEDED,
        Status.Code.RESOURCE_EXHAUSTED, Status.Code.CANCELLED, Status.Code.ABORTED, Status.Code.UNKNOWN);
    private static SettlementServiceBlockingStub desk;

    /** Until there is an answer, the SAME request: no answer means an unknown outcome, never a failure. 无应答即结果未知，原样重发。 */
    private static <A> A surely(Function<SettlementServiceBlockingStub, A> call) throws InterruptedException {
        String last = "";
        for (int attempt = 0; attempt < 5; attempt++) {
            try {
                return call.apply(desk.withDeadlineAfter(3, TimeUnit.SECONDS)); // Always a deadline. 每次都设时限。
            } catch (StatusRuntimeException e) {
                if (!AGAIN.contains(e.getStatus().getCode())) {
                    throw Refusal.exit(Refusal.why(e)); // Nothing was done, and the reason says what to mend. 拒绝：未办理。
                }
                last = Refusal.why(e);
                System.err.println("no answer (" + e.getStatus().getCode() + "); sending it again, unchanged");
                Thread.sleep(200L << attempt);
            }
        }
        throw Refusal.exit(last + "\nstill unknown: ask GetSettlement later by the same request id; do not settle under a new one");
    }

    public static void main(String[] arguments) throws Exception {
        var tls = GrpcSslContexts.forClient().trustManager(new File(System.getenv("SANDBOX_CA")))
            .keyManager(new File(System.getenv("SANDBOX_CERT")), new File(System.getenv("SANDBOX_KEY"))).build();
        ManagedChannel channel = NettyChannelBuilder.forTarget(System.getenv("SANDBOX_GRPC")).sslContext(tls).build();
        desk = SettlementServiceGrpc.newBlockingStub(channel);
        String hospital = System.getenv("SANDBOX_HOSPITAL");

        // The request id is chosen, and stored, before the first attempt. 报文编号在首次发送前就定下并存好。
        String unique = UUID.randomUUID().toString().replace("-", "").substring(0, 12);
        String requestId = (arguments.length > 0 ? arguments[0] : "JAVA-") + unique;
        Bill bill = Bill.newBuilder().setHospitalCode(hospital).setStayId("ST-" + unique).setScheme("resident")
            .setCredential(Credential.newBuilder().setKind(CredentialKind.CREDENTIAL_KIND_IDENTITY_NUMBER)
                .setNumber("529901198506150068"))
            .setAdmissionDate("2024-06-20").setDischargeDate("2024-06-30").setCareType(CareType.CARE_TYPE_INPATIENT)
            .setReferral(Referral.REFERRAL_NONE).addDiagnosisCodes("I21.0").setTotalFen(3_600_000)
            .addLines(line("1", "SBX-A", 30_000)).addLines(line("2", "SBX-B", 5_000)).addLines(line("3", "SBX-C", 1_000))
            .build();

        QuoteResponse quote = surely(d -> d.quote(QuoteRequest.newBuilder().setBill(bill).build()));
        if (quote.hasDeclined()) {
            throw Refusal.exit(quote.getDeclined().toString());
        }
        var toSettle = SettleRequest.newBuilder().setRequestId(requestId).setBill(bill)
            .setQuoteToken(quote.getQuoted().getQuoteToken()).build();
        Settlement settled = surely(d -> d.settle(toSettle)).getSettlement();
        var key = RequestKey.newBuilder().setHospitalCode(hospital).setRequestId(requestId);
        var toFind = GetSettlementRequest.newBuilder().setRequest(key).build();
        Settlement found = surely(d -> d.getSettlement(toFind)).getSettlement(); // Did it settle? 超时的那次结算了吗？
        if (!found.equals(settled)) {
            throw new IllegalStateException("what was found is not what was settled");
        }
        var toReverse = ReverseRequest.newBuilder().setRequestId("REV-" + unique).setHospitalCode(hospital)
            .setOriginalRequestId(requestId).setReason("example").build();
        Settlement reversed = surely(d -> d.reverse(toReverse)).getReversal();
        amounts("settled", settled.getBreakdown());
        amounts("reversed", reversed.getBreakdown());
        channel.shutdown().awaitTermination(3, TimeUnit.SECONDS);
    }

    private static ChargeLine line(String number, String item, long yuan) {
        return ChargeLine.newBuilder().setLineId(number).setItemCode(item).setQuantity("1").setUnitPrice(yuan + ".00")
            .setAmountFen(yuan * 100).build();
    }

    private static void amounts(String name, Breakdown b) {
        System.out.printf("%s %.2f %.2f %.2f %.2f %.2f%n", name, b.getTotalFen() / 100.0, b.getBasicPoolPayFen() / 100.0,
            b.getCriticalIllnessPayFen() / 100.0, b.getMedicalAidPayFen() / 100.0, b.getCashPayFen() / 100.0);
    }
}
