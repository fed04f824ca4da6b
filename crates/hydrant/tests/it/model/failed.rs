//! The model of the folder failed/, and of a backup: objects in memory, with faults and loss of power.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hydrant::deliver::failed::{LISTED_MAX, Listed, Objects};

use super::World;

#[derive(Debug)]
pub(crate) struct Failed {
    world: Arc<World>,
    /// As the log calls it.
    name: &'static str,
    objects: Mutex<BTreeMap<String, Object>>,
}

#[derive(Debug, Default)]
struct Object {
    durable: Option<Vec<u8>>,
    /// A put that is under way: it may survive a loss of power, or not.
    putting: Option<Vec<u8>>,
}

impl Failed {
    pub(crate) fn new(world: Arc<World>) -> Failed {
        Failed { world, name: "failed/", objects: Mutex::default() }
    }

    pub(crate) fn backup(world: Arc<World>) -> Failed {
        Failed { world, name: "backup", objects: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.objects.lock().unwrap()
    }

    pub(crate) fn crash(&self) {
        for object in self.lock().values_mut() {
            if let Some(bytes) = object.putting.take().filter(|_| self.world.chance(500)) {
                object.durable = Some(bytes);
            }
        }
    }

    /// Key and bytes of every durable object.
    pub(crate) fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let objects = self.lock();
        objects.iter().filter_map(|(key, object)| Some((key.clone(), object.durable.clone()?))).collect()
    }

    fn full(&self) -> io::Result<()> {
        if self.world.chance(self.world.faults().unavailable) {
            self.world.note(format!("{} disk full", self.name));
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on the model device"));
        }
        Ok(())
    }
}

impl Objects for Failed {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, io::Result<Option<Vec<u8>>>> {
        async move {
            self.world.step().await;
            self.full()?;
            Ok(self.lock().get(key).and_then(|object| object.durable.clone()))
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, io::Result<()>> {
        async move {
            self.world.step().await;
            self.full()?;
            self.lock().entry(key.into()).or_default().putting = Some(bytes);
            self.world.step().await;
            let mut objects = self.lock();
            let object = objects.get_mut(key).unwrap();
            object.durable = object.putting.take();
            drop(objects);
            self.world.note(format!("put {key}"));
            if self.world.chance(self.world.faults().lost_reply) {
                self.world.note(format!("{} reply lost", self.name));
                return Err(io::Error::other("the reply of the model device was lost"));
            }
            Ok(())
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, io::Result<Vec<Listed>>> {
        async move {
            self.world.step().await;
            self.full()?;
            let begin = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
            let asked = |key: &str| key.starts_with(&begin) && after.is_none_or(|after| key > after);
            let objects = self.objects().into_iter().filter(|(key, _)| asked(key)).take(LISTED_MAX);
            Ok(objects.map(|(key, bytes)| Listed { key, bytes: bytes.len() as u64 }).collect())
        }
        .boxed()
    }
}
