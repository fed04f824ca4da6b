//! General-log entries of the sizes of the `mixed` corpus: median about 385 bytes, mean about 500, at most 2.5 KB, one
//! banner in 250, statements of several lines, escapes, names that are not ASCII.
//!
//! Deterministic. Each entry's PID is its number, so that every one of them can be told apart in the index.

use std::io::Write;

use jiff::Timestamp;

/// A statement of this many bytes gets no further row. None is cut: a server does not do that either.
const STATEMENT_BYTES_FULL: usize = 1_300;

const COLUMNS: [&str; 16] = [
    "id",
    "customer_id",
    "status",
    "total_cents",
    "currency",
    "created_at",
    "updated_at",
    "warehouse_id",
    "carrier",
    "notes",
    "version",
    "email",
    "payload",
    "trace_id",
    "sku",
    "unit_price_cents",
];
const TABLES: [&str; 6] = ["orders", "order_items", "customers", "products", "payments", "shipments"];
const WORDS: [&str; 14] = [
    "sol",
    "tenvar",
    "quashi",
    "Müller",
    "佐藤",
    "O\\'Brien",
    "grantro",
    "it\\'s",
    "C:\\\\tmp",
    "naïve",
    "😀",
    "berfin",
    "goushjo",
    "ixten",
];
/// Stands in front of an entry, or is a log event of its own.
pub(super) const BANNER: &str = "/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:\nTcp port: 3306  Unix socket: \
                      /tmp/mysql.sock\nTime                 Id Command    Argument\n";

/// Writes entries one after the other.
#[derive(Debug)]
pub(super) struct Mixed {
    random: u64,
    written: u64,
    last_us: i64,
}

impl Mixed {
    pub(super) fn new(seed: u64) -> Mixed {
        Mixed { random: seed | 1, written: 0, last_us: 0 }
    }

    /// Entries so far; they have the PIDs from 1 to this number.
    pub(super) fn entries(&self) -> u64 {
        self.written
    }

    /// Adds one entry, stamped `now` or a microsecond after the one before. One in 250 has a banner in front of it.
    pub(super) fn push(&mut self, now: Timestamp, out: &mut Vec<u8>) -> std::io::Result<()> {
        if self.below(250) == 0 {
            out.extend_from_slice(BANNER.as_bytes());
        }
        self.written += 1;
        self.last_us = now.as_microsecond().max(self.last_us + 1);
        let stamp = Timestamp::from_microsecond(self.last_us).unwrap_or(now);
        let mut statement = Vec::with_capacity(512);
        let command = self.statement(&mut statement)?;
        write!(out, "{stamp:.6}\t{:5} {command}\t", self.written)?;
        out.extend_from_slice(&statement);
        out.push(b'\n');
        Ok(())
    }

    fn statement(&mut self, out: &mut Vec<u8>) -> std::io::Result<&'static str> {
        let kind = self.below(100);
        match kind {
            0..41 => self.select(out, if kind < 36 { 14 } else { 24 })?,
            41..58 => self.insert(out)?,
            58..69 => {
                write!(out, "update {} set ", self.pick(&TABLES))?;
                for idx in 0..=self.below(4) {
                    let comma = if idx > 0 { ", " } else { "" };
                    write!(out, "{comma}{}=", self.pick(&COLUMNS))?;
                    self.literal(out)?;
                }
                write!(out, " where id={}", self.below(100_000_000))?;
            }
            69..74 => {
                write!(out, "SELECT\n    a.{},\n", self.pick(&COLUMNS))?;
                writeln!(out, "    SUM(b.{}) AS total  -- per {}", self.pick(&COLUMNS), self.pick(&WORDS))?;
                write!(out, "FROM {} AS a\n\tJOIN {} AS b ON b.id = a.id\n", self.pick(&TABLES), self.pick(&TABLES))?;
                write!(out, "WHERE a.created_at > ")?;
                self.literal(out)?;
                write!(out, "\nGROUP BY a.id\nORDER BY total DESC")?;
            }
            74..84 => write!(out, "SET autocommit={} /* app={} */", self.below(2), self.pick(&WORDS))?,
            84..87 => {
                write!(out, "app_user@10.0.{}.{} on shop using SSL/TLS", self.below(256), self.below(256))?;
                return Ok("Connect");
            }
            87..89 => {
                write!(out, "shop_{}", self.pick(&TABLES))?;
                return Ok("Init DB");
            }
            89..91 => return Ok("Close stmt"),
            91..93 => return Ok("Quit"),
            _ => {
                write!(out, "select {} from {} where id in (0", self.pick(&COLUMNS), self.pick(&TABLES))?;
                for _ in 0..self.below(40) {
                    write!(out, ",{}", self.below(10_000_000))?;
                }
                out.push(b')');
            }
        }
        Ok(if self.below(2) == 0 { "Query" } else { "Execute" })
    }

    fn select(&mut self, out: &mut Vec<u8>, columns: u64) -> std::io::Result<()> {
        let table = self.pick(&TABLES);
        write!(out, "select {table}0_.id")?;
        for idx in 0..4 + self.below(columns) {
            let column = self.pick(&COLUMNS);
            write!(out, ", {table}0_.{column} as {column}{idx}_0_0_")?;
        }
        write!(
            out,
            " from {table} {table}0_ inner join {0} {0}1_ on {0}1_.id={table}0_.id where ",
            self.pick(&TABLES)
        )?;
        write!(out, "{table}0_.{}=", self.pick(&COLUMNS))?;
        self.literal(out)
    }

    fn insert(&mut self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let columns = 3 + self.below(9);
        write!(out, "INSERT INTO `{}` (`id`", self.pick(&TABLES))?;
        for _ in 0..columns {
            write!(out, ", `{}`", self.pick(&COLUMNS))?;
        }
        out.extend_from_slice(b") VALUES ");
        let rows = if self.below(4) == 0 { 2 + self.below(7) } else { 1 };
        for row in 0..rows {
            if out.len() > STATEMENT_BYTES_FULL {
                break;
            }
            write!(out, "{}(1", if row > 0 { ", " } else { "" })?;
            for _ in 0..columns {
                out.extend_from_slice(b", ");
                self.literal(out)?;
            }
            out.push(b')');
        }
        Ok(())
    }

    fn literal(&mut self, out: &mut Vec<u8>) -> std::io::Result<()> {
        match self.below(8) {
            0..3 => write!(out, "{}", self.below(1_000_000)),
            3 => write!(out, "'2022-{:02}-{:02} 08:44:45'", 1 + self.below(12), 1 + self.below(28)),
            4 => write!(out, "NULL"),
            5 => write!(out, "x'{:016X}'", self.next()),
            _ => {
                out.push(b'\'');
                for _ in 0..2 + self.below(10) {
                    write!(out, "{} ", self.pick(&WORDS))?;
                }
                out.push(b'\'');
                Ok(())
            }
        }
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let idx = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(idx).copied().unwrap_or_default()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// xorshift64*: good enough to vary a corpus.
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

#[cfg(test)]
mod tests {
    use hydrant_transform::entry::mysql::general;
    use jiff::Timestamp;

    use super::Mixed;

    #[test]
    fn every_entry_is_a_general_log_entry_of_the_sizes_of_the_corpus() {
        let mut mixed = Mixed::new(42);
        let mut sizes = Vec::new();
        for number in 1..=2_000_u64 {
            let mut text = Vec::new();
            mixed.push(Timestamp::UNIX_EPOCH, &mut text).unwrap();
            let entry = text.strip_prefix(super::BANNER.as_bytes()).unwrap_or(&text);
            let parsed = general::parse(entry).unwrap();
            assert_eq!(parsed.thread_id, number);
            sizes.push(entry.len());
        }
        sizes.sort_unstable();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((400..600).contains(&mean), "mean {mean}");
        assert!((300..470).contains(&sizes[1_000]), "median {}", sizes[1_000]);
        assert!(sizes[1_999] < 2_600, "largest {}", sizes[1_999]);
    }
}
