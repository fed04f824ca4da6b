//! Checkpoints of one process: a file for each shard, in a folder of the stream.
//!
//! ```json
//! {"version":1,"start":null,"position":"4954…","state":"eyJ2…","delivered":false}
//! ```
//!
//! `start` is the time to begin at where there is no position (`null`: the oldest record), `state` base64. A file is
//! replaced whole: written beside, made durable, renamed, the folder made durable. `stream.json` names the stream and
//! when it was created, since positions of one that was deleted and made anew mean nothing, and says where its shards
//! begin (`"start":"oldest"`, `"start":{"at":1795435200000}`), durable before the first of their files. Folders of before
//! have no such word: shards that are not in them begin at their oldest record.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::snapshot::{Snapshot, Stored};
use super::{Kept, Listed, Start, check_forward};
use crate::stream::{Checkpoint, Error, Position, ShardId, Standing};

const VERSION: u32 = 1;

const STREAM_FILE: &str = "stream.json";

/// A larger file is not one of ours: a state has 1 MiB at most.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a state may have, as [`Checkpoint`] says.
const STATE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    stream: Arc<Mutex<StreamFile>>,
    shards: Arc<Mutex<BTreeMap<ShardId, Stored>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StreamFile {
    version: u32,
    name: String,
    created_ms: i64,
    /// Where shards begin, once the first ones were seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Start>,
}

#[derive(Serialize, Deserialize)]
struct ShardFile {
    version: u32,
    start: Option<i64>,
    /// `None`: nothing was committed. `Some(None)` cannot be told from it in JSON, hence `state`.
    position: Option<String>,
    state: Option<String>,
    delivered: bool,
}

impl Folder {
    /// Opens the folder of a stream, or makes it.
    pub(crate) fn open(path: &Path, name: &str, created_ms: i64) -> Result<Folder, Error> {
        fs::create_dir_all(path).map_err(|error| io_error("make", path, &error))?;
        let stream = match of_stream(path, name, created_ms)? {
            Some(found) => found,
            None => {
                let new = StreamFile { version: VERSION, name: name.to_owned(), created_ms, start: None };
                write(&path.join(STREAM_FILE), &new)?;
                new
            }
        };
        let shards = Arc::new(Mutex::new(stored(path)?));
        Ok(Folder { path: path.into(), stream: Arc::new(Mutex::new(stream)), shards })
    }

    pub(super) async fn sync(&self, listed: &[Listed], start: Start) -> Result<Vec<Standing>, Error> {
        let is_new = |shard: &Listed| !self.lock().contains_key(&shard.id);
        if listed.iter().any(is_new) {
            self.begin(start).await?;
        }
        let begun = self.stream().start.unwrap_or(Start::Oldest);
        for shard in listed {
            if is_new(shard) {
                let stored = Stored { kept: Kept { start: begun, checkpoint: None }, delivered: false };
                self.put(&shard.id, stored).await?;
            }
        }
        let shards = self.lock();
        let standing = |shard: &Listed| match shards.get(&shard.id) {
            Some(Stored { delivered: true, .. }) => Standing::Delivered,
            Some(Stored { delivered: false, .. }) | None => Standing::Mine { term: 0 },
        };
        Ok(listed.iter().map(standing).collect())
    }

    /// Settles where shards begin: else a crash behind the file of the first one would let the others begin elsewhere.
    async fn begin(&self, start: Start) -> Result<(), Error> {
        let stream = self.stream().clone();
        if stream.start.is_some() || !self.lock().is_empty() {
            return Ok(());
        }
        let begun = StreamFile { start: Some(start), ..stream };
        let (path, file) = (self.path.join(STREAM_FILE), begun.clone());
        let written = tokio::task::spawn_blocking(move || write(&path, &file)).await;
        written.map_err(|error| Error::Retry(format!("writing where shards begin ended early: {error}")))??;
        *self.stream() = begun;
        Ok(())
    }

    pub(super) async fn load(&self, shard: &ShardId) -> Result<Kept, Error> {
        Ok(self.stored(shard)?.kept)
    }

    pub(super) async fn commit(&self, shard: &ShardId, checkpoint: Checkpoint) -> Result<(), Error> {
        let n_bytes = checkpoint.state.len();
        if n_bytes > STATE_BYTES_MAX {
            return Err(Error::Fatal(format!("a checkpoint state of {n_bytes} bytes for {shard}")));
        }
        let Stored { kept, delivered } = self.stored(shard)?;
        check_forward(shard, kept.checkpoint.as_ref(), &checkpoint)?;
        self.put(shard, Stored { kept: Kept { checkpoint: Some(checkpoint), ..kept }, delivered }).await
    }

    pub(super) async fn finish(&self, shard: &ShardId) -> Result<(), Error> {
        let stored = self.stored(shard)?;
        self.put(shard, Stored { delivered: true, ..stored }).await
    }

    fn stored(&self, shard: &ShardId) -> Result<Stored, Error> {
        self.lock().get(shard).cloned().ok_or_else(|| Error::Fatal(format!("no shard {shard}")))
    }

    async fn put(&self, shard: &ShardId, stored: Stored) -> Result<(), Error> {
        let (path, file) = (self.path.join(format!("{shard}.shard.json")), ShardFile::of(&stored));
        let written = tokio::task::spawn_blocking(move || write(&path, &file)).await;
        written.map_err(|error| Error::Retry(format!("writing a checkpoint ended early: {error}")))??;
        self.lock().insert(shard.clone(), stored);
        Ok(())
    }

    fn stream(&self) -> MutexGuard<'_, StreamFile> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardId, Stored>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a folder keeps; makes nothing.
pub(in crate::stream::kinesis) fn snapshot(
    path: &Path,
    name: &str,
    created_ms: i64,
    start: Start,
) -> Result<Snapshot, Error> {
    let (begun, shards) = kept(path, name, created_ms)?;
    let start = begun.unwrap_or(if shards.is_empty() { start } else { Start::Oldest });
    Ok(Snapshot { shards, start })
}

fn kept(path: &Path, name: &str, created_ms: i64) -> Result<(Option<Start>, BTreeMap<ShardId, Stored>), Error> {
    if !path.is_dir() {
        return Ok((None, BTreeMap::new()));
    }
    let stream = of_stream(path, name, created_ms)?;
    Ok((stream.and_then(|stream| stream.start), stored(path)?))
}

/// The positions that a folder keeps, `None` for a shard that is delivered to its end; makes nothing.
pub(in crate::stream::kinesis) fn positions(
    path: &Path,
    name: &str,
    created_ms: i64,
) -> Result<BTreeMap<ShardId, Option<Position>>, Error> {
    let position = |stored: Stored| stored.kept.checkpoint.and_then(|checkpoint| checkpoint.position);
    let shards = kept(path, name, created_ms)?.1.into_iter();
    let begun = shards.filter_map(|(shard, stored)| {
        let delivered = stored.delivered;
        let position = position(stored);
        (delivered || position.is_some()).then(|| (shard, position.filter(|_| !delivered)))
    });
    Ok(begun.collect())
}

/// What the folder says of its stream, which is this one; nothing where it is new.
fn of_stream(path: &Path, name: &str, created_ms: i64) -> Result<Option<StreamFile>, Error> {
    match read::<StreamFile>(&path.join(STREAM_FILE))? {
        Some(found) if found.name != name || found.created_ms != created_ms => Err(Error::Fatal(format!(
            "the stream {name} was created anew since {} was written: its checkpoints mean nothing there; \
             move that folder away to begin from the start",
            path.display()
        ))),
        found => Ok(found),
    }
}

fn stored(path: &Path) -> Result<BTreeMap<ShardId, Stored>, Error> {
    let mut shards = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(|error| io_error("list", path, &error))? {
        let file = entry.map_err(|error| io_error("list", path, &error))?.path();
        let shard = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".shard.json"));
        let Some(shard) = shard.map(|shard| ShardId(shard.to_owned())) else { continue };
        if let Some(found) = read::<ShardFile>(&file)? {
            shards.insert(shard, found.stored(&file)?);
        }
    }
    Ok(shards)
}

impl ShardFile {
    fn of(stored: &Stored) -> ShardFile {
        let checkpoint = stored.kept.checkpoint.as_ref();
        ShardFile {
            version: VERSION,
            start: match stored.kept.start {
                Start::Oldest => None,
                Start::At(ms) => Some(ms),
            },
            position: checkpoint.and_then(|checkpoint| Some(checkpoint.position.as_ref()?.0.clone())),
            state: checkpoint.map(|checkpoint| STANDARD.encode(&checkpoint.state)),
            delivered: stored.delivered,
        }
    }

    fn stored(self, file: &Path) -> Result<Stored, Error> {
        let checkpoint = match self.state {
            None => None,
            Some(state) => {
                let state = STANDARD.decode(state).map_err(|error| damaged(file, &error.to_string()))?;
                Some(Checkpoint { position: self.position.map(Position), state: state.into() })
            }
        };
        let start = self.start.map_or(Start::Oldest, Start::At);
        Ok(Stored { kept: Kept { start, checkpoint }, delivered: self.delivered })
    }
}

/// Reads a file of ours, `None` where there is none.
pub(in crate::stream::kinesis) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, Error> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
            return Err(damaged(path, &format!("it has {} bytes", metadata.len())));
        }
        Ok(_) | Err(_) => fs::read(path).map_err(|error| io_error("read", path, &error))?,
    };
    let parse = |error: serde_json::Error| damaged(path, &error.to_string());
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(parse)?;
    if version > VERSION {
        let path = path.display();
        return Err(Error::Fatal(format!("{path} has version {version}, this program knows versions up to {VERSION}")));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(parse)
}

/// Replaces a file, durably.
pub(in crate::stream::kinesis) fn write<T: Serialize>(path: &Path, content: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec(content).map_err(|error| Error::Fatal(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let replace = || {
        let mut next = tempfile::NamedTempFile::new_in(folder)?;
        next.write_all(&bytes)?;
        next.as_file().sync_all()?;
        next.persist(path)?;
        File::open(folder)?.sync_all()
    };
    replace().map_err(|error| io_error("write", path, &error))
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::Fatal(format!("{} cannot be read: {problem}", path.display()))
}

fn io_error(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::Retry(format!("cannot {action} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn listed(id: &str) -> Listed {
        Listed { id: ShardId(id.into()), parents: Vec::new(), hash_keys: (0, u128::MAX) }
    }

    fn checkpoint(position: &str, state: &'static [u8]) -> Checkpoint {
        Checkpoint { position: Some(Position(position.into())), state: Bytes::from_static(state) }
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let open = || Folder::open(root.path(), "logs", 7).unwrap();
        let (first, child) = (listed("shardId-000000000000"), listed("shardId-000000000001"));
        let folder = open();
        let mine = Standing::Mine { term: 0 };
        assert_eq!(folder.sync(std::slice::from_ref(&first), Start::At(5)).await.unwrap(), [mine]);
        assert_eq!(folder.load(&first.id).await.unwrap(), Kept { start: Start::At(5), checkpoint: None });
        folder.commit(&first.id, checkpoint("9:1", b"\x00state")).await.unwrap();
        let folder = open();
        let both = [first.clone(), child.clone()];
        assert_eq!(folder.sync(&both, Start::At(6)).await.unwrap(), [mine, mine]);
        let kept = folder.load(&first.id).await.unwrap();
        assert_eq!(kept, Kept { start: Start::At(5), checkpoint: Some(checkpoint("9:1", b"\x00state")) });
        // A later shard begins where the first one did: what comes after its parents arrived later.
        assert_eq!(folder.load(&child.id).await.unwrap(), Kept { start: Start::At(5), checkpoint: None });
        let back = folder.commit(&first.id, checkpoint("9:0", b"")).await.unwrap_err();
        assert_eq!(back.to_string(), "shard shardId-000000000000: a checkpoint goes back from 9:1 to 9:0");
        folder.finish(&first.id).await.unwrap();
        assert_eq!(open().sync(&both, Start::Oldest).await.unwrap(), [Standing::Delivered, mine]);
        assert_eq!(
            fs::read_to_string(root.path().join("shardId-000000000000.shard.json")).unwrap(),
            r#"{"version":1,"start":5,"position":"9:1","state":"AHN0YXRl","delivered":true}"#
        );
    }

    #[tokio::test]
    async fn shards_begin_at_one_place_also_where_a_crash_came_between_their_files() {
        let root = tempfile::tempdir().unwrap();
        let open = || Folder::open(root.path(), "logs", 7).unwrap();
        let all = ["shardId-0", "shardId-1", "shardId-2"].map(listed);
        open().sync(&all[..1], Start::At(5)).await.unwrap();
        let told = fs::read_to_string(root.path().join("stream.json")).unwrap();
        assert_eq!(told, r#"{"version":1,"name":"logs","created_ms":7,"start":{"at":5}}"#);
        open().sync(&all, Start::At(9)).await.unwrap();
        let folder = open();
        for shard in &all {
            let expected = Kept { start: Start::At(5), checkpoint: None };
            assert_eq!(folder.load(&shard.id).await.unwrap(), expected);
            assert_eq!(snapshot(root.path(), "logs", 7, Start::At(9)).unwrap().load(&shard.id), expected);
        }
        // A crash before the first file of a shard.
        for shard in &all {
            fs::remove_file(root.path().join(format!("{}.shard.json", shard.id))).unwrap();
        }
        let folder = open();
        folder.sync(&all, Start::Oldest).await.unwrap();
        assert_eq!(folder.load(&all[2].id).await.unwrap().start, Start::At(5));
    }

    #[tokio::test]
    async fn a_folder_of_before_that_says_nothing_of_the_begin_is_gone_on_with() {
        let root = tempfile::tempdir().unwrap();
        let before = r#"{"version":1,"name":"logs","created_ms":7}"#;
        fs::write(root.path().join("stream.json"), before).unwrap();
        let first = r#"{"version":1,"start":5,"position":null,"state":null,"delivered":false}"#;
        fs::write(root.path().join("shardId-0.shard.json"), first).unwrap();
        let folder = Folder::open(root.path(), "logs", 7).unwrap();
        let all = ["shardId-0", "shardId-1"].map(listed);
        folder.sync(&all, Start::At(9)).await.unwrap();
        assert_eq!(folder.load(&all[0].id).await.unwrap().start, Start::At(5));
        assert_eq!(folder.load(&all[1].id).await.unwrap().start, Start::Oldest);
        assert_eq!(fs::read_to_string(root.path().join("stream.json")).unwrap(), before);
    }

    #[test]
    fn a_stream_that_was_made_anew_and_files_of_others_are_refused() {
        let root = tempfile::tempdir().unwrap();
        Folder::open(root.path(), "logs", 7).unwrap();
        let anew = Folder::open(root.path(), "logs", 8).unwrap_err().to_string();
        assert!(anew.starts_with("the stream logs was created anew since "), "{anew}");
        let path = root.path().join("s.shard.json");
        fs::write(&path, r#"{"version":2}"#).unwrap();
        let newer = Folder::open(root.path(), "logs", 7).unwrap_err().to_string();
        let expected = format!("{} has version 2, this program knows versions up to 1", path.display());
        assert_eq!(newer, expected);
        fs::write(&path, "{}").unwrap();
        let damaged = Folder::open(root.path(), "logs", 7).unwrap_err().to_string();
        assert!(damaged.starts_with(&format!("{} cannot be read: ", path.display())), "{damaged}");
    }
}
