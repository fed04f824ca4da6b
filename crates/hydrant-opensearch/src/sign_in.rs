//! A password that lies in a file: read again after a refusal, so that one that was changed needs no restart.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

/// After a refusal the file is read again, but not more often than this.
const READ_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// A file that is longer holds no password.
const PASSWORD_BYTES_MAX: u64 = 64 * 1024;

/// A user, and the password that its file holds.
pub struct PasswordFile {
    user: String,
    path: PathBuf,
    kept: Mutex<Kept>,
}

struct Kept {
    header: Option<HeaderValue>,
    /// When the file was read.
    at: Instant,
    refused: bool,
}

impl PasswordFile {
    /// # Errors
    /// The file cannot be read.
    pub fn open(user: String, path: PathBuf) -> Result<PasswordFile, String> {
        let header = basic(&user, &read(&path)?);
        Ok(PasswordFile { user, path, kept: Mutex::new(Kept { header, at: Instant::now(), refused: false }) })
    }

    /// The sign-in of a request.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut kept = self.kept();
        if kept.refused && kept.at.elapsed() >= READ_AT_MOST_EVERY {
            kept.at = Instant::now();
            // Where there is none now, one may be on its way.
            if let Ok(password) = read(&self.path) {
                kept.header = basic(&self.user, &password);
                kept.refused = false;
            }
        }
        kept.header.clone()
    }

    /// The server takes this password no more, as it seems.
    pub(crate) fn was_refused(&self) {
        self.kept().refused = true;
    }

    /// Read and changed whole under the lock, so a panic elsewhere leaves it in order.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file's text without the end of its line.
fn read(path: &Path) -> Result<String, String> {
    let problem = |why: &dyn std::fmt::Display| format!("the password file {} cannot be read: {why}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| problem(&error))?;
    file.take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| problem(&error))?;
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(problem(&"it is too long for a password"));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Base64 can stand in a header, so there always is one.
pub(crate) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_again_after_a_refusal_and_not_more_often_than_every_ten_seconds() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("open sesame\r\n");
        let password = PasswordFile::open("Aladdin".to_owned(), file.path().to_owned()).unwrap();
        let told = || password.header().unwrap().to_str().unwrap().to_owned();
        // The first as RFC 7617 shows it.
        let (old, new) = ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxhZGRpbjpuZXc=");
        assert_eq!(told(), old);
        write("new\n");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(told(), old, "nobody has refused it");
        password.was_refused();
        assert_eq!(told(), new);
        write("open sesame");
        password.was_refused();
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert_eq!(told(), new, "it was read less than ten seconds ago");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(told(), old);
        // A file that is not there for a moment leaves the password as it is.
        std::fs::remove_file(file.path()).unwrap();
        password.was_refused();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(told(), old);
        write("new");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(told(), new);
    }

    #[test]
    fn a_file_that_holds_no_password_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 65_537]).unwrap();
        for path in [file.path().to_owned(), "/no/such/file".into()] {
            let problem = PasswordFile::open("u".to_owned(), path.clone()).err().unwrap();
            assert!(
                problem.starts_with(&format!("the password file {} cannot be read: ", path.display())),
                "{problem}"
            );
        }
    }
}
