//! The folder failed/, or the backup, as a loop with a mistake would use it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hydrant::deliver::failed::{Listed, Objects};

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Nothing is put.
    Skipped,
    /// An object is put when the next one should be.
    OneLate,
    UnwritableIgnored,
    NewNames,
}

pub(super) struct Wrong {
    mistake: Mistake,
    inner: Arc<dyn Objects>,
    /// What was said to be put.
    owed: Mutex<Option<(String, Vec<u8>)>>,
    puts: AtomicU64,
}

impl Wrong {
    pub(super) fn new(mistake: Mistake, inner: Arc<dyn Objects>) -> Wrong {
        Wrong { mistake, inner, owed: Mutex::default(), puts: AtomicU64::new(0) }
    }
}

impl Objects for Wrong {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, io::Result<Option<Vec<u8>>>> {
        self.inner.get(key)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, io::Result<Vec<Listed>>> {
        self.inner.list(prefix, after)
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, io::Result<()>> {
        async move {
            if self.mistake == Mistake::Skipped {
                return Ok(());
            }
            if self.mistake == Mistake::OneLate {
                let owed = self.owed.lock().unwrap().replace((key.to_owned(), bytes));
                let Some((key, bytes)) = owed else { return Ok(()) };
                return self.inner.put(&key, bytes).await;
            }
            let number = self.puts.fetch_add(1, Ordering::Relaxed);
            let key = if self.mistake == Mistake::NewNames { format!("{key}-{number}") } else { key.to_owned() };
            let put = self.inner.put(&key, bytes).await;
            if self.mistake == Mistake::UnwritableIgnored { Ok(()) } else { put }
        }
        .boxed()
    }
}
