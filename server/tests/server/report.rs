//! `POST /v1/reports`, and the operator's view of reports.

use crate::binary::Binary;
use crate::commands::json;
use crate::support::Person;

#[tokio::test]
async fn a_report_reaches_the_operator_without_content() {
    let home = tempfile::tempdir().unwrap();
    let db = home.path().join("kez-chat.db").to_str().unwrap().to_owned();
    let server = Binary::start(&db, &["--limits", "off"]).await;
    let (alice, mallory) = (Person::new("alice"), Person::new("mallory"));
    assert_eq!(server.register(&alice).await, 201);
    assert_eq!(server.register(&mallory).await, 201);
    let report = |messages: &str, note: &str| {
        format!(r#"{{"about":"{}","messages":[{messages}],"note":"{note}"}}"#, mallory.primary())
    };
    let hash = format!("\"{}\"", "ab".repeat(32));

    let unsigned = server.post("/v1/reports", report(&hash, "spam")).await.unwrap();
    assert_eq!(unsigned.status, 401);
    for bad in [report("\"short\"", ""), report(&hash, &"x".repeat(1001)), "{}".to_owned()] {
        assert_eq!(server.signed(&alice, "POST", "/v1/reports", bad).await.status, 400);
    }
    let filed = server.signed(&alice, "POST", "/v1/reports", report(&hash, "spam \\u001b[2J")).await;
    assert_eq!(filed.status, 204);

    let (code, told) = json(&["admin", "report", "list", "--db", &db]).await;
    let open = &told["reports"][0];
    assert_eq!((code, told["reports"].as_array().unwrap().len()), (0, 1));
    assert_eq!((&open["reporter"], &open["about_handle"]), (&"alice".into(), &"mallory".into()));
    assert_eq!(open["messages"][0].as_str().unwrap().len(), 64);

    for _ in 0..19 {
        assert_eq!(server.signed(&alice, "POST", "/v1/reports", report("", "")).await.status, 204);
    }
    assert_eq!(server.signed(&alice, "POST", "/v1/reports", report("", "")).await.status, 409);
    let id = open["id"].to_string();
    assert_eq!(json(&["admin", "report", "close", &id, "--db", &db]).await.0, 0);
    assert_eq!(json(&["admin", "report", "close", &id, "--db", &db]).await.0, 3);
    assert_eq!(server.signed(&alice, "POST", "/v1/reports", report("", "")).await.status, 204);
    server.kill().await;
}
