// A client of Vigía in Java: what an institution's own system does, in one file that can be read and copied.
//
// It proves with its own Ed25519 key who it is, sees what its institution owes, uploads evidence, submits a report and
// keeps the receipt.
// README.md beside this file shows how it is built with nothing but Debian's packages.
import com.google.protobuf.ByteString;
import com.google.protobuf.util.JsonFormat;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import vigia.identity.v1.TokenServiceGrpc;
import vigia.identity.v1.TokenServiceOuterClass.IssueTokenRequest;
import vigia.reporting.v1.EvidenceServiceGrpc;
import vigia.reporting.v1.EvidenceServiceOuterClass.Evidence;
import vigia.reporting.v1.EvidenceServiceOuterClass.EvidenceState;
import vigia.reporting.v1.EvidenceServiceOuterClass.GetEvidenceRequest;
import vigia.reporting.v1.EvidenceServiceOuterClass.UploadEvidenceRequest;
import vigia.reporting.v1.EvidenceServiceOuterClass.UploadEvidenceResponse;
import vigia.reporting.v1.EvidenceServiceOuterClass.UploadStart;
import vigia.reporting.v1.ObligationServiceGrpc;
import vigia.reporting.v1.ObligationServiceOuterClass.ListObligationsRequest;
import vigia.reporting.v1.ObligationServiceOuterClass.ListObligationsResponse;
import vigia.reporting.v1.ReportServiceGrpc;
import vigia.reporting.v1.ReportServiceOuterClass.IndicatorValue;
import vigia.reporting.v1.ReportServiceOuterClass.Report;
import vigia.reporting.v1.ReportServiceOuterClass.SubmitReportRequest;
import vigia.reporting.v1.ReportServiceOuterClass.SubmitReportResponse;
import vigia.type.v1.DecimalOuterClass.Decimal;

/** A connection that keeps its token fresh and reads its own writes. */
public final class Client implements ClientInterceptor, AutoCloseable {
  private static final Metadata.Key<String> AUTHORIZATION = key("authorization");
  private static final Metadata.Key<String> AT_LEAST = key("vigia-at-least");
  private static final Metadata.Key<String> POSITION = key("vigia-position");
  /** A token lives 15 minutes at most; a fresh one is taken this many seconds before the old one ends. */
  private static final long RENEW_SECONDS = 60;
  /** No call needs longer; without a deadline a lost connection would hang for ever. */
  private static final long DEADLINE_SECONDS = 20;
  /** An upload may take longer. */
  private static final long UPLOAD_SECONDS = 30 * 60;
  /** Bytes of a chunk; Vigía takes 1 MiB at most. */
  private static final int CHUNK_BYTES = 256 * 1024;

  private final ManagedChannel channel;
  private final String client;
  private final String kid;
  private final PrivateKey key;
  /** How far we have seen each journal: a service that only follows then answers with what we have just changed. */
  private final Map<String, Long> positions = new TreeMap<>();
  private String token = "";
  private long tokenEnds = 0;

  /** `server` is host:port; `client` a name such as `clients/msp-1`; `kid` the id under which its key was added. */
  public Client(String server, String client, String kid, PrivateKey key) {
    URI address = URI.create("//" + server);
    this.channel =
        NettyChannelBuilder.forAddress(new InetSocketAddress(address.getHost(), address.getPort())).usePlaintext().build();
    this.client = client;
    this.kid = kid;
    this.key = key;
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  /** Reads an Ed25519 key (PKCS#8, PEM), such as `vigia login` makes. */
  public static PrivateKey readKey(Path path) throws Exception {
    String pem = Files.readString(path).replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
    return KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
  }

  /** What a client says to prove who it is (RFC 7523): good for one minute and used once. */
  private String assertion() throws Exception {
    long now = Instant.now().getEpochSecond();
    String header = part("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" + kid + "\"}");
    String claims =
        part(
            String.format(
                "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"vigia\",\"iat\":%d,\"exp\":%d,\"jti\":\"%s\"}",
                client, client, now, now + 60, UUID.randomUUID()));
    Signature signature = Signature.getInstance("Ed25519");
    signature.initSign(key);
    signature.update((header + "." + claims).getBytes(StandardCharsets.US_ASCII));
    return header + "." + claims + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(signature.sign());
  }

  private static String part(String json) {
    return Base64.getUrlEncoder().withoutPadding().encodeToString(json.getBytes(StandardCharsets.UTF_8));
  }

  /** A token that is good for a while yet. */
  private synchronized String bearer() {
    if (Instant.now().getEpochSecond() > tokenEnds - RENEW_SECONDS) {
      try {
        var request = IssueTokenRequest.newBuilder().setClientAssertion(assertion()).build();
        var stub = TokenServiceGrpc.newBlockingStub(channel).withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS);
        var answer = stub.issueToken(request);
        token = answer.getAccessToken();
        tokenEnds = answer.getExpireTime().getSeconds();
      } catch (StatusRuntimeException refused) {
        throw refused;
      } catch (Exception cause) {
        throw new IllegalStateException(cause);
      }
    }
    return "Bearer " + token;
  }

  private synchronized void note(String position) {
    if (position != null) {
      String[] parts = position.split(":");
      positions.merge(parts[0], Long.parseLong(parts[1]), Math::max);
    }
  }

  private synchronized String seen() {
    StringBuilder text = new StringBuilder();
    positions.forEach((area, position) -> text.append(text.length() == 0 ? "" : ",").append(area).append(':').append(position));
    return text.toString();
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    long seconds = method.getType().clientSendsOneMessage() ? DEADLINE_SECONDS : UPLOAD_SECONDS;
    CallOptions timed = options.withDeadlineAfter(seconds, TimeUnit.SECONDS);
    return new SimpleForwardingClientCall<>(next.newCall(method, timed)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        headers.put(AUTHORIZATION, bearer());
        if (!seen().isEmpty()) {
          headers.put(AT_LEAST, seen());
        }
        super.start(
            new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onHeaders(Metadata answered) {
                note(answered.get(POSITION));
                super.onHeaders(answered);
              }
            },
            headers);
      }
    };
  }

  /** Prints what our institution owes (obligaciones de reporte), page after page, by due instant. */
  public void obligations(String filter) {
    var stub = ObligationServiceGrpc.newBlockingStub(channel).withInterceptors(this);
    var request = ListObligationsRequest.newBuilder().setParent("plans/-").setFilter(filter).setPageSize(200);
    ListObligationsResponse page;
    do {
      page = stub.listObligations(request.build());
      for (var owed : page.getObligationsList()) {
        System.out.printf("%s  %s  %s%n", Instant.ofEpochSecond(owed.getDueTime().getSeconds()), owed.getState(), owed.getName());
      }
      request.setPageToken(page.getNextPageToken());
    } while (!page.getNextPageToken().isEmpty());
  }

  private static String sha256(Path path) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    try (InputStream bytes = Files.newInputStream(path)) {
      byte[] some = new byte[CHUNK_BYTES];
      for (int read = bytes.read(some); read >= 0; read = bytes.read(some)) {
        digest.update(some, 0, read);
      }
    }
    StringBuilder hex = new StringBuilder();
    for (byte part : digest.digest()) {
      hex.append(String.format("%02x", part));
    }
    return hex.toString();
  }

  /** An upload that is under way: it is sent as fast as the server takes it, and no faster. */
  private static final class Upload implements ClientResponseObserver<UploadEvidenceRequest, UploadEvidenceResponse> {
    final CompletableFuture<UploadEvidenceResponse> answer = new CompletableFuture<>();
    private ClientCallStreamObserver<UploadEvidenceRequest> stream;

    @Override
    public void beforeStart(ClientCallStreamObserver<UploadEvidenceRequest> stream) {
      this.stream = stream;
      stream.setOnReadyHandler(this::wake);
    }

    private synchronized void wake() {
      notifyAll();
    }

    /** Sends a part once the last ones are on their way; false where the server has answered already. */
    synchronized boolean send(UploadEvidenceRequest part) throws InterruptedException {
      while (!stream.isReady() && !answer.isDone()) {
        wait();
      }
      if (answer.isDone()) {
        return false;
      }
      stream.onNext(part);
      return true;
    }

    @Override
    public void onNext(UploadEvidenceResponse response) {
      answer.complete(response);
      wake();
    }

    @Override
    public void onError(Throwable cause) {
      answer.completeExceptionally(cause);
      wake();
    }

    @Override
    public void onCompleted() {
      wake();
    }
  }

  /**
   * Uploads a file (medio de verificación), or goes on where an upload of it broke off; returns what was stored.
   *
   * The file is named by its SHA-256; sent twice it is stored once, so this needs no request id. Metadata that could
   * identify a person are refused with EVIDENCE_NAMES_PERSON: `vigia evidence add` takes them out.
   */
  public Evidence addEvidence(Path path, String plan) throws Exception {
    String name = "evidence/" + sha256(path);
    long offset = 0;
    try {
      var stub = EvidenceServiceGrpc.newBlockingStub(channel).withInterceptors(this);
      var known = stub.getEvidence(GetEvidenceRequest.newBuilder().setName(name).build()).getEvidence();
      if (known.getState() == EvidenceState.EVIDENCE_STATE_STORED) {
        return known;
      }
      offset = known.getDurableBytes();
    } catch (StatusRuntimeException refused) {
      // Nothing of it is there yet.
      if (refused.getStatus().getCode() != Status.Code.NOT_FOUND) {
        throw refused;
      }
    }
    Upload upload = new Upload();
    var parts = EvidenceServiceGrpc.newStub(channel).withInterceptors(this).uploadEvidence(upload);
    var start = UploadStart.newBuilder().setEvidence(name).setSizeBytes(Files.size(path)).setOffset(offset).setPlan(plan);
    boolean goesOn = upload.send(UploadEvidenceRequest.newBuilder().setStart(start).build());
    try (InputStream bytes = Files.newInputStream(path)) {
      bytes.skipNBytes(offset);
      byte[] some = new byte[CHUNK_BYTES];
      for (int read = bytes.readNBytes(some, 0, CHUNK_BYTES); goesOn && read > 0; read = bytes.readNBytes(some, 0, CHUNK_BYTES)) {
        goesOn = upload.send(UploadEvidenceRequest.newBuilder().setChunk(ByteString.copyFrom(some, 0, read)).build());
      }
    }
    if (goesOn) {
      parts.onCompleted();
    }
    try {
      return upload.answer.get(UPLOAD_SECONDS, TimeUnit.SECONDS).getEvidence();
    } catch (ExecutionException refused) {
      throw refused.getCause() instanceof StatusRuntimeException status ? status : refused;
    }
  }

  /**
   * Submits a report (reporte de avance). `requestId` names the call: whoever is not sure that it arrived sends it again
   * with the same one, and gets the first answer again instead of a second version.
   */
  public SubmitReportResponse submit(String obligation, Report report, String requestId) {
    var request = SubmitReportRequest.newBuilder().setParent(obligation).setReport(report).setRequestId(requestId);
    return ReportServiceGrpc.newBlockingStub(channel).withInterceptors(this).submitReport(request.build());
  }

  /** Every call has ended by now: there is nothing to wait for. */
  @Override
  public void close() {
    channel.shutdownNow();
  }

  private static final String USAGE =
      "SERVER CLIENT KEY obligations [FILTER]\n"
          + "SERVER CLIENT KEY evidence PLAN FILE\n"
          + "SERVER CLIENT KEY submit OBLIGATION NARRATIVE I1=90 RECEIPT [REQUEST_ID [EVIDENCE…]]";

  public static void main(String[] given) throws Exception {
    if (given.length < 4) {
      System.err.println(USAGE);
      System.exit(2);
    }
    String kid = given[1].replace("clients/", "");
    try (Client client = new Client(given[0], given[1], kid, readKey(Path.of(given[2])))) {
      if (given[3].equals("obligations")) {
        client.obligations(given.length > 4 ? given[4] : "");
        return;
      }
      if (given[3].equals("evidence")) {
        System.out.println(client.addEvidence(Path.of(given[5]), given[4]).getName());
        return;
      }
      String[] value = given[6].split("=", 2);
      // Numbers stay texts: no float ever rounds them.
      var number = IndicatorValue.newBuilder().setIndicator(value[0]).setNumber(Decimal.newBuilder().setValue(value[1]));
      var report = Report.newBuilder().setNarrative(given[5]).addValues(number);
      report.addAllEvidence(Arrays.asList(given).subList(Math.min(9, given.length), given.length));
      var answer = client.submit(given[4], report.build(), given.length > 8 ? given[8] : UUID.randomUUID().toString());
      // The receipt: with position and leaf hash anybody can later ask for the proof that the report is on the record.
      Path receipt = Path.of(given[7]);
      Files.writeString(receipt, JsonFormat.printer().print(answer), StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING);
      Files.setPosixFilePermissions(receipt, PosixFilePermissions.fromString("rw-r--r--"));
      System.out.printf("bitácora reporting:%d%n", answer.getPosition());
    } catch (StatusRuntimeException refused) {
      System.err.println(refused.getStatus());
      System.exit(1);
    }
  }
}
