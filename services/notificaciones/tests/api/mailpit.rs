//! mailpit, a real mail server, as a process of its own: what it took is read back from it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use seedwork_runtime::participant::laws::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running mail server; ends with the test.
pub(crate) struct Mailpit {
    process: Child,
    smtp: u16,
    http: u16,
    client: reqwest::Client,
    _folder: TempDir,
}

/// Where `tools/build mailpit` puts it.
fn binary() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/build");
    let output = Command::new(tools).args(["--where", "mailpit"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

// === impl Mailpit ===

impl Mailpit {
    /// Starts one that takes mail for anyone `@x.co`; `flags` say more.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let path = binary();
        assert!(path.exists(), "mailpit is not built; run: tools/build mailpit");
        let folder = tempfile::tempdir().unwrap();
        // It does not say which port it got: two free ones are found for it.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, two) = (free(), free());
        let (smtp, http) = (one.local_addr().unwrap().port(), two.local_addr().unwrap().port());
        drop((one, two));
        let process = Command::new(path)
            .env_clear()
            .args(["--quiet", "--disable-version-check", "--smtp-disable-rdns"])
            .args([
                "--smtp",
                &format!("127.0.0.1:{smtp}"),
                "--listen",
                &format!("127.0.0.1:{http}"),
            ])
            .args([
                "--smtp-allowed-recipients",
                "@x\\.co$",
                "--chaos-triggers",
                "Recipient:451:0",
            ])
            .arg("--database")
            .arg(folder.path().join("mail.db"))
            .args(flags)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let client = seedwork_runtime::http::client().build().unwrap();
        let server = Self {
            process,
            smtp,
            http,
            client,
            _folder: folder,
        };
        eventually("mailpit", async || {
            let answer = server.client.get(server.page("/readyz")).send().await;
            answer.ok().filter(|answer| answer.status().is_success()).map(drop)
        })
        .await;
        server
    }

    /// Its `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.smtp)
    }

    /// What it took, oldest first: each with its headers and its decoded parts.
    pub(crate) async fn mails(&self) -> Vec<Mail> {
        let list = self.json("/api/v1/messages").await;
        let ids = list["messages"].as_array().unwrap().iter().rev();
        let ids: Vec<_> = ids.map(|mail| mail["ID"].as_str().unwrap().to_owned()).collect();
        let mut mails = Vec::new();
        for id in ids {
            mails.push(Mail {
                body: self.json(&format!("/api/v1/message/{id}")).await,
                headers: self.json(&format!("/api/v1/message/{id}/headers")).await,
            });
        }
        mails
    }

    /// From now on each recipient is answered this; 0 for as usual.
    pub(crate) async fn answer_recipients(&self, code: u16) {
        let chance = if code == 0 { 0 } else { 100 };
        let code = if code == 0 { 451 } else { code };
        let triggers = json!({"Recipient": {"ErrorCode": code, "Probability": chance}});
        let request = self.client.put(self.page("/api/v1/chaos")).json(&triggers);
        assert!(request.send().await.unwrap().status().is_success());
    }

    async fn json(&self, path: &str) -> Value {
        self.client
            .get(self.page(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    fn page(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }
}

impl Drop for Mailpit {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A mail that was taken.
pub(crate) struct Mail {
    body: Value,
    headers: Value,
}

// === impl Mail ===

impl Mail {
    pub(crate) fn to(&self) -> &str {
        self.body["To"][0]["Address"].as_str().unwrap()
    }

    pub(crate) fn from(&self) -> (&str, &str) {
        let from = &self.body["From"];
        (from["Name"].as_str().unwrap(), from["Address"].as_str().unwrap())
    }

    pub(crate) fn subject(&self) -> &str {
        self.body["Subject"].as_str().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        self.body["Text"].as_str().unwrap().trim_end()
    }

    /// A header as it was sent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name][0].as_str().unwrap()
    }
}
