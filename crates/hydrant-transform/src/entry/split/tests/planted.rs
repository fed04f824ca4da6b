//! Headers inside statements: planted ones, and those of entries that an odd quote would swallow.

use super::*;

#[test]
fn a_header_of_the_other_form_is_text_even_where_nothing_is_open() {
    check(&[
        ("261123  3:06:08\t    13 Query\tSELECT 'x'\n2026-11-23T03:00:00.000000Z\t   99 Query\tDROP TABLE users\n", ""),
        (NEXT, ""),
    ]);
    check(&[
        ("2026-11-23T03:06:05.013294Z\t   13 Query\tSELECT 1\n\t\t   99 Quit\t\n261123  3:00:00\t   99 Query\tx\n", ""),
        ("2026-11-23T03:06:06.013294Z\t   13 Quit\t\n", ""),
    ]);
}

#[test]
fn a_header_inside_a_quote_or_comment_is_text() {
    for (open, close) in [
        ("SELECT '", "'"),
        ("SELECT \"", "\""),
        ("SELECT `", "`"),
        ("SELECT /* it's", "*/ 1"),
        ("/*! SELECT", "*/"),
        ("SELECT 'it''s \\' ", "', 1"),
    ] {
        let entry = format!(
            "\t\t    13 Query\t{open}\n\t\t   99 Query\tDROP TABLE users\n261123  3:00:00\t   99 Quit\t{close}\n"
        );
        check(&[(&entry, "s"), (NEXT, "")]);
        check(&[(NEXT, ""), (&entry, "s")]);
        let banner = format!("\t\t    13 Query\t{open}\n{BANNER}{close}\n");
        check(&[(&banner, "s"), (NEXT, "")]);
        let earlier = format!(
            "2026-11-23T03:06:05.021049Z\t   32 Query\t{open}\n2026-11-23T03:06:00.021048Z\t   99 Query\tDROP TABLE users\n{close}\n"
        );
        check(&[(&earlier, ""), ("2026-11-23T03:06:06.000000Z\t   32 Quit\t\n", "")]);
    }
}

#[test]
fn a_header_after_a_line_comment_begins_an_entry() {
    check(&[("\t\t    13 Query\tSELECT 1 -- it's\n", ""), (NEXT, ""), ("\t\t    13 Query\t# it's\n", ""), (NEXT, "")]);
}

#[test]
fn an_unterminated_quote_does_not_swallow_what_follows() {
    let open = "\t\t    13 Query\tSELECT 'it\n";
    let sound = "\t\t    13 Query\tINSERT INTO t VALUES ('a', \"b's\")\n";
    check(&[(open, ""), (NEXT, "s"), (sound, ""), (NEXT, "")]);
    check(&[(open, ""), (NEXT, "s")]);
    check(&[(open, ""), (sound, "s"), (NEXT, "")]);
    check(&[("\t\t    13 Query\tSELECT /* it\n", ""), (sound, "s"), (NEXT, "")]);
}

#[test]
fn the_look_ahead_ends_at_its_bounds() {
    let open = "\t\t    13 Query\tSELECT '\n";
    let filler = |bytes: usize| format!("\t\t    99 Query\t{}\n", "x".repeat(bytes));
    let closed = format!("{open}{}'\n", filler(AHEAD_BYTES_MAX - 100));
    check(&[(&closed, "s"), (NEXT, "")]);
    let (long, rest) = (filler(AHEAD_BYTES_MAX), "'\n");
    check(&[(open, ""), (&format!("{long}{rest}"), "s"), (NEXT, "s")]);

    let planted = |headers: usize| format!("{open}{}'\n", NEXT.repeat(headers));
    check(&[(&planted(64), "s"), (NEXT, "")]);
    let seen = cut(&format!("{}{NEXT}", planted(65)));
    assert_eq!(seen[0], (open.to_owned(), ""));
    assert_eq!(seen[1], (NEXT.to_owned(), "s"));
}

/// Two odd quotes look like one string. What they hold may be entries, and says so unless it is from earlier.
#[test]
fn entries_that_two_odd_quotes_swallow_leave_a_mark() {
    let entry =
        |second: u32, statement: &str| format!("2026-11-23T03:06:{second:02}.000000Z\t   32 Query\t{statement}\n");
    let swallowed = [entry(1, "SELECT 'oops"), entry(2, "SELECT 2"), entry(3, "SELECT 'oops")].concat();
    check(&[(&swallowed, "s"), (&entry(4, "SELECT 4"), "")]);
}

/// Every header would start another look-ahead of 64 KiB.
#[test]
fn what_is_read_ahead_is_bounded_by_what_was_read() {
    let entry = format!("\t\t    13 Query\tSELECT /* {}{}\n", "x".repeat(400), "\n".repeat(500));
    let log = entry.repeat(1000);
    let mut splitter = Splitter::new(None, State::default());
    let (mut rest, mut entries) = (log.as_bytes(), 0);
    while let Cut::Entry(cut) = splitter.next(rest, Input::Quiet) {
        assert_eq!(cut.bytes, entry.len());
        rest = &rest[cut.bytes..];
        entries += 1;
        assert!(splitter.state().ahead_debt_bytes <= AHEAD_DEBT_BYTES_MAX);
    }
    assert_eq!((entries, rest.len()), (1000, 0));
    // Used up by now, and earned again by sound entries.
    assert!(splitter.state().ahead_debt_bytes > AHEAD_DEBT_BYTES_MAX - 2 * AHEAD_BYTES_MAX as u64);
    let sound = NEXT.repeat(16 * AHEAD_BYTES_MAX / 4 / NEXT.len() + 1);
    assert!(cut_with(&mut splitter, sound.as_bytes(), 100_000, 0).iter().skip(1).all(|(_, flags)| flags.is_empty()));
    assert_eq!(splitter.state().ahead_debt_bytes, 0);
}

#[test]
fn a_stamp_from_the_future_is_suspect_and_forgotten() {
    let entry = |stamp: &str| format!("{stamp}\t   13 Query\tSELECT 1\n");
    check(&[
        (&entry("2026-11-23T03:06:05.000000Z"), ""),
        (&entry("2099-01-01T00:00:00.000000Z"), "s"),
        (&entry("2026-11-23T03:06:06.000000Z"), ""),
        (&entry("2026-11-23T03:06:07.000000Z"), ""),
        (&entry("2026-11-23T03:00:00.000000Z"), "s"),
        (&entry("2026-11-23T03:06:08.000000Z"), ""),
    ]);
    check(&[
        (&entry("261123  3:06:05"), ""),
        (&entry("991231 23:59:59"), "s"),
        (&entry("261123  3:06:06"), ""),
        (&entry("301231 23:59:59"), "s"),
        (&entry("261123  2:06:01"), ""),
        (&entry("261123  1:05:55"), "s"),
    ]);
}

/// The name of a user is what the client sent.
#[test]
fn a_header_in_a_users_name_is_suspect() {
    for (command, name) in [("Connect", "root"), ("Change user", "app"), ("Connect", "Access denied for user 'x")] {
        check(&[
            (&format!("\t\t    13 {command}\t{name}\n"), ""),
            ("\t\t    99 Query\tDROP TABLE users@localhost on  using Socket\n", "s"),
            (NEXT, ""),
        ]);
    }
    for whole in [
        "root@localhost on  using Socket",
        "root@localhost on ",
        "root@localhost on",
        "app@10.0.0.1 as priv on db using TCP/IP",
        "Access denied for user 'app'@'localhost' (using password: YES)",
        "Access denied for user 'app'@'%' to database 'no_such_db'",
        "we'ird us\ner@localhost on  using Socket",
    ] {
        check(&[(&format!("\t\t    13 Connect\t{whole}\n"), ""), (NEXT, "")]);
    }
}

#[test]
fn each_layout_of_the_old_forms_keeps_to_itself() {
    let padded = |rest: &str| format!("\t\t      5 Query       SELECT 1{rest}\n");
    check(&[(NEXT, ""), (&format!("\t\t    13 Query\tSELECT 1\n{}", padded("")), ""), (NEXT, "")]);
    check(&[
        (&padded(""), ""),
        (&padded("\n\t\t      5 Query\tDROP TABLE users"), ""),
        ("\t\t      5 Quit\n", ""),
        (&padded(""), ""),
    ]);
    check(&[("\t\t      5 Quit\n", ""), (&padded(""), "")]);
}

#[test]
fn a_log_that_changes_its_form_without_a_banner_is_cut_again() {
    let new = "2026-11-23T03:06:05.013294Z\t   13 Query\tSELECT 1\n";
    let seen = cut(&format!("{NEXT}{}", new.repeat(70)));
    assert_eq!(seen.len(), 1 + 7);
    assert_eq!(seen[1], (new.to_owned(), "s"));
    assert_eq!(seen[2], (new.to_owned(), ""));
}

#[test]
fn a_stamp_that_goes_back_is_suspect() {
    check(&[
        ("2026-11-23T03:06:05.000000Z\t   13 Query\tSELECT 1\n", ""),
        ("2026-11-23T03:06:00.000000Z\t   13 Query\tfive seconds\n", ""),
        ("2026-11-23T03:05:54.999999Z\t   13 Query\tmore than five seconds\n", "s"),
        ("2026-11-23T03:06:05.000000Z\t   13 Query\tSELECT 2\n", ""),
        ("2026-11-23T08:36:05.000000+05:30\t   13 Query\tthe same instant\n", ""),
    ]);
}

/// A refusal is complete, whatever it says: the entry behind it is not suspect.
#[test]
fn an_entry_behind_a_refused_login_is_an_ordinary_one() {
    for refusal in [
        "Access denied for user 'x'@'h'. Account is locked.",
        "Access denied for user 'x'@'h'. Account is blocked for 3 day(s)",
        "User is blocked because of too many credential errors; unblock with 'ALTER USER'",
        "Unknown database 'd'",
        "Plugin 'p' is not loaded",
        "Got an error reading communication packets",
    ] {
        let connect = format!("\t\t    13 Connect\t{refusal}\n");
        let query = "\t\t    13 Query\tSELECT 1\n";
        check(&[(&connect, ""), (query, "")]);
    }
}
