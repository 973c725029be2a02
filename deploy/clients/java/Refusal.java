import com.google.protobuf.UnknownFieldSet;
import com.google.rpc.BadRequest;
import com.google.rpc.LocalizedMessage;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What an error of a call means, for whoever has to mend it. 调用出错时，告诉操作员或开发者怎么办。 */
final class Refusal {
    /** What is said of a connection that did not come about, and what that is mostly from. 连接不上时的常见原因。 */
    private static final Map<String, String> CAUSES = Map.of(
        "refused", "nobody listens there: is the gateway up, and the address right? 网关是否已启动，地址是否正确？",
        "trust anchors", "SANDBOX_CA is not the authority of the gateway's certificate. SANDBOX_CA 不是签发网关证书的机构。",
        "alert", "the gateway does not take SANDBOX_CERT: issued by another authority, ended, or revoked. 网关不接受 SANDBOX_CERT。");

    /** Ends the program with code 1; never returns, so that a caller can say "throw". */
    static Error exit(String why) {
        System.err.println(why);
        System.exit(1);
        return new AssertionError(why);
    }

    /** The gateway's own reason, field and texts; where nobody answered, that, with the likely cause. */
    static String why(StatusRuntimeException error) {
        var status = StatusProto.fromThrowable(error);
        if (status == null || status.getDetailsCount() == 0) {
            return noAnswer(error);
        }
        try {
            List<String> names = new ArrayList<>();
            List<String> texts = new ArrayList<>();
            for (var detail : status.getDetailsList()) {
                if (detail.getTypeUrl().endsWith("/google.rpc.ErrorInfo")) { // Its class is newer than Debian's; field 1: reason.
                    var info = UnknownFieldSet.parseFrom(detail.getValue());
                    names.add(0, info.getField(1).getLengthDelimitedList().get(0).toStringUtf8());
                } else if (detail.is(BadRequest.class)) {
                    detail.unpack(BadRequest.class).getFieldViolationsList().forEach(violation -> names.add(violation.getField()));
                } else if (detail.is(LocalizedMessage.class)) {
                    texts.add(detail.unpack(LocalizedMessage.class).getMessage());
                }
            }
            return String.join(" ", names).strip() + ": " + String.join(" ", texts);
        } catch (com.google.protobuf.InvalidProtocolBufferException e) {
            return error.getMessage();
        }
    }

    private static String noAnswer(StatusRuntimeException error) {
        StringBuilder said = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            said.append('\n').append(cause.getMessage());
        }
        StringBuilder told = new StringBuilder("no answer from " + System.getenv("SANDBOX_GRPC") + " (" + error.getStatus().getCode()
            + "): send the same again, unchanged. 没有应答：请原样重发。");
        CAUSES.forEach((sign, cause) -> told.append(said.indexOf(sign) < 0 ? "" : '\n' + cause));
        return told.append(said).toString();
    }

    private Refusal() {}
}
