//! Objects of failed/ as they stand in a folder, and what a redelivery does to them.

use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;

use hydrant_transform::document::{Document, DocumentId, Reason};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Encoder, EventFlags, Extra, Header, LogEvent};
use hydrant_transform::record::Options;

use super::super::batch::Offered;
use super::*;
use crate::deliver::Cores;
use crate::index::Addressed;
use crate::stream::Position;

/// 2026-11-23T23:58:00.123Z
const ARRIVAL_MS: i64 = 1_795_478_280_123;

const EVENT_ID: &str = "00000000000000000000000000000000000000000000000000000042";

fn shard() -> ShardId {
    ShardId("shardId-000000000000".into())
}

fn begin() -> Begin {
    Begin { term: 0, after: Some(Position("7".into())), sequence_number: "8".into(), arrival_ms: ARRIVAL_MS }
}

fn record(data: Vec<u8>) -> Record {
    Record {
        position: Position("8".into()),
        sequence_number: "8".into(),
        arrival_ms: ARRIVAL_MS,
        partition_key: "key".into(),
        explicit_hash_key: None,
        data: data.into(),
    }
}

fn event() -> LogEvent {
    LogEvent {
        extra: Extra::default(),
        id: EVENT_ID.into(),
        timestamp_ms: 1_795_478_279_000,
        message: br#"{"n":"x"}"#.to_vec(),
        flags: EventFlags::default(),
    }
}

fn envelope() -> Vec<u8> {
    let mut encoder = Encoder::new(&Header {
        owner: "000000000000".into(),
        log_group: "/hydrant/tail".into(),
        log_stream: "general.log".into(),
        subscription_filters: vec!["all".into()],
    });
    encoder.push(&LogEvent { id: EVENT_ID.replace("42", "41"), ..event() });
    encoder.push(&event());
    encoder.seal()
}

fn failure(id: &str) -> Failure {
    Failure {
        id: DocumentId::from(id.to_owned()),
        ordinal: 0,
        format: None,
        reason: Reason::new("Hydrant.GzipDamaged", "gzip data is damaged"),
        event_idx: None,
    }
}

fn rejected(id: &str) -> Rejected {
    let document = Document {
        id: DocumentId::from(id.to_owned()),
        format: Format::Json,
        timestamp_ms: 1_795_478_279_000,
        ordinal: 3,
        source: br#"{"n":"x"}"#.to_vec(),
        event_idx: 1,
    };
    let addressed = Addressed { index_name: "hydrant-json-2026-11-23".into(), document };
    let reason = Reason::new("mapper_parsing_exception", "failed to parse field [n]");
    Rejected { offered: Offered { addressed, from: CameFrom::Record(0) }, reason, attempts: 2 }
}

fn render(
    data: Vec<u8>,
    lost: Vec<(CameFrom, Failure)>,
    rejected: Vec<Rejected>,
    earlier: Earlier,
) -> (Put, Vec<(Kind, String)>) {
    let losses = Losses { records: vec![record(data)], lost, rejected, earlier };
    let (put, objects) = losses.render(&shard(), &Options::default(), 1_795_478_281_000);
    (put, objects.into_iter().map(|(kind, bytes)| (kind, String::from_utf8(bytes).unwrap())).collect())
}

#[test]
fn the_key_is_firehose_s_and_depends_on_the_place_only() {
    let key_of = |begin: &Begin| key(Kind::Index, &shard(), begin);
    let name = key_of(&begin());
    let (time, uuid) = name.split_at(name.len() - 36);
    assert_eq!(time, "AmazonOpenSearchService-failed/2026/11/23/23/hydrant-1-2026-11-23-23-58-00-");
    assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert_eq!(name, key_of(&begin()));
    assert_ne!(name, key_of(&Begin { after: None, ..begin() }));
    assert_eq!(
        key(Kind::Processing, &shard(), &begin()),
        name.replace("AmazonOpenSearchService-failed", "processing-failed")
    );
}

#[test]
fn a_record_that_cannot_be_decoded_is_kept_as_it_came() {
    let (put, objects) =
        render(vec![0x1f, 0x8b, 0xff], vec![(CameFrom::Record(0), failure("aa"))], Vec::new(), Earlier::default());
    assert_eq!(put, Put { added: 1, repeated: 0 });
    // `H4v/` is base64 of the bytes 1f 8b ff.
    let line = concat!(
        r#"{"rawData":"H4v/","errorCode":"Hydrant.TransformFailed","errorMessage":"gzip data is damaged","#,
        r#""attemptsMade":1,"arrivalTimestamp":1795478280123,"attemptEndingTimestamp":1795478281000,"#,
        r#""esDocumentId":"aa","ordinal":0,"format":null,"reasonCode":"Hydrant.GzipDamaged"}"#,
        "\n"
    );
    assert_eq!(objects, [(Kind::Processing, line.to_owned())]);
}

#[test]
fn a_rejected_document_carries_an_envelope_of_its_event_alone() {
    use base64::Engine as _;
    let (put, objects) = render(envelope(), Vec::new(), vec![rejected("bb")], Earlier::default());
    assert_eq!(put, Put { added: 1, repeated: 0 });
    let [(Kind::Index, line)] = objects.as_slice() else { panic!("{objects:?}") };
    let (before, rest) = line.split_once(r#","rawData":""#).unwrap();
    let (raw_data, after) = rest.split_once('"').unwrap();
    assert_eq!(
        before,
        concat!(
            r#"{"attemptsMade":2,"arrivalTimestamp":1795478280123,"errorCode":"400","#,
            r#""errorMessage":"failed to parse field [n]","attemptEndingTimestamp":1795478281000,"#,
            r#""esDocumentId":"bb","esIndexName":"hydrant-json-2026-11-23","esTypeName":"""#
        )
    );
    assert_eq!(after, concat!(r#","ordinal":3,"format":"json","reasonCode":"mapper_parsing_exception"}"#, "\n"));

    let raw = base64::engine::general_purpose::STANDARD.decode(raw_data).unwrap();
    let source = hydrant_transform::record::RecordSource { shard: "", sequence_number: "", arrival_ms: 0 };
    let again = hydrant_transform::record::transform(&raw, source, &Options::default());
    assert_eq!(again.events, [event()]);
    let origin = again.origin(0).unwrap();
    assert_eq!((origin.owner.as_str(), origin.log_group.as_str()), ("000000000000", "/hydrant/tail"));
}

#[test]
fn a_redelivery_keeps_what_is_there_and_adds_only_what_is_new() {
    let (_, objects) = render(
        vec![1],
        vec![(CameFrom::Record(0), failure("aa")), (CameFrom::Record(0), failure("bb"))],
        Vec::new(),
        Earlier::default(),
    );
    let first = objects[0].1.clone();
    let earlier = || Earlier {
        processing: first.clone().into_bytes(),
        index: Vec::new(),
        ids: HashSet::from(["aa".to_owned(), "bb".to_owned()]),
    };

    let (put, objects) = render(vec![1], vec![(CameFrom::Record(0), failure("bb"))], Vec::new(), earlier());
    assert_eq!((put, objects), (Put { added: 0, repeated: 1 }, Vec::new()));

    let (put, objects) = render(
        vec![1],
        vec![(CameFrom::Record(0), failure("bb")), (CameFrom::Record(0), failure("cc"))],
        Vec::new(),
        earlier(),
    );
    assert_eq!(put, Put { added: 1, repeated: 1 });
    let text = &objects[0].1;
    assert!(text.starts_with(&first), "the old lines stay");
    let ids: Vec<String> = text.lines().map(|line| serde_json::from_str::<Id>(line).unwrap().id).collect();
    assert_eq!(ids, ["aa", "bb", "cc"]);
}

#[tokio::test]
async fn objects_are_whole_private_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("failed");
    let store = Store::directory(&root).unwrap();
    assert!(store.earlier(&shard(), &begin()).await.unwrap().ids.is_empty());

    let (_, objects) =
        render(vec![1], vec![(CameFrom::Record(0), failure("aa"))], vec![rejected("bb")], Earlier::default());
    for (kind, text) in objects {
        store.objects.put(&key(kind, &shard(), &begin()), text.into_bytes()).await.unwrap();
    }
    let earlier = store.earlier(&shard(), &begin()).await.unwrap();
    assert_eq!(earlier.ids, HashSet::from(["aa".to_owned(), "bb".to_owned()]));

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let object = root.join(key(Kind::Processing, &shard(), &begin()));
    assert_eq!(mode(&object), 0o600);
    for parent in object.ancestors().skip(1).take(6) {
        assert_eq!(mode(parent), 0o700, "{}", parent.display());
    }
    assert_eq!(std::fs::read_dir(root.join(".tmp")).unwrap().count(), 0);
}

#[test]
fn what_a_crash_left_unfinished_is_removed_and_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    drop(Directory::open(folder.path()).unwrap());
    std::fs::write(folder.path().join(".tmp/processing-failed-hydrant-1-x"), "{\"rawDa").unwrap();
    drop(Directory::open(folder.path()).unwrap());
    assert_eq!(std::fs::read_dir(folder.path().join(".tmp")).unwrap().count(), 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("hydrant-failed.json")).unwrap(), "{\"version\":1}\n");
}

#[test]
fn a_folder_of_a_newer_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("hydrant-failed.json");
    std::fs::write(&marker, "{\"version\":2}").unwrap();
    let error = Directory::open(folder.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{} has version 2, this program knows versions up to 1", marker.display()));
    std::fs::write(&marker, "hello").unwrap();
    let error = Directory::open(folder.path()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} is no folder of objects: ", marker.display())), "{error}");
}

#[tokio::test]
async fn work_on_other_threads_gives_the_same_as_in_place() {
    assert_eq!(Cores::Inline.run(|| 7).await, 7);
    assert_eq!(Cores::Spread(NonZeroUsize::MIN).run(|| 7).await, 7);
}

#[tokio::test]
async fn a_folder_lists_its_objects_by_prefix_in_the_order_of_their_keys_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::directory(folder.path()).unwrap();
    let mut keys = vec!["a/b/x".to_owned(), "a/b-c".to_owned(), "a/b/y".to_owned(), "b".to_owned(), "ab/z".to_owned()];
    keys.extend((0..LISTED_MAX).map(|idx| format!("many/{idx:04}")));
    for key in &keys {
        store.objects.put(key, key.clone().into_bytes()).await.unwrap();
    }
    let listed = async |prefix: &str, after: Option<&str>| {
        let listed = store.list(prefix, after).await.unwrap();
        listed.into_iter().map(|listed| (listed.key, listed.bytes)).collect::<Vec<_>>()
    };
    let of = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), key.len() as u64)).collect::<Vec<_>>();
    // `-` comes before `/`.
    assert_eq!(listed("a", None).await, of(&["a/b-c", "a/b/x", "a/b/y"]));
    assert_eq!(listed("a/b", None).await, of(&["a/b/x", "a/b/y"]));
    assert_eq!(listed("a", Some("a/b/x")).await, of(&["a/b/y"]));
    assert_eq!(listed("a", Some("a/b/y")).await, of(&[]));
    assert_eq!(listed("none", None).await, of(&[]));
    keys.sort();
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = store.list("", all.last().map(String::as_str)).await.unwrap();
        assert!(page.len() <= LISTED_MAX);
        if page.is_empty() {
            break;
        }
        all.extend(page.into_iter().map(|listed| listed.key));
    }
    assert_eq!(all, keys);
}
