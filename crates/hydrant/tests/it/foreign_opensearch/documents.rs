//! Documents that a real server refuses, each class once among many that it takes: exactly those are in failed/, with the
//! server's own code and their original bytes.

use serde_json::json;

use super::chain::{Chain, Fate};
use crate::server::Server;

const PARSING: Fate = Fate::Failed("mapper_parsing_exception");

const ARGUMENT: Fate = Fate::Failed("illegal_argument_exception");

/// The members of a JSON line, and where it must be.
fn cases() -> Vec<(String, Fate)> {
    let deep = (0..25).fold("1".to_owned(), |inner, _| format!(r#"{{"a":{inner}}}"#));
    let many: Vec<String> = (0..60).map(|field| format!(r#""field{field}":1"#)).collect();
    [
        (r#""n":1"#.to_owned(), Fate::Indexed),
        (r#""n":"17""#.to_owned(), Fate::Indexed),
        // A mapping conflict in each of its forms.
        (r#""n":"words""#.to_owned(), PARSING),
        (r#""n":{"a":1}"#.to_owned(), PARSING),
        (r#""n":99999999999999999999"#.to_owned(), PARSING),
        (r#""o":5"#.to_owned(), PARSING),
        (r#""n.a":1"#.to_owned(), PARSING),
        (r#""d":"2022-13-45""#.to_owned(), PARSING),
        (r#""ip":"foo""#.to_owned(), PARSING),
        (r#""b":"yes""#.to_owned(), PARSING),
        (r#"".a":1"#.to_owned(), PARSING),
        (format!(r#""deep":{deep}"#), PARSING),
        (r#""n":1,"n":2"#.to_owned(), PARSING),
        // An immense term, and one that is just not.
        (format!(r#""k":"{}""#, "x".repeat(32_767)), ARGUMENT),
        (format!(r#""k":"{}""#, "x".repeat(32_766)), Fate::Indexed),
        // More fields than an index may have, and an array of two kinds.
        (many.join(","), ARGUMENT),
        (r#""mixed":["x",1]"#.to_owned(), ARGUMENT),
        (r#""n":2"#.to_owned(), Fate::Indexed),
    ]
    .into_iter()
    .collect()
}

#[tokio::test]
async fn each_document_that_the_server_refuses_is_in_failed_once_and_no_other_is() {
    let server = Server::start("").await;
    let properties = json!({"n": {"type": "long"}, "k": {"type": "keyword"}, "d": {"type": "date"}, "ip": {"type": "ip"},
        "b": {"type": "boolean"}, "o": {"properties": {"a": {"type": "long"}}}});
    let settings = json!({"number_of_shards": 1, "number_of_replicas": 0, "mapping.total_fields.limit": 60});
    server.put("/hydrant-json", json!({"settings": settings, "mappings": {"properties": properties}})).await;
    server
        .put("/hydrant-general", json!({"mappings": {"dynamic": "strict", "properties": {"n": {"type": "long"}}}}))
        .await;
    let mut chain = Chain::start("auto", &format!("endpoint = {:?}\nrotation = \"NoRotation\"\n", server.url));
    for _ in 0..3 {
        for (members, fate) in cases() {
            let line = |number: u64, members: &str| format!(r#"{{"mark":"entry-{number}-",{members}}}"#);
            let next = chain.next();
            chain.append([(line(next, &members), fate), (line(next + 1, r#""n":3"#), Fate::Indexed)]);
        }
    }
    // An index that takes nothing that its mapping does not name.
    let next = chain.next();
    let strict = Fate::Failed("strict_dynamic_mapping_exception");
    chain.append((next..next + 20).map(|number| (super::chain::general(number, 23, ""), strict)));
    chain.reconcile(&server).await;
    let summary = chain.program.stop();
    assert_eq!((&summary["failed"], &summary["waiting"]), (&json!(14 * 3 + 20), &json!(0)), "{summary}");
}
