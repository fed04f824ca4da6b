"""A real MariaDB writes its logs; what a client sent is found by search with its exact text."""

import os
import shutil
import socket
import subprocess
import threading
from collections import namedtuple

import pymysql
import pytest
from opensearchpy import OpenSearch

from hydrant import AS_LOGGED, Hydrant, until

STATEMENTS = [
    "SELECT 1",
    "SELECT *\n  FROM information_schema.tables\n\n WHERE table_name = 'x'\n   AND 1 = 0",
    "SELECT 'quote''s', \"double\", 'back\\\\slash' AS `odd name`",
    "SELECT 'héllo 世界 😀' AS emoji",
    "SELECT 'nul\x00inside' AS n",
    "SELECT 'tab\there', 'cr\r\nlf'",
    "SELECT 'planted legacy header\n261123  3:00:00\t   99 Query\tDROP TABLE users\n\t\t   99 Quit\t'",
    "SELECT 'planted stampless header\n\t\t    99 Query\tDROP TABLE users'",
    "/* planted in a comment\n\t\t    98 Query\tDROP TABLE accounts\n*/ SELECT 2",
    "SELECT 'planted ISO header\n2026-11-23T03:00:00.000000Z\t   99 Query\tDROP TABLE users'",
    "select 3 -- trailing comment",
    "SELECT '<script>alert(1)</script>'",
    "/* ApplicationName=x */ SELECT 'a' FROM dual WHERE 'information_schema.rds_events_threads_waits_current' <> ''",
]


Server = namedtuple("Server", "connect general slow error")


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory):
    server = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    assert os.path.exists(server), "no mariadbd: ./test installs Debian's mariadb-server"
    base = tmp_path_factory.mktemp("mariadb")
    data, log, slow, error, sock = base / "data", base / "general.log", base / "slow.log", base / "error.log", base / "s"
    user = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db", *user],
        check=True, stdout=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [server, "--no-defaults", f"--datadir={data}", f"--socket={sock}", f"--port={port}", "--bind-address=127.0.0.1",
         "--general-log=1", "--log-output=FILE", f"--general-log-file={log}", "--slow-query-log=1", "--long-query-time=0",
         f"--slow-query-log-file={slow}", f"--log-error={error}", "--innodb-print-all-deadlocks=1",
         "--character-set-server=utf8mb4", *user],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def connect():
        try:
            return pymysql.connect(unix_socket=str(sock), user="root", charset="utf8mb4")
        except pymysql.err.OperationalError:
            assert process.poll() is None, "mariadbd ended"
            return None

    until(connect, 60).close()
    yield Server(connect, log, slow, error)
    process.terminate()
    process.wait(30)


def test_what_a_client_sent_is_found_with_its_exact_text(mariadb, tmp_path):
    connect, log = mariadb.connect, mariadb.general
    with Hydrant(tmp_path / "data", log, config=AS_LOGGED) as hydrant:
        connection = connect()
        thread = connection.thread_id()
        with connection.cursor() as cursor:
            for statement in STATEMENTS:
                cursor.execute(statement.replace("%", "%%"))
                cursor.fetchall()
            with pytest.raises(pymysql.err.Error):
                cursor.execute("SELEC 'unterminated")
            cursor.execute("SELECT 'after the unterminated one'")
        connection.close()
        client = OpenSearch(hydrant.rest)
        query = {"bool": {"filter": [{"term": {"PID": thread}}, {"term": {"Perform": "Query"}}]}}
        expected = STATEMENTS + ["SELEC 'unterminated", "SELECT 'after the unterminated one'"]

        def statements():
            body = {"query": query, "size": 1000, "sort": [{"Time": {"order": "asc", "unmapped_type": "date"}}, {"event_id": {"unmapped_type": "keyword"}}]}
            hits = client.search(index="hydrant-general-*", body=body)["hits"]["hits"]
            texts = [hit["_source"]["Statement"] for hit in hits]
            return [text for text in texts if not text.startswith("SET ")]

        until(lambda: len(statements()) >= len(expected))
        assert statements() == expected
        found = client.search(index="hydrant-*", q="DROP AND NOT planted")["hits"]["hits"]
        assert found == [], "a planted header became an entry"
        for q in ("Statement:information_schema", "Statement:information_schema.rds_events_threads_waits_current"):
            hits = client.search(index="hydrant-*", q=f"{q} AND PID:{thread} AND Statement:ApplicationName")["hits"]["hits"]
            assert [hit["_source"]["Statement"] for hit in hits] == [STATEMENTS[-1]], q
        code, summary = hydrant.stop()
        assert code == 0 and summary["failed"] == 0, summary


def test_passwords_that_the_server_logs_in_clear_are_nowhere_in_the_index(mariadb, tmp_path):
    connect, log = mariadb.connect, mariadb.general
    statements = {
        "CREATE USER IF NOT EXISTS 'u1'@'%' IDENTIFIED BY 'Zq7''one'": "CREATE USER IF NOT EXISTS 'u1'@'%' IDENTIFIED BY <secret>",
        "SET PASSWORD FOR 'u1'@'%' = PASSWORD('Zq7two')": "SET PASSWORD FOR 'u1'@'%' = PASSWORD(<secret>)",
        "ALTER USER 'u1'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD(\"Zq7three\")":
            "ALTER USER 'u1'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD(<secret>)",
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_USER='u1', MASTER_PASSWORD='Zq7four'":
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_USER='u1', MASTER_PASSWORD=<secret>",
        "CREATE OR REPLACE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h', PASSWORD 'Zq7five')":
            "CREATE OR REPLACE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h', PASSWORD <secret>)",
    }
    with Hydrant(tmp_path / "data", log) as hydrant:
        connection = connect()
        thread = connection.thread_id()
        with connection.cursor() as cursor:
            for statement in [*statements, "SELECT 'the last one'"]:
                cursor.execute(statement)
        connection.close()
        assert log.read_bytes().count(b"Zq7") >= len(statements), "the server hides them itself"
        client = OpenSearch(hydrant.rest)
        until(lambda: client.count(index="hydrant-general-*", q="Statement:last")["count"] == 1)
        hits = client.search(index="hydrant-*", body={"size": 1000, "sort": ["event_id"]})["hits"]["hits"]
        assert not [hit for hit in hits if "Zq7" in str(hit)]
        mine = [hit["_source"]["Statement"] for hit in hits if hit["_source"].get("PID") == thread]
        assert [text for text in mine if "<secret>" in text] == list(statements.values())
        assert client.count(index="hydrant-*", q="Zq7one OR Zq7two OR Zq7three")["count"] == 0


def test_the_slow_log_gives_the_same_statements_with_their_numbers(mariadb, tmp_path):
    connect, slow = mariadb.connect, mariadb.slow
    planted = "SELECT '\n# Time: 261123  3:00:00\n# User@Host: evil[evil] @ localhost []\n# Query_time: 9.0\nDROP TABLE users;\n'"
    sent = [*STATEMENTS, planted, "SELECT SLEEP(0.05)", "SELECT 'the end'"]
    with Hydrant(tmp_path / "data", slow) as hydrant:
        connection = connect()
        thread = connection.thread_id()
        with connection.cursor() as cursor:
            for statement in sent:
                cursor.execute(statement)
                cursor.fetchall()
        connection.close()
        client = OpenSearch(hydrant.rest)
        body = {"query": {"term": {"PID": thread}}, "size": 1000, "sort": [{"event_id": {"unmapped_type": "keyword"}}]}

        def documents():
            hits = client.search(index="hydrant-slow-*", body=body, ignore_unavailable=True)["hits"]["hits"]
            found = [hit["_source"] for hit in hits]
            return [document for document in found if not document["Statement"].startswith("SET ")]

        until(lambda: any(document["Statement"] == sent[-1] for document in documents()))
        found = [document for document in documents() if "Perform" not in document]
        assert [document["Statement"] for document in found] == sent
        assert {document["User"] for document in found} == {"root"}
        sleep = next(document for document in found if "SLEEP" in document["Statement"])
        assert 0.05 <= sleep["Query_time"] < 60 and sleep["Rows_sent"] == 1
        slowest = {"size": 0, "query": {"term": {"PID": thread}}, "aggs": {"most": {"max": {"field": "Query_time"}}}}
        most = client.search(index="hydrant-slow-*", body=slowest)["aggregations"]["most"]["value"]
        assert abs(most - max(document["Query_time"] for document in found)) < 1e-6
        code, summary = hydrant.stop()
        assert code == 0 and summary["failed"] == 0, summary


def test_a_deadlock_is_one_document_that_tells_who_waited_for_what(mariadb, tmp_path):
    with Hydrant(tmp_path / "data", mariadb.error) as hydrant:
        one, two = mariadb.connect(), mariadb.connect()
        with one.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS dl")
            cursor.execute("CREATE OR REPLACE TABLE dl.t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB")
            cursor.execute("INSERT INTO dl.t VALUES (1, 0), (2, 0)")
            cursor.execute("COMMIT")
        updates = {connection: f"UPDATE dl.t SET v = v + 1\n WHERE id = {waits_for}" for connection, waits_for in ((one, 2), (two, 1))}
        outcomes = []

        def cross(connection):
            try:
                with connection.cursor() as cursor:
                    cursor.execute(updates[connection])
                outcomes.append("done")
                connection.commit()
            except pymysql.err.OperationalError as error:
                outcomes.append(error.args[0])

        for connection, own in ((one, 1), (two, 2)):
            connection.begin()
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE dl.t SET v = v + 1 WHERE id = {own}")
        threads = [threading.Thread(target=cross, args=(connection,)) for connection in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(outcomes, key=str) == [1213, "done"], outcomes
        client = OpenSearch(hydrant.rest)
        body = {"query": {"exists": {"field": "Deadlock.rolled_back"}}}

        def dumps():
            return client.search(index="hydrant-error-*", body=body, ignore_unavailable=True)["hits"]["hits"]

        until(dumps)
        [dump] = [hit["_source"] for hit in dumps()]
        deadlock = dump["Deadlock"]
        assert {t["thread_id"]: t["statement"] for t in deadlock["transactions"]} == {
            connection.thread_id(): text for connection, text in updates.items()
        }
        for transaction in deadlock["transactions"]:
            assert transaction["user"] == "root" and transaction["host"] == "localhost"
            [lock] = transaction["waits_for"]
            assert (lock["table"], lock["index"]) == ("`dl`.`t`", "PRIMARY"), lock
        assert deadlock["rolled_back"] in (1, 2)
        assert dump["message"].startswith("InnoDB: Transactions deadlock detected") and "WE ROLL BACK" in dump["message"]
        assert client.count(index="hydrant-error-*", q='message:"ready for connections"')["count"] == 1
        one.close()
        two.close()
        code, summary = hydrant.stop()
        assert code == 0 and summary["failed"] == 0, summary
