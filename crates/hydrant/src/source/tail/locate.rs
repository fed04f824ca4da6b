//! The files that a path has been rotated to: found, opened, put in order, told apart by their bytes.
//!
//! Beside `NAME` (`STEM.EXT`) are looked for: `NAME.N` and `NAME-N` with a number of up to four digits, `NAME` with a
//! date or time of eight digits or more behind `.`, `-` or `_` (`NAME-20261123`, `NAME.2026-11-23.04`), `NAME.old` and
//! `NAME-old`, and each of these before the extension (`STEM.1.EXT`). The newest [`ROTATED_MAX`] are opened. Compressed
//! ones are not read. Where the path is a symbolic link, its target's neighbours count too.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::mark::{FINGERPRINT_BYTES, Fingerprint};

/// Rotated files of one path that are opened.
pub(super) const ROTATED_MAX: usize = 32;

/// Entries of a folder that are looked at for them.
const FOLDER_ENTRIES_MAX: usize = 100_000;

/// How often a folder is read again because it changed meanwhile.
const LISTINGS_MAX: usize = 5;

/// A number of more digits is a date or a time.
const NUMBER_DIGITS_MAX: usize = 4;

/// Digits of the shortest date that is taken for one.
const DATE_DIGITS_MIN: usize = 8;

/// By so much the times of a file system may be rounded.
const COARSE_NS: i64 = 2_000_000_000;

/// Tells a file from others while it exists, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Nanoseconds since 1970 UTC, where the file system knows it: an inode may be used again.
    pub(super) born_ns: Option<u64>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            born_ns: born.and_then(|age| u64::try_from(age.as_nanos()).ok()),
        }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// Its name when it was opened.
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// When it was last written, as of the last look.
    pub(super) modified_ns: i64,
    /// Its name is `STEM.1.EXT` or the like, where another log may be called so.
    pub(super) named_in_stem: bool,
    /// Not to be read beyond.
    pub(super) limit: Option<u64>,
    /// It was truncated under a writer that may not append.
    pub(super) may_begin_with_hole: bool,
}

impl Opened {
    /// Whether it was written since the last look.
    pub(super) fn is_written(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| length_and_time(&metadata).1 != self.modified_ns)
    }
}

/// Opens a regular file for reading; anything else is named. A FIFO is not opened, since that would wait.
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    Ok(Opened {
        file,
        path: path.to_owned(),
        identity: Identity::of(&metadata),
        modified_ns: length_and_time(&metadata).1,
        named_in_stem: false,
        limit: None,
        may_begin_with_hole: false,
    })
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(())
}

/// Whether a regular file other than this one stands under the path.
pub(super) fn is_replaced(path: &Path, identity: Identity) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && Identity::of(&metadata) != identity)
}

/// Length, and nanoseconds since 1970 UTC of the last write.
pub(super) fn length_and_time(metadata: &Metadata) -> (u64, i64) {
    (metadata.len(), metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()))
}

/// The bytes before a position, [`FINGERPRINT_BYTES`] at most; `None` if the file is shorter.
pub(super) fn before(file: &File, position: u64) -> io::Result<Option<Vec<u8>>> {
    let wanted = usize::try_from(position).unwrap_or(usize::MAX).min(FINGERPRINT_BYTES);
    let mut bytes = vec![0; wanted];
    match file.read_exact_at(&mut bytes, position - wanted as u64) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bytes before the position, if they are the ones that were read. A file that cannot be read is another one.
pub(super) fn matching(opened: &Opened, position: u64, fingerprint: &Fingerprint) -> Option<Vec<u8>> {
    before(&opened.file, position).ok().flatten().filter(|bytes| Fingerprint::of(bytes) == *fingerprint)
}

/// The files that a path was rotated to, oldest first, and last the one under it. Each once, whatever its names.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) files: Vec<Opened>,
    /// The last file is the one under the path.
    has_current: bool,
}

impl Family {
    /// Reads the folder until it stands still, so that a rotation in between hides no file. `others` are logs of their
    /// own, whatever they are called.
    pub(super) fn of(path: &Path, others: &[PathBuf]) -> Family {
        let mut family = listing(path, others);
        for _ in 1..LISTINGS_MAX {
            let again = listing(path, others);
            let names = |family: &Family| -> Vec<_> {
                family.files.iter().map(|opened| (opened.path.clone(), opened.identity)).collect()
            };
            let stands_still = names(&family) == names(&again);
            family = again;
            if stands_still {
                break;
            }
        }
        family
    }

    pub(super) fn place(&self, identity: Identity) -> Option<usize> {
        self.files.iter().position(|opened| opened.identity == identity)
    }

    /// Where the bytes before a position are, in a file other than `not`: the oldest of those that were written since
    /// the bytes were read. A file that was last written before, as after a restore with coarse times, is taken only if
    /// the fingerprint is long enough to be sure.
    pub(super) fn copy(
        &self,
        position: u64,
        fingerprint: &Fingerprint,
        since_ns: i64,
        not: Option<Identity>,
    ) -> Option<usize> {
        let matches =
            |opened: &Opened| not != Some(opened.identity) && matching(opened, position, fingerprint).is_some();
        let younger = self.files.iter().position(|opened| opened.modified_ns >= since_ns && matches(opened));
        younger.or_else(|| if fingerprint.is_full() { self.files.iter().rposition(matches) } else { None })
    }

    /// The files that come after this one. If it is not there any more: those that were written after it.
    pub(super) fn after(mut self, identity: Identity, modified_ns: i64) -> Vec<Opened> {
        match self.place(identity) {
            Some(idx) => self.files.split_off(idx + 1),
            None => self.written_after(modified_ns),
        }
    }

    /// The files that were written later, and in any case the one under the path. Nothing but its name shows that such
    /// a file was ever under the path; where that may be the name of another log, its birth must show it too.
    pub(super) fn written_after(mut self, modified_ns: i64) -> Vec<Opened> {
        let current = if self.has_current { self.files.pop() } else { None };
        let since_ns = u64::try_from(modified_ns.saturating_sub(COARSE_NS)).unwrap_or(0);
        self.files.retain(|opened| {
            let is_younger = opened.identity.born_ns.is_some_and(|born_ns| born_ns >= since_ns);
            opened.modified_ns > modified_ns && (!opened.named_in_stem || is_younger)
        });
        self.files.extend(current);
        self.files
    }
}

fn listing(path: &Path, others: &[PathBuf]) -> Family {
    let mut names = rotated_names(path);
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
        && let Ok(target) = fs::canonicalize(path)
    {
        names.extend(rotated_names(&target));
    }
    names.retain(|rotated| !others.contains(&rotated.path));
    names.sort_by(|a, b| a.age.cmp(&b.age));
    let numbered = names.partition_point(|rotated| !matches!(rotated.age, Age::Numbered(_)));
    if let Some(numbered) = names.get_mut(numbered..).filter(|numbered| count_up(numbered)) {
        numbered.reverse();
    }
    let current = open(path).ok();
    let mut family: Vec<Opened> = Vec::new();
    for name in names.iter().rev() {
        // A name that cannot be opened is no log of this path, or is gone already.
        let Ok(opened) = open(&name.path) else { continue };
        let opened = Opened { named_in_stem: name.in_stem, ..opened };
        let known = family.iter().chain(&current).any(|other| other.identity == opened.identity);
        if !known {
            family.push(opened);
        }
        if family.len() == ROTATED_MAX {
            break;
        }
    }
    family.reverse();
    let has_current = current.is_some();
    family.extend(current);
    Family { files: family, has_current }
}

/// A copy of a folder makes files one after the other, and a rotation never comes so soon after another.
const ROTATION_NANOS_MIN: i64 = 10 * 1_000_000_000;

/// Whether the higher numbers are the newer files, as some tools have it: their times say so more often than not.
fn count_up(numbered: &[Rotated]) -> bool {
    let times: Vec<i64> = numbered
        .iter()
        .filter_map(|rotated| fs::metadata(&rotated.path).ok())
        .map(|metadata| length_and_time(&metadata).1)
        .collect();
    let pairs = || times.iter().zip(times.iter().skip(1));
    let newer = |a: &i64, b: &i64| a.saturating_sub(*b) >= ROTATION_NANOS_MIN;
    let (up, down) = (pairs().filter(|(a, b)| newer(a, b)).count(), pairs().filter(|(a, b)| newer(b, a)).count());
    up > down
}

/// What a name says of the age of a file. Earlier in this order is older.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// A date or a time, as its groups of digits.
    Dated(Vec<u64>),
    Old,
    /// Higher numbers are older, unless the files' times say otherwise.
    Numbered(std::cmp::Reverse<u64>),
}

/// The name of a rotated file.
struct Rotated {
    age: Age,
    path: PathBuf,
    /// Number or date stand before the extension.
    in_stem: bool,
}

fn rotated_names(path: &Path) -> Vec<Rotated> {
    let Some(name) = path.file_name().map(|name| name.as_encoded_bytes()) else { return Vec::new() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().take(FOLDER_ENTRIES_MAX).flatten();
    let rotated = entries.filter_map(|entry| {
        let other = entry.file_name();
        let age = age(name, other.as_encoded_bytes())?;
        let in_stem = !other.as_encoded_bytes().starts_with(name);
        Some(Rotated { age, path: path.with_file_name(other), in_stem })
    });
    rotated.collect()
}

/// Whether a name is that of a rotated file, and of which age.
fn age(name: &[u8], other: &[u8]) -> Option<Age> {
    let behind = other.strip_prefix(name).and_then(suffix_age);
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0);
    behind.or_else(|| {
        let (stem, extension) = name.split_at_checked(dot?)?;
        suffix_age(other.strip_prefix(stem)?.strip_suffix(extension)?)
    })
}

fn suffix_age(suffix: &[u8]) -> Option<Age> {
    let (b'.' | b'-' | b'_', rest) = suffix.split_first()? else { return None };
    if rest == b"old" {
        return Some(Age::Old);
    }
    let plain =
        rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'T' | b'Z'));
    let digits = rest.iter().filter(|byte| byte.is_ascii_digit()).count();
    if !plain || !rest.first()?.is_ascii_digit() {
        return None;
    }
    let groups = rest.split(|byte| !byte.is_ascii_digit()).filter(|group| !group.is_empty());
    let numbers: Vec<u64> = groups.map(|group| std::str::from_utf8(group).ok()?.parse().ok()).collect::<Option<_>>()?;
    match numbers.as_slice() {
        [number] if digits == rest.len() && digits <= NUMBER_DIGITS_MAX => {
            Some(Age::Numbered(std::cmp::Reverse(*number)))
        }
        _ if digits >= DATE_DIGITS_MIN => Some(Age::Dated(numbers)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Family, Fingerprint, age, open};

    fn names(family: &[super::Opened]) -> Vec<String> {
        family.iter().map(|opened| opened.path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn family_of(name: &str, others: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for other in others {
            fs::write(dir.path().join(other), other).unwrap();
        }
        names(&Family::of(&dir.path().join(name), &[]).files)
    }

    #[test]
    fn rotated_files_are_put_in_order_oldest_first() {
        assert_eq!(
            family_of("a.log", &["a.log", "a.log.1", "a.log.10", "a.log.2", "a.log.3.gz", "b.log.1", "a.log.x"]),
            ["a.log.10", "a.log.2", "a.log.1", "a.log"]
        );
        assert_eq!(
            family_of("a.log", &["a.log-20261124", "a.log-20261123", "a.log-20261123.gz", "a.log"]),
            ["a.log-20261123", "a.log-20261124", "a.log"]
        );
        assert_eq!(
            family_of("a.log", &["a.log.2026-11-23.10", "a.log.2026-11-23.9", "a.log"]),
            ["a.log.2026-11-23.9", "a.log.2026-11-23.10", "a.log"]
        );
        assert_eq!(family_of("a.log", &["a-old.log", "a.1.log", "a.log"]), ["a-old.log", "a.1.log", "a.log"]);
        assert_eq!(family_of("general", &["general.1", "general"]), ["general.1", "general"]);
    }

    #[test]
    fn numbers_that_count_up_are_told_by_the_times_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, second| {
            fs::write(dir.path().join(name), name).unwrap();
            let file = fs::OpenOptions::new().append(true).open(dir.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        };
        let order = || names(&Family::of(&dir.path().join("a.log"), &[]).files);
        for number in 1..=3 {
            write(&format!("a.log.{number}"), number * 60);
        }
        write("a.log", 540);
        write("a.log-20261123", 1200);
        assert_eq!(order(), ["a.log-20261123", "a.log.1", "a.log.2", "a.log.3", "a.log"]);
        // As after a copy, whose times say nothing: the usual order.
        for number in 1..=3 {
            write(&format!("a.log.{number}"), 600 + number);
        }
        assert_eq!(order(), ["a.log-20261123", "a.log.3", "a.log.2", "a.log.1", "a.log"]);
        write("a.log.1", 900);
        write("a.log.2", 800);
        assert_eq!(order(), ["a.log-20261123", "a.log.3", "a.log.2", "a.log.1", "a.log"]);
    }

    #[test]
    fn names_that_only_resemble_a_rotated_file_are_left_alone() {
        for other in
            ["a.log.bak", "a.log.gz", "a.log1", "a.log.12345", "a.log-", "a.log.1~", "ab.log", "a.log.1.2", "a.log"]
        {
            assert_eq!(age(b"a.log", other.as_bytes()), None, "{other}");
        }
        assert_eq!(age(b".log", b".1.log"), None);
        assert_eq!(age(b".log", b".log.1"), age(b"x", b"x.1"));
    }

    #[test]
    fn the_newest_of_many_rotated_files_are_opened() {
        let many: Vec<String> = (1..=40).map(|number| format!("a.log.{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = family_of("a.log", &many);
        assert_eq!((found.len(), found[0].as_str(), found[31].as_str()), (32, "a.log.32", "a.log.1"));
    }

    #[test]
    fn the_neighbours_of_a_links_target_count() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::write(real.join("a.log"), "new").unwrap();
        fs::write(real.join("a.log.1"), "old").unwrap();
        symlink(real.join("a.log"), dir.path().join("link.log")).unwrap();
        assert_eq!(names(&Family::of(&dir.path().join("link.log"), &[]).files), ["a.log.1", "link.log"]);
    }

    #[test]
    fn a_file_with_two_names_is_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.log"), "x").unwrap();
        fs::hard_link(dir.path().join("a.log"), dir.path().join("a.log.1")).unwrap();
        assert_eq!(names(&Family::of(&dir.path().join("a.log"), &[]).files), ["a.log"]);
    }

    /// Four files, last written in the seconds 1 to 4.
    fn family(dir: &Path) -> Family {
        let contents = ["taken\nlong ago\n", "taken\nrest\n", "newer\n", "new"];
        for (second, (name, content)) in (1..).zip(["a.log.3", "a.log.2", "a.log.1", "a.log"].iter().zip(contents)) {
            fs::write(dir.join(name), content).unwrap();
            let file = fs::OpenOptions::new().append(true).open(dir.join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        }
        Family::of(&dir.join("a.log"), &[])
    }

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn bytes_that_were_read_are_found_where_they_are_now() {
        let dir = tempfile::tempdir().unwrap();
        let family = family(dir.path());
        let taken = Fingerprint::of(b"taken\n");
        assert_eq!(family.copy(6, &taken, 2 * SECOND, None), Some(1));
        assert_eq!(family.copy(6, &taken, SECOND, None), Some(0));
        assert_eq!(family.copy(6, &taken, SECOND, Some(family.files[0].identity)), Some(1));
        assert_eq!(family.copy(6, &Fingerprint::of(b"other\n"), 0, None), None);
        assert_eq!(family.copy(600, &taken, 0, None), None);
    }

    #[test]
    fn a_file_that_was_not_written_since_is_taken_on_a_long_fingerprint_only() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(2_000);
        fs::write(dir.path().join("a.log.1"), &long).unwrap();
        let family = Family::of(&dir.path().join("a.log"), &[]);
        assert_eq!(family.copy(2_000, &Fingerprint::of(long.as_bytes()), i64::MAX, None), Some(0));
        assert_eq!(family.copy(500, &Fingerprint::of(&long.as_bytes()[..500]), i64::MAX, None), None);
    }

    #[test]
    fn what_comes_after_a_file_is_read_next() {
        let dir = tempfile::tempdir().unwrap();
        let family = family(dir.path());
        let (middle, modified_ns) = (family.files[1].identity, family.files[1].modified_ns);
        assert_eq!(names(&family.after(middle, modified_ns)), ["a.log.1", "a.log"]);
    }

    #[test]
    fn behind_a_file_that_is_gone_come_those_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let gone = family(dir.path()).files.remove(1);
        fs::remove_file(dir.path().join("a.log.2")).unwrap();
        let behind = |since| names(&Family::of(&dir.path().join("a.log"), &[]).after(gone.identity, since));
        assert_eq!(behind(2 * SECOND), ["a.log.1", "a.log"]);
        assert_eq!(behind(9 * SECOND), ["a.log"]);
        assert_eq!(behind(0), ["a.log.3", "a.log.1", "a.log"]);
    }

    #[test]
    fn another_log_is_no_rotated_file_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.log");
        fs::write(&path, "new").unwrap();
        let live = ["db.2.log", "db-old.log", "db.log.7"].map(|name| dir.path().join(name));
        live.iter().for_each(|path| fs::write(path, "live").unwrap());
        let last_write = open(&live[0]).unwrap().modified_ns;
        let behind = |since| names(&Family::of(&path, &live[2..]).written_after(since));
        // Older than the last write to the file that is gone, and written later.
        for path in &live {
            let file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(4_000_000_000)).unwrap();
        }
        assert_eq!(behind(last_write + 10 * SECOND), ["db.log"]);
        // Born after it: a generation that was rotated meanwhile.
        assert_eq!(behind(last_write - 10 * SECOND), ["db-old.log", "db.2.log", "db.log"]);
    }

    #[test]
    fn what_is_no_regular_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(open(dir.path()).unwrap_err().to_string(), "it is a directory");
        assert_eq!(open(Path::new("/dev/null")).unwrap_err().to_string(), "it is not a regular file");
    }
}
