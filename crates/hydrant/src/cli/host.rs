//! The name of this machine, which enters the ids of a log's events, so that two hosts' logs stay apart.

pub(super) fn name() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_error| std::fs::read_to_string("/etc/hostname"));
    name.map_or_else(|_error| "localhost".to_owned(), |name| name.trim().to_owned())
}
