//! What operators rely on: TLS and mutual TLS, metrics on a port of their own, and a doctor that finds what is wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use vigia_proto::identity::{GetJwksRequest, token_service_client::TokenServiceClient};

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn vigia(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigia"));
    command
        .env_clear()
        .env("LANG", "en_US.UTF-8")
        .current_dir(directory)
        .envs(variables.iter().copied())
        .args(arguments);
    command
}

fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    vigia(directory, arguments, variables).stdin(Stdio::null()).output().unwrap()
}

fn init(directory: &Path) {
    let init = run(directory, &["init", "--data", "data", "-o", "json"], &[]);
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
}

/// Serves, once the port is open.
async fn serve(directory: &Path, address: SocketAddr, variables: &[(&str, &str)]) -> Served {
    let listen = address.to_string();
    let mut command = vigia(directory, &["serve", "--data", "data", "--listen", &listen], variables);
    let served = Served(command.stderr(Stdio::null()).spawn().unwrap());
    while TcpStream::connect(address).is_err() {
        // Not a wait for an effect to have happened, but for a process to open its port.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served
}

/// Writes an authority's certificate, and a certificate and key of its making for each name.
fn certificates(directory: &Path, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        let mut options = fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.join(format!("{name}.key")));
        file.unwrap().write_all(key.serialize_pem().as_bytes()).unwrap();
    }
}

async fn answers(endpoint: Endpoint) -> bool {
    let Ok(channel) = endpoint.connect().await else { return false };
    TokenServiceClient::<Channel>::new(channel)
        .get_jwks(GetJwksRequest {})
        .await
        .is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_lets_in_whom_it_should() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    certificates(path, &["server", "caller"]);
    init(path);
    let address = free_address();
    let (plain, secure) = (format!("http://{address}"), format!("https://{address}"));
    let ca = Certificate::from_pem(fs::read(path.join("ca.pem")).unwrap());
    let believing = ClientTlsConfig::new().ca_certificate(ca);
    let to = |url: &str, tls: Option<&ClientTlsConfig>| {
        let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
        tls.map_or(endpoint.clone(), |tls| endpoint.tls_config(tls.clone()).unwrap())
    };
    let shown = [("VIGIA_TLS_CERT", "server.pem"), ("VIGIA_TLS_KEY", "server.key")];
    {
        let _served = serve(path, address, &shown).await;
        assert!(answers(to(&secure, Some(&believing))).await);
        assert!(!answers(to(&plain, None)).await, "nothing in the clear");
        let stranger = ClientTlsConfig::new().with_native_roots();
        assert!(!answers(to(&secure, Some(&stranger))).await, "the authority is nobody's");
        // The command line too.
        let doctor = run(
            path,
            &["doctor", "--data", "data", "--listen", &address.to_string()],
            &[&shown[..], &[("VIGIA_TLS_CA", "ca.pem")]].concat(),
        );
        let said = String::from_utf8(doctor.stdout).unwrap();
        assert!(doctor.status.success() && said.contains("is valid until"), "{said}");
    }
    let mutual = [&shown[..], &[("VIGIA_TLS_CLIENT_CA", "ca.pem")]].concat();
    let served = serve(path, address, &mutual).await;
    assert!(!answers(to(&secure, Some(&believing))).await, "a certificate is asked for");
    let identity = Identity::from_pem(
        fs::read(path.join("caller.pem")).unwrap(),
        fs::read(path.join("caller.key")).unwrap(),
    );
    assert!(answers(to(&secure, Some(&believing.identity(identity)))).await);
    drop(served);

    // A key that others can read is refused, before anything is served.
    fs::set_permissions(path.join("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(path, &["serve", "--data", "data", "--listen", "127.0.0.1:0"], &shown);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("chmod 600"));
}

fn get_metrics(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_what_goes_on_and_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (address, admin) = (free_address(), free_address());
    let (listen, admin_text) = (address.to_string(), admin.to_string());
    let variables = [("VIGIA_ADMIN", admin_text.as_str())];
    let doctor = ["doctor", "--data", "data", "--listen", &listen, "-o", "json"];

    // Nothing is there yet.
    let empty = run(path, &doctor, &variables);
    assert_eq!(empty.status.code(), Some(1), "{}", String::from_utf8_lossy(&empty.stdout));

    let refused = run(path, &["serve", "--data", "data", "--listen", &listen], &variables);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), told.contains("vigia init")), (Some(2), true), "{told}");
    assert!(!path.join("data").exists(), "a mistaken directory is not made");
    init(path);
    let served = serve(path, address, &variables).await;
    // On the same data, and on the same address.
    let refused = run(path, &["serve", "--data", "data", "--listen", "127.0.0.1:0"], &[]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        (refused.status.code(), told.contains("serves \"identity\" here already")),
        (Some(2), true),
        "{told}"
    );
    let refused = run(path, &["migrate", "--data", "data"], &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    let refused = run(path, &["serve", "--data", "data", "--listen", &listen], &[]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), told.contains("--listen")), (Some(2), true), "{told}");
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    assert!(answers(endpoint).await);
    let metrics = get_metrics(admin);
    for line in [
        "rpc_method=\"vigia.identity.v1.TokenService/GetJwks\"",
        "rpc_response_status_code=\"OK\"",
        "vigia_journal_position{",
        "vigia_follow_position{",
        "vigia_follow_silence_seconds{",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let good = run(path, &doctor, &variables);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stdout));
    drop(served);

    // Each fault by itself.
    let bad = |what: &str| {
        let told = run(path, &doctor, &variables);
        assert_eq!(told.status.code(), Some(1), "{what}: {}", String::from_utf8_lossy(&told.stdout));
        let findings: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let bad = findings.as_array().unwrap().iter().filter(|finding| finding["outcome"] == "bad");
        assert!(
            bad.into_iter().all(|finding| !finding["remedy"].as_str().unwrap().is_empty()),
            "{findings}"
        );
    };
    let key = path.join("data/keys/vigia-plans.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    bad("a key that others can read");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(path.join("data"), fs::Permissions::from_mode(0o755)).unwrap();
    bad("a directory that others can read");
    fs::set_permissions(path.join("data"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(path.join("data/plans.sqlite"), path.join("away")).unwrap();
    bad("a database that is missing");
    assert!(!path.join("data/plans.sqlite").exists(), "a look makes nothing");
}
