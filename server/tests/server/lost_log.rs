//! Requests are answered even if the log cannot be written.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use crate::broker::until;
use crate::support::free_address;

const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_kez-chat-server"), env!("CARGO_BIN_EXE_kez-sig-server")];

async fn answers(address: SocketAddr) -> bool {
    let asked =
        reqwest::Client::new().get(format!("http://{address}/v1/healthz")).timeout(Duration::from_secs(5));
    asked.send().await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn requests_are_answered_when_logging_fails() {
    for program in PROGRAMS {
        for is_full in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let address = free_address();
            let stderr = if is_full {
                Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap())
            } else {
                Stdio::piped()
            };
            let mut child = tokio::process::Command::new(program)
                .env_clear()
                .args(["--bind", &address.to_string(), "--db"])
                .arg(directory.path().join("the.db"))
                .stderr(stderr)
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            // The log has no reader: the other end of the pipe is closed.
            drop(child.stderr.take());
            until(async || answers(address).await).await;
            for request in 0..5 {
                assert!(answers(address).await, "{program}, full: {is_full}, request {request}");
            }
            child.kill().await.unwrap();
        }
    }
}
