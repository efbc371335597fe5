//! The program itself: `doorward serve` and its signals.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::support::raw;

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
reload_on_change = false
public_url = "https://login.example.com"
trusted_proxies = [{ networks = ["127.0.0.1/32"], target_headers = "x-original" }]

[logging]
format = "json"

[storage]
sqlite = "doorward.db"
sealing_keys = [{ env = "SEALING_KEY" }]

[[tenants]]
id = "acme"

[[tenants.providers]]
id = "main"
preset = "oidc"
issuer = "https://sso.example.com"
client_id = "doorward"

[[tenants.apps]]
id = "wiki"
hosts = ["wiki.example.com"]
allow = { public = true }
"#;

/// `doorward serve` with a folder of its own. Killed when the test ends.
struct Process {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    log: Lines<BufReader<ChildStderr>>,
    _out: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("doorward.toml");
        fs::write(&file, CONFIGURATION).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(["serve", "--config"])
            .arg(&file)
            .env(
                "SEALING_KEY",
                "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program");
        let log = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = soon(out.next_line()).await.expect("read").expect("a line");
        let (_, address) = first.split_once("listens on http://").expect("an address");
        Self {
            address: address.parse().expect("an address"),
            folder,
            child,
            log,
            _out: out,
        }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("doorward.toml"), text).expect("written");
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", name, &id]).status().await;
        assert!(sent.expect("kill").success());
    }

    /// The next log line with this event.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let line = soon(self.log.next_line())
                .await
                .expect("read")
                .expect("a line");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if line["event"] == name {
                return line;
            }
        }
    }

    async fn check(&self, host: &str) -> StatusCode {
        let url = format!("https://{host}/");
        let headers = [
            ("host", host),
            ("x-original-url", &*url),
            ("x-original-method", "GET"),
        ];
        let answer = raw::get(self.address, "/oauth2/auth", &headers).await;
        answer.status()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, what).await.expect("in time")
}

#[tokio::test]
async fn sighup_reads_the_configuration_again() {
    let mut process = Process::start().await;
    assert_eq!(
        process.check("wiki.example.com").await,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        process.check("blog.example.com").await,
        StatusCode::FORBIDDEN
    );
    process.write(&CONFIGURATION.replace("wiki.example.com", "blog.example.com"));
    process.signal("HUP").await;
    let line = process.event("configuration_reloaded").await;
    assert_eq!(line["trigger"], "signal");
    assert_eq!(
        process.check("wiki.example.com").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        process.check("blog.example.com").await,
        StatusCode::ACCEPTED
    );

    process.write("half of");
    process.signal("HUP").await;
    process.event("configuration_refused").await;
    assert_eq!(
        process.check("blog.example.com").await,
        StatusCode::ACCEPTED
    );

    process.signal("TERM").await;
    let ended = soon(process.child.wait()).await.expect("an end");
    assert_eq!(ended.code(), Some(0));
}
