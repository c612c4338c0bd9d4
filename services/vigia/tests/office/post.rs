//! Real mail servers in a process of their own (`tests/alerts/servers.py`), which can be told to misbehave.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

pub(crate) struct Post {
    child: Child,
    ports: Value,
}

impl Drop for Post {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Post {
    /// Starts them; with TLS where there are a certificate and its key.
    pub(crate) fn start(certificate: &[&Path]) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join("tests/.venv/bin/python");
        assert!(python.exists(), "{} is missing: tests/run installs it", python.display());
        let mut command = Command::new(python);
        command.arg(root.join("tests/alerts/servers.py")).args(certificate);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self {
            child,
            ports: serde_json::from_str(&line).unwrap(),
        }
    }

    /// The port of `smtp`, `starttls` or `smtps`.
    pub(crate) fn port(&self, way: &str) -> u64 {
        self.ports[way].as_u64().unwrap()
    }

    /// How to behave from now on.
    pub(crate) fn behave(&self, how: &Value) {
        self.http("PUT /behave", &how.to_string());
    }

    /// All messages that came, once so many have.
    pub(crate) fn messages(&self, count: usize) -> Vec<Value> {
        let all: Value = serde_json::from_str(&self.http(&format!("GET /received?messages={count}"), "")).unwrap();
        all["messages"].as_array().unwrap().clone()
    }

    /// Takes what comes, of everybody.
    pub(crate) fn accept(&self) {
        self.behave(&json!({"smtp": "accept", "refuse": []}));
    }

    fn http(&self, what: &str, body: &str) -> String {
        let address = format!("127.0.0.1:{}", self.port("http"));
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("{what} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        body.to_owned()
    }
}
