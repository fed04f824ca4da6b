//! The table on servers of DynamoDB that we did not write: dynalite and moto.

mod peer;

#[path = "../../../../../../../../tests/ports.rs"]
mod ports;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bytes::Bytes;

use super::row::Item;
use super::*;
use crate::stream::Position;
use peer::Peer;

/// A server may be slow to start, and so may all else on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Never told in an error.
const SECRET: &str = "never-told-in-an-error";

/// Does not expire while a test runs.
const LONG: Duration = Duration::from_secs(900);

/// Expires soon enough to wait for, and not by itself while the machine is busy.
const SHORT: Duration = Duration::from_secs(5);

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn shard(number: u32) -> ShardId {
    ShardId(format!("shardId-{number:012}"))
}

/// Shards without parents.
fn listed(n_shards: u32) -> Vec<Listed> {
    let one = |number| Listed { id: shard(number), parents: Vec::new(), hash_keys: (u128::from(number), u128::MAX) };
    (0..n_shards).map(one).collect()
}

fn checkpoint(position: &str, state: &'static [u8]) -> Checkpoint {
    Checkpoint { position: Some(Position(position.into())), state: Bytes::from_static(state) }
}

/// What is asked until the server answers, as the engine does: a busy one may not in the time that a call has.
async fn answered<T>(what: &str, mut call: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let answer = async || match call().await {
        Ok(answer) => Some(answer),
        Err(Error::Retry(_)) => None,
        Err(error @ (Error::Fatal(_) | Error::Lost(_))) => panic!("{what}: {error:?}"),
    };
    until(what, answer).await
}

async fn open(peer: &Peer, table: &str, worker: &str, lease: Duration) -> Table {
    let settings =
        Settings { table: table.into(), worker: worker.into(), stream: "logs 7".into(), lease, gone_for: LONG };
    answered("a table", async || Table::open(peer.client(), settings.clone()).await).await
}

/// The terms of the shards that a table holds.
async fn mine(table: &Table, listed: &[Listed]) -> BTreeMap<ShardId, u64> {
    let standings = answered("standings", async || table.sync(listed, Start::Oldest).await).await;
    let term = |(shard, standing): (&Listed, Standing)| match standing {
        Standing::Mine { term } => Some((shard.id.clone(), term)),
        Standing::Elsewhere | Standing::Delivered => None,
    };
    listed.iter().zip(standings).filter_map(term).collect()
}

async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As when its process is killed: nothing is renewed or given back any more.
async fn kill(table: &Table) {
    table.tasks.lock().await.shutdown().await;
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err() {
        Error::Retry(problem) => format!("retry: {problem}"),
        Error::Fatal(problem) => format!("fatal: {problem}"),
        Error::Lost(problem) => format!("lost: {problem}"),
    }
}

#[tokio::test]
async fn everything_holds_on_dynalite() {
    Box::pin(everything(Peer::dynalite().await)).await;
}

#[tokio::test]
async fn everything_holds_on_moto() {
    Box::pin(everything(Peer::moto().await)).await;
}

async fn everything(mut peer: Peer) {
    Box::pin(the_table_is_made_once_and_another_is_refused(&peer)).await;
    Box::pin(two_processes_share_the_shards_and_take_over_from_a_dead_one(&peer)).await;
    Box::pin(a_closed_or_dropped_table_gives_its_leases_back(&peer)).await;
    Box::pin(rows_are_as_a_client_library_expects_them(&peer)).await;
    Box::pin(a_row_of_a_client_library_is_taken_over(&peer)).await;
    Box::pin(what_a_client_library_moved_holds(&peer)).await;
    a_shard_whose_row_a_client_library_removed_stays_delivered(&peer).await;
    a_shard_that_was_lost_is_told_once(&peer).await;
    a_process_that_slept_holds_nothing(&peer).await;
    a_shard_that_is_given_up_is_left_to_others(&peer).await;
    shards_begin_where_the_first_did(&peer).await;
    Box::pin(checkpoints_go_on_and_never_back(&peer)).await;
    rows_of_shards_that_are_gone_are_removed(&peer).await;
    an_outage_is_one(&mut peer).await;
}

async fn the_table_is_made_once_and_another_is_refused(peer: &Peer) {
    let opened = tokio::join!(open(peer, "made", "a", LONG), open(peer, "made", "b", LONG));
    let told = peer.client().describe_table().table_name("made").send().await.unwrap().table.unwrap();
    let keys: Vec<(&str, &str)> =
        told.key_schema().iter().map(|key| (key.attribute_name(), key.key_type().as_str())).collect();
    assert_eq!(keys, [("leaseKey", "HASH")]);
    assert_eq!(told.billing_mode_summary.unwrap().billing_mode, Some(BillingMode::PayPerRequest));
    drop(opened);

    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let column = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let request = peer.client().create_table().table_name("orders").billing_mode(BillingMode::PayPerRequest);
    request.key_schema(key).attribute_definitions(column.build().unwrap()).send().await.unwrap();
    let settings =
        Settings { table: "orders".into(), worker: "a".into(), stream: "logs 7".into(), lease: LONG, gone_for: LONG };
    let refused = problem(Table::open(peer.client(), settings).await);
    assert_eq!(refused, "fatal: the table orders has the key `id`, one of leases has `leaseKey`: name another");
}

async fn two_processes_share_the_shards_and_take_over_from_a_dead_one(peer: &Peer) {
    let four = listed(4);
    let (first, second) = (open(peer, "shared", "a", SHORT).await, open(peer, "shared", "b", SHORT).await);
    // Whoever comes first has all, at once.
    assert_eq!(mine(&first, &four).await.into_values().collect::<Vec<u64>>(), [1, 1, 1, 1]);
    for Listed { id, .. } in &four {
        first.commit(id, checkpoint("100", b"first")).await.unwrap();
    }
    let (held, taken) = until("an even share", async || {
        let (of_first, of_second) = (mine(&first, &four).await, mine(&second, &four).await);
        (of_first.len() == 2 && of_second.len() == 2).then_some((of_first, of_second))
    })
    .await;
    assert!(held.keys().all(|shard| !taken.contains_key(shard)));
    assert!(taken.values().all(|term| *term > 1), "{taken:?}");
    for id in taken.keys() {
        assert_eq!(second.load(id).await.unwrap().checkpoint, Some(checkpoint("100", b"first")));
        second.commit(id, checkpoint("200", b"second")).await.unwrap();
        let refused = problem(first.commit(id, checkpoint("300", b"stale")).await);
        assert!(refused.starts_with("lost: "), "{refused}");
    }

    kill(&first).await;
    let all = until("a take-over", async || {
        let all = mine(&second, &four).await;
        (all.len() == 4).then_some(all)
    })
    .await;
    for (id, before) in held {
        assert!(all[&id] > before, "{all:?}");
        assert_eq!(second.load(&id).await.unwrap().checkpoint, Some(checkpoint("100", b"first")));
        second.commit(&id, checkpoint("200", b"second")).await.unwrap();
        let row = peer.row("shared", &id.0).await;
        // It wakes up: by its own clock it has lost the lease, and the table would not take its writes either.
        assert!(problem(first.commit(&id, checkpoint("300", b"stale")).await).starts_with("lost: "));
        assert!(problem(first.load(&id).await).starts_with("lost: "));
        let stale = Kept { start: Start::Oldest, checkpoint: Some(checkpoint("300", b"stale")) };
        let store = &first.shared.store;
        assert!(!store.commit(&id, before, &stale).await.unwrap());
        assert!(!store.finish(&id, before, &[]).await.unwrap());
        assert!(!store.renew(&id, before).await.unwrap());
        assert!(!store.release(&id, before).await.unwrap());
        let mut after = peer.row("shared", &id.0).await;
        after.insert("leaseCounter".into(), row["leaseCounter"].clone());
        assert_eq!(after, row);
        assert_eq!(second.load(&id).await.unwrap().checkpoint, Some(checkpoint("200", b"second")));
    }
}

async fn a_closed_or_dropped_table_gives_its_leases_back(peer: &Peer) {
    let one = listed(1);
    let first = open(peer, "closed", "a", LONG).await;
    assert_eq!(mine(&first, &one).await, BTreeMap::from([(shard(0), 1)]));
    first.close().await;
    assert!(!peer.row("closed", &shard(0).0).await.contains_key("leaseOwner"));
    assert!(problem(first.commit(&shard(0), checkpoint("1", b"")).await).starts_with("lost: "));
    assert_eq!(problem(first.sync(&one, Start::Oldest).await), "retry: the table closed is closed");
    let second = open(peer, "closed", "b", LONG).await;
    assert_eq!(mine(&second, &one).await, BTreeMap::from([(shard(0), 2)]));
    drop(second);
    let third = open(peer, "closed", "c", LONG).await;
    let taken = async || mine(&third, &one).await.into_values().next();
    assert_eq!(until("a lease that was given back", taken).await, 3);
}

async fn rows_are_as_a_client_library_expects_them(peer: &Peer) {
    let parents = vec![shard(0), shard(1)];
    let mut three = listed(2);
    three.push(Listed { id: shard(2), parents: parents.clone(), hash_keys: (0, u128::MAX) });
    let table = open(peer, "rows", "a", LONG).await;
    assert_eq!(mine(&table, &three).await.len(), 3);
    let all = "340282366920938463463374607431768211455";
    let ours = |mut row: Item| {
        // Ours is not for others to read.
        assert!(row.remove("hydrant").is_some());
        row
    };
    let columns = |columns: &[(&str, AttributeValue)]| -> Item {
        columns.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let mut row = ours(peer.row("rows", &shard(2).0).await);
    match row.get_mut("parentShardId") {
        Some(AttributeValue::Ss(parents)) => parents.sort(),
        other => panic!("{other:?}"),
    }
    let new = columns(&[
        ("leaseKey", s(&shard(2).0)),
        ("leaseOwner", s("a")),
        ("leaseCounter", n(1)),
        ("checkpoint", s("TRIM_HORIZON")),
        ("checkpointSubSequenceNumber", n(0)),
        ("ownerSwitchesSinceCheckpoint", n(0)),
        ("parentShardId", AttributeValue::Ss(parents.into_iter().map(|shard| shard.0).collect())),
        ("startingHashKey", s("0")),
        ("endingHashKey", s(all)),
        ("hydrantTerm", n(1)),
    ]);
    assert_eq!(row, new);

    table.commit(&shard(0), checkpoint("4957:3", b"state")).await.unwrap();
    let mut committed = columns(&[
        ("leaseKey", s(&shard(0).0)),
        ("leaseOwner", s("a")),
        ("leaseCounter", n(1)),
        ("checkpoint", s("4957")),
        ("checkpointSubSequenceNumber", n(3)),
        ("ownerSwitchesSinceCheckpoint", n(0)),
        ("startingHashKey", s("0")),
        ("endingHashKey", s(all)),
        ("hydrantTerm", n(1)),
    ]);
    assert_eq!(ours(peer.row("rows", &shard(0).0).await), committed);

    table.finish(&shard(0)).await.unwrap();
    committed.remove("leaseOwner");
    committed.extend(columns(&[
        ("leaseCounter", n(2)),
        ("checkpoint", s("SHARD_END")),
        ("checkpointSubSequenceNumber", n(0)),
        ("childShardIds", AttributeValue::Ss(vec![shard(2).0])),
    ]));
    assert_eq!(ours(peer.row("rows", &shard(0).0).await), committed);
    // Delivered for everyone, and nobody takes it.
    let other = open(peer, "rows", "b", LONG).await;
    for table in [&table, &other] {
        let standings = table.sync(&three, Start::Oldest).await.unwrap();
        assert_eq!(standings[0], Standing::Delivered);
        assert_eq!(table.load(&shard(0)).await.unwrap().checkpoint, Some(checkpoint("4957:3", b"state")));
        assert!(problem(table.commit(&shard(0), checkpoint("5000", b"")).await).starts_with("lost: "));
    }
    assert_eq!(ours(peer.row("rows", &shard(0).0).await), committed);
}

async fn a_row_of_a_client_library_is_taken_over(peer: &Peer) {
    let table = open(peer, "library", "a", SHORT).await;
    let values = [
        (":owner", s("library-1")),
        (":counter", n(12)),
        (":checkpoint", s("4957")),
        (":sub", n(2)),
        (":switches", n(3)),
        (":parents", AttributeValue::Ss(vec!["shardId-gone".into()])),
        (":rate", AttributeValue::N("17.5".into())),
        (":pending", s("4958")),
    ];
    let change = "SET leaseOwner = :owner, leaseCounter = :counter, checkpoint = :checkpoint, \
        checkpointSubSequenceNumber = :sub, ownerSwitchesSinceCheckpoint = :switches, parentShardId = :parents, \
        throughputKBps = :rate, pendingCheckpoint = :pending, pendingCheckpointSubSequenceNumber = :sub, \
        checkpointOwner = :owner";
    peer.write("library", &shard(0).0, change, &values).await;
    // What is no lease of ours is nobody's business.
    peer.write("library", "something else", "SET leaseCounter = :counter", &values[1..2]).await;
    let one = listed(1);
    assert_eq!(table.sync(&one, Start::At(5)).await.unwrap(), [Standing::Elsewhere]);
    let held = until("an expired lease", async || {
        let held = mine(&table, &one).await;
        (!held.is_empty()).then_some(held)
    });
    assert_eq!(held.await, BTreeMap::from([(shard(0), 1)]));
    assert_eq!(table.load(&shard(0)).await.unwrap().checkpoint, Some(checkpoint("4957:2", b"")));
    let taken = peer.row("library", &shard(0).0).await;
    assert_eq!([&taken["leaseOwner"], &taken["ownerSwitchesSinceCheckpoint"]], [&s("a"), &n(4)]);
    assert!(!taken.contains_key("checkpointOwner"));
    table.commit(&shard(0), checkpoint("4960", b"state")).await.unwrap();
    table.close().await;
    let mut row = peer.row("library", &shard(0).0).await;
    assert!(row.remove("leaseCounter").unwrap().as_n().unwrap().parse::<u64>().unwrap() >= 14);
    assert!(row.remove("hydrant").is_some());
    let expected = [
        ("leaseKey", s(&shard(0).0)),
        ("checkpoint", s("4960")),
        ("checkpointSubSequenceNumber", n(0)),
        ("ownerSwitchesSinceCheckpoint", n(0)),
        ("parentShardId", AttributeValue::Ss(vec!["shardId-gone".into()])),
        ("throughputKBps", AttributeValue::N("17.5".into())),
        ("hydrantTerm", n(1)),
    ];
    let expected: Item = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(row, expected);
    assert_eq!(peer.row("library", "something else").await.len(), 2);
}

async fn what_a_client_library_moved_holds(peer: &Peer) {
    let one = listed(1);
    let first = open(peer, "moved", "a", LONG).await;
    assert_eq!(mine(&first, &one).await.len(), 1);
    first.commit(&shard(0), checkpoint("4957:3", b"state")).await.unwrap();
    first.close().await;
    // It leaves our columns.
    let change = "SET checkpoint = :checkpoint, checkpointSubSequenceNumber = :sub, leaseCounter = :counter";
    let values = [(":checkpoint", s("5000")), (":sub", n(1)), (":counter", n(40))];
    peer.write("moved", &shard(0).0, change, &values).await;
    let second = open(peer, "moved", "b", LONG).await;
    assert_eq!(mine(&second, &one).await, BTreeMap::from([(shard(0), 2)]));
    assert_eq!(second.load(&shard(0)).await.unwrap().checkpoint, Some(checkpoint("5000:1", b"")));
    let back = problem(second.commit(&shard(0), checkpoint("4999", b"")).await);
    assert_eq!(back, format!("fatal: shard {}: a checkpoint goes back from 5000:1 to 4999", shard(0)));
}

/// As a KCL does with a shard that was split, once those behind it have begun.
async fn a_shard_whose_row_a_client_library_removed_stays_delivered(peer: &Peer) {
    let mut two = listed(2);
    two[1].parents.push(shard(0));
    let table = open(peer, "removed", "a", LONG).await;
    let change = "SET checkpoint = :checkpoint, leaseCounter = :counter";
    peer.write("removed", &shard(1).0, change, &[(":checkpoint", s("5000")), (":counter", n(1))]).await;
    assert_eq!(mine(&table, &two).await, BTreeMap::from([(shard(1), 1)]));
    assert_eq!(table.sync(&two, Start::Oldest).await.unwrap()[0], Standing::Delivered);
    assert_eq!(table.load(&shard(0)).await.unwrap().checkpoint, None);
    let rows = peer.client().scan().table_name("removed").send().await.unwrap().items.unwrap();
    assert_eq!(rows.iter().map(|row| &row["leaseKey"]).collect::<Vec<_>>(), [&s(&shard(1).0)]);
}

async fn a_shard_that_was_lost_is_told_once(peer: &Peer) {
    let one = listed(1);
    let table = open(peer, "told", "a", LONG).await;
    assert_eq!(mine(&table, &one).await, BTreeMap::from([(shard(0), 1)]));
    table.commit(&shard(0), checkpoint("100", b"")).await.unwrap();
    // Another takes it, moves it on, and gives it back, all unseen by the caller.
    peer.write("told", &shard(0).0, "SET leaseOwner = :owner", &[(":owner", s("library-1"))]).await;
    assert!(!table.shared.store.renew(&shard(0), 1).await.unwrap());
    table.shared.lose(&shard(0), 1);
    assert_eq!(table.sync(&one, Start::Oldest).await.unwrap(), [Standing::Elsewhere]);
    peer.write("told", &shard(0).0, "SET checkpoint = :on REMOVE leaseOwner", &[(":on", s("200"))]).await;
    assert_eq!(mine(&table, &one).await, BTreeMap::from([(shard(0), 2)]));
    assert_eq!(
        problem(table.commit(&shard(0), checkpoint("150", b"")).await),
        format!("lost: the lease on {} was lost", shard(0))
    );
    assert_eq!(table.load(&shard(0)).await.unwrap().checkpoint, Some(checkpoint("200:0", b"")));
    table.commit(&shard(0), checkpoint("201", b"")).await.unwrap();
}

async fn a_process_that_slept_holds_nothing(peer: &Peer) {
    let one = listed(1);
    let table = open(peer, "slept", "a", LONG).await;
    let expire = || table.shared.state().held.get_mut(&shard(0)).unwrap().until = Instant::now();
    assert_eq!(mine(&table, &one).await.len(), 1);
    expire();
    let late = format!("lost: the lease on {} was not renewed in time", shard(0));
    assert_eq!(problem(table.commit(&shard(0), checkpoint("1", b"")).await), late);
    // For the table it is still held by one of this name, who may live.
    assert_eq!(table.sync(&one, Start::Oldest).await.unwrap(), [Standing::Elsewhere]);
    assert_eq!(problem(table.load(&shard(0)).await), format!("lost: the lease on {} is not ours", shard(0)));
    peer.write("slept", &shard(0).0, "REMOVE leaseOwner", &[]).await;
    assert_eq!(mine(&table, &one).await, BTreeMap::from([(shard(0), 2)]));
    expire();
    assert_eq!(table.sync(&one, Start::Oldest).await.unwrap(), [Standing::Elsewhere]);
    assert!(problem(table.load(&shard(0)).await).starts_with("lost: "));
    assert_eq!(peer.row("slept", &shard(0).0).await["checkpoint"], s("TRIM_HORIZON"));
}

async fn a_shard_that_is_given_up_is_left_to_others(peer: &Peer) {
    let two = listed(2);
    let first = open(peer, "given-up", "a", LONG).await;
    assert_eq!(mine(&first, &two).await, BTreeMap::from([(shard(0), 1), (shard(1), 1)]));
    first.give_up(&shard(0));
    let is_free = async || (!peer.row("given-up", &shard(0).0).await.contains_key("leaseOwner")).then_some(());
    until("a lease that is given back", is_free).await;
    assert_eq!(mine(&first, &two).await, BTreeMap::from([(shard(1), 1)]));
    assert!(problem(first.load(&shard(0)).await).starts_with("lost: "));
    let second = open(peer, "given-up", "b", LONG).await;
    assert_eq!(mine(&second, &two).await, BTreeMap::from([(shard(0), 2)]));
    // Nobody has it any more, and still it is not taken again.
    second.close().await;
    for _ in 0..3 {
        assert_eq!(mine(&first, &two).await, BTreeMap::from([(shard(1), 1)]));
    }
    assert!(is_free().await.is_some());
}

async fn shards_begin_where_the_first_did(peer: &Peer) {
    let table = open(peer, "start", "a", LONG).await;
    table.sync(&listed(1), Start::At(5)).await.unwrap();
    table.sync(&listed(2), Start::At(9)).await.unwrap();
    for number in 0..2 {
        let kept = table.load(&shard(number)).await.unwrap();
        assert_eq!(kept, Kept { start: Start::At(5), checkpoint: None });
    }
}

async fn checkpoints_go_on_and_never_back(peer: &Peer) {
    let one = listed(1);
    let first = open(peer, "forward", "a", LONG).await;
    assert_eq!(mine(&first, &one).await.len(), 1);
    first.commit(&shard(0), checkpoint("100:3", b"state")).await.unwrap();
    first.close().await;
    let second = open(peer, "forward", "b", LONG).await;
    assert_eq!(mine(&second, &one).await.len(), 1);
    let back = problem(second.commit(&shard(0), checkpoint("100:2", b"")).await);
    assert_eq!(back, format!("fatal: shard {}: a checkpoint goes back from 100:3 to 100:2", shard(0)));
    assert_eq!(second.load(&shard(0)).await.unwrap().checkpoint, Some(checkpoint("100:3", b"state")));
    // Half of what DynamoDB takes of a row, as it is stored.
    let state: Vec<u8> = (0..120_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let large = Checkpoint { position: Some(Position("101".into())), state: state[..140_000].to_vec().into() };
    second.commit(&shard(0), large.clone()).await.unwrap();
    second.close().await;
    let third = open(peer, "forward", "c", LONG).await;
    assert_eq!(mine(&third, &one).await.len(), 1);
    assert_eq!(third.load(&shard(0)).await.unwrap().checkpoint, Some(large));
}

/// A stream's rows stay as few as its shards, however often it is split.
async fn rows_of_shards_that_are_gone_are_removed(peer: &Peer) {
    let settings = Settings {
        table: "gone".into(),
        worker: "a".into(),
        stream: "logs 7".into(),
        lease: LONG,
        gone_for: Duration::ZERO,
    };
    let all = listed(3);
    let table = Table::open(peer.client(), settings).await.unwrap();
    assert_eq!(mine(&table, &all).await.len(), 3);
    table.commit(&shard(1), checkpoint("7", b"")).await.unwrap();
    table.finish(&shard(0)).await.unwrap();
    table.finish(&shard(2)).await.unwrap();
    // 0 was delivered, and so was 2, which the stream still lists; of 1 something is left, and it was lost.
    let kept = async || {
        mine(&table, &all[2..]).await;
        let rows = table.shared.store.rows().await.unwrap();
        let mut shards: Vec<ShardId> = rows.into_iter().map(|row| row.shard).collect();
        shards.sort();
        shards
    };
    until("the row to go", async || (kept().await == [shard(1), shard(2)]).then_some(())).await;
    assert_eq!(kept().await, [shard(1), shard(2)]);
    let refused = problem(table.shared.store.forget(&shard(1)).await);
    assert!(refused.contains("ConditionalCheckFailedException"), "{refused}");
    assert_eq!(kept().await, [shard(1), shard(2)]);
    table.close().await;
}

async fn an_outage_is_one(peer: &mut Peer) {
    let one = listed(1);
    let table = open(peer, "outage", "a", LONG).await;
    assert_eq!(mine(&table, &one).await.len(), 1);
    peer.client().delete_table().table_name("made").send().await.unwrap();
    let store = Store { client: peer.client(), table: "made".into(), worker: "a".into(), stream: "logs 7".into() };
    let gone = problem(store.commit(&shard(0), 1, &Kept { start: Start::Oldest, checkpoint: None }).await);
    let expected =
        format!("retry: cannot commit the lease on {} in the table made: ResourceNotFoundException", shard(0));
    assert!(gone.starts_with(&expected), "{gone}");
    peer.kill();
    let commit = problem(table.commit(&shard(0), checkpoint("1", b"")).await);
    let expected = format!("retry: cannot commit the lease on {} in the table outage: ", shard(0));
    assert!(commit.starts_with(&expected), "{commit}");
    let sync = problem(table.sync(&one, Start::Oldest).await);
    assert!(sync.starts_with("retry: cannot read the table outage: "), "{sync}");
    assert!(!commit.contains(SECRET) && !sync.contains(SECRET), "{commit} {sync}");
}
