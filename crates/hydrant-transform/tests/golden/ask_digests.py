#!/usr/bin/env python3
"""Makes mysql-digests.ndjson: statements, and the digest text that a real MySQL gives them.

The statements come from a small grammar with a fixed seed, and from the lists below. Those that the server refuses are
left out. Needs pymysql and a server: Debian's mysql-server-core, unpacked, does. Run in this directory:

    ./ask_digests.py SOCKET
"""

import json
import random
import sys

import pymysql

TABLES = ["t", "u", "`a b`", "d.t", "orders", "user", "`select`", "日本"]
COLUMNS = ["a", "b", "id", "t.a", "`c d`", "name", "type", "status", "value", "u.key", "a1", "_x", "x$y", "é", "data", "count"]
FUNCTIONS = ["COUNT", "sum", "Max", "concat", "COALESCE", "IFNULL", "lower", "ABS", "GREATEST", "round", "my_f"]


class Grammar:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *choices):
        return self.random.choice(choices)

    def some(self, make, least=1, most=4):
        return ", ".join(make() for _ in range(self.random.randint(least, most)))

    def case(self, word):
        return self.one(word, word.lower(), word.title())

    def literal(self):
        return self.one(
            "1", "42", "-7", "+3", "1.5", ".5", "1e3", "0x1F", "x'0a'", "b'01'", "'x'", '"dq"', "'it''s'", "'back\\\\slash'", "NULL",
            "N'é'", "_utf8mb4'y'", "TRUE", "false", "'a' 'b'", "18446744073709551615", "DATE '2020-01-01'", "- 5", "''", "'世界'",
        )

    def column(self):
        return self.one(*COLUMNS)

    def expression(self, depth=2):
        if depth == 0 or self.random.random() < 0.35:
            return self.one(self.literal, self.column, self.literal)()
        sub = lambda: self.expression(depth - 1)
        kind = self.random.randrange(14)
        if kind < 3:
            return f"{sub()} {self.one('+', '-', '*', '/', 'DIV', '%', '||', '&', '<<', '^')} {sub()}"
        if kind < 5:
            return f"{self.one(*FUNCTIONS)}{self.one('', '', ' ')}({self.some(sub, 1, 3)})"
        if kind == 5:
            return f"({sub()})"
        if kind == 6:
            return f"{self.case('CASE')} WHEN {self.condition(1)} THEN {sub()} ELSE {sub()} END"
        if kind == 7:
            return f"CAST({sub()} AS {self.one('CHAR', 'SIGNED', 'DECIMAL(10,2)', 'BINARY(5)')})"
        if kind == 8:
            return f"-{sub()}".replace("--", "- -")
        if kind == 9:
            return f"IF({self.condition(1)},{sub()},{sub()})"
        if kind == 10:
            return self.one("NOW()", "CURRENT_TIMESTAMP", "@v", "@@version", "UUID()", "CURDATE()", "DATABASE()", "USER()")
        if kind == 11:
            return f"{self.one('SUBSTR', 'SUBSTRING', 'MID')}({sub()}, 1, 2)"
        if kind == 12:
            return f"DATE_ADD({sub()}, INTERVAL {self.literal()} {self.one('DAY', 'hour', 'WEEK', 'MONTH')})"
        return f"{self.column()}->'$.x'"

    def condition(self, depth=2):
        if depth and self.random.random() < 0.4:
            return f"{self.condition(depth - 1)} {self.one('AND', 'or', 'XOR', '&&')} {self.one('', '', 'NOT ')}{self.condition(depth - 1)}"
        value = lambda: self.expression(1)
        kind = self.random.randrange(10)
        if kind < 4:
            return f"{value()} {self.one('=', '<', '>', '<=', '>=', '<>', '!=', '<=>')} {value()}"
        if kind == 4:
            return f"{self.column()} IS {self.one('', 'NOT ')}NULL"
        if kind == 5:
            return f"{self.column()} {self.one('', 'NOT ')}IN ({self.some(self.one(self.literal, value), 1, 5)})"
        if kind == 6:
            return f"{self.column()} BETWEEN {value()} AND {value()}"
        if kind == 7:
            return f"{self.column()} {self.one('', 'NOT ')}{self.one('LIKE', 'rlike', 'REGEXP')} {self.literal()}"
        if kind == 8:
            return f"({self.column()}, {self.column()}) IN (({self.literal()},{self.literal()}),({self.literal()},{self.literal()}))"
        return f"{self.one('', 'NOT ')}EXISTS (SELECT 1 FROM {self.one(*TABLES)} WHERE {self.column()} = {self.literal()})"

    def comment(self):
        return self.one("", "", "", "", "/* c */", "-- c\n", "# 'c\n", "/*!80000 */", "\t", "\n  ")

    def select(self, depth=1):
        parts = [self.case("SELECT"), self.one("", "", "DISTINCT ", "SQL_NO_CACHE ", "/*+ MAX_EXECUTION_TIME(5) */ ")]
        item = lambda: self.expression() + self.one("", "", " AS x", " y", " 'z'")
        parts.append(self.one("*", self.some(item), self.some(item)))
        table = self.one(*TABLES)
        if depth and self.random.random() < 0.15:
            table = f"({self.select(0)}) AS q"
        parts.append(f" {self.comment()}{self.case('FROM')} {table}")
        if self.random.random() < 0.3:
            parts.append(f" {self.one('JOIN', 'LEFT JOIN', 'INNER JOIN')} {self.one(*TABLES)} AS j {self.one('USING (id)', 'ON ' + self.condition(1))}")
        if self.random.random() < 0.7:
            parts.append(f" {self.case('WHERE')} {self.condition()}")
        order = lambda: self.one("1", "2", "a", "b", "-1", "1+1", "10", "a+1", "'x'") + self.one("", "", " DESC", " ASC")
        if self.random.random() < 0.2:
            parts.append(f" GROUP BY {self.some(lambda: self.one('a', 'b', '1', '2'))}{self.one('', ' WITH ROLLUP', ' HAVING COUNT(*) > 1')}")
        if self.random.random() < 0.3:
            parts.append(f" ORDER BY {self.some(order)}")
        if self.random.random() < 0.3:
            parts.append(self.one(" LIMIT 10", " LIMIT 5, 10", " LIMIT 10 OFFSET 20"))
        if depth and self.random.random() < 0.1:
            parts.append(self.one(" FOR UPDATE", " LOCK IN SHARE MODE"))
        if depth and self.random.random() < 0.15:
            return f"{''.join(parts[:4])} UNION {self.one('', 'ALL ')}SELECT {self.some(self.literal)}"
        return "".join(parts)

    def row(self, width):
        return "(" + ",".join(self.one(self.literal, self.literal, self.literal, lambda: self.expression(1), lambda: "DEFAULT")() for _ in range(width)) + ")"

    def statement(self):
        kind = self.random.randrange(20)
        table = self.one("t", "u", "`a b`", "d.t")
        assign = lambda: f"{self.one('a', 'b', '`c d`')} = {self.one(self.expression(1), 'DEFAULT', 'NULL')}"
        if kind < 10:
            return self.select()
        if kind < 14:
            width = self.random.randint(1, 3)
            rows = ", ".join(self.row(width) for _ in range(self.random.randint(1, 4)))
            tail = self.one("", "", " ON DUPLICATE KEY UPDATE " + self.some(assign, 1, 2))
            return f"{self.one('INSERT', 'insert ignore', 'REPLACE')} INTO {table} VALUES {rows}{tail}"
        if kind == 14:
            return f"INSERT INTO {table} SET {self.some(assign)}"
        if kind < 17:
            return f"UPDATE {table} SET {self.some(assign)} WHERE {self.condition()}{self.one('', ' ORDER BY 1 LIMIT 3')}"
        if kind == 17:
            return f"DELETE FROM {table} WHERE {self.condition()}{self.one('', ' LIMIT 5')}"
        if kind == 18:
            types = ("INT", "bigint unsigned", "VARCHAR(20)", "DECIMAL(10,2)", "TEXT", "DATETIME(6)", "ENUM('a','b')")
            attributes = ("", " NULL", " NOT NULL", " DEFAULT NULL", " NOT NULL DEFAULT 1")
            column = lambda: f"c{self.random.randrange(99)} {self.one(*types)}{self.one(*attributes)}"
            return f"CREATE TABLE {self.one('', 'IF NOT EXISTS ')}n ({self.some(column)}, PRIMARY KEY (id))"
        return self.one(
            f"SET @v = {self.literal()}", f"CALL p({self.some(self.literal)})", "SHOW TABLES LIKE 'x%'", "START TRANSACTION", "USE d",
            f"EXPLAIN {self.select(0)}", f"DO {self.expression()}", "KILL 5", "SET NAMES utf8mb4", "BEGIN", "ROLLBACK TO SAVEPOINT s",
        )


HANDMADE = r"""SHOW SCHEMAS
CREATE DATABASE x
DESCRIBE t
DESC t
EXPLAIN SELECT 1
SELECT DISTINCTROW a FROM t
SELECT LOCALTIME, LOCALTIMESTAMP, CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP, UTC_DATE, UTC_TIME, UTC_TIMESTAMP, CURRENT_USER
SELECT NOW(), SYSDATE(), CURDATE(), CURTIME()
SELECT USER(), SESSION_USER(), SYSTEM_USER(), CURRENT_USER()
SELECT USER (), NOW (), SYSDATE ()
SELECT SUBSTRING (b,1), SUBSTR (b,1), MID (b,1) FROM t
SELECT STD(a), STDDEV(a), STDDEV_POP(a), STDDEV_SAMP(a), VARIANCE(a), VAR_POP(a), VAR_SAMP(a) FROM t
SELECT EXTRACT(YEAR FROM b), POSITION('a' IN b), TRIM(b), TRIM(BOTH 'x' FROM b) FROM t
SELECT JSON_ARRAYAGG(a), JSON_OBJECTAGG(a, b), GROUP_CONCAT(DISTINCT a ORDER BY 1 SEPARATOR ',') FROM t
SELECT count, max, min, sum, now, mid, std, trim, cast FROM t
SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b), RANK() OVER w, LEAD(a,1) OVER w FROM t WINDOW w AS (ORDER BY id)
SELECT * FROM t ORDER BY 1 DESC, 2 ASC, a
SELECT a, COUNT(*) FROM t GROUP BY 1,2 WITH ROLLUP
(SELECT a FROM t) UNION (SELECT 1) ORDER BY 1
SELECT * FROM t ORDER BY (1)
SELECT * FROM t ORDER BY 1.5
SELECT * FROM t ORDER BY NULL
SELECT * FROM t ORDER BY IF(1,2,3), 4
SELECT SUM(a) OVER (ORDER BY 1) FROM t
UPDATE t SET a = 1 ORDER BY 1 LIMIT 2
SELECT NULL, NULL
INSERT INTO t VALUES (NULL, 1), (2, NULL)
INSERT INTO t VALUES (a, NULL)
UPDATE t SET a = NULL, b = DEFAULT
CREATE TABLE x (a INT NULL, b INT NOT NULL, c INT DEFAULT NULL, d TIMESTAMP NULL DEFAULT NULL, e INT NOT NULL DEFAULT 5)
ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id) ON DELETE SET NULL ON UPDATE CASCADE
SELECT NOT NULL, a IS NOT NULL, a IS NULL, NOT a IS NULL FROM t
SELECT CASE WHEN NULL THEN NULL ELSE NULL END
SELECT NULL + 1, 1 + NULL, -NULL, (NULL)
SELECT a FROM t WHERE a IN (NULL, 1)
SET @x = NULL
CREATE TABLE x (a INT)
CREATE TABLE x (a INT1)
CREATE TABLE x (a INT2)
CREATE TABLE x (a INT3)
CREATE TABLE x (a INT4)
CREATE TABLE x (a INT8)
CREATE TABLE x (a INTEGER)
CREATE TABLE x (a TINYINT)
CREATE TABLE x (a SMALLINT)
CREATE TABLE x (a MEDIUMINT)
CREATE TABLE x (a MIDDLEINT)
CREATE TABLE x (a BIGINT)
CREATE TABLE x (a FIXED)
CREATE TABLE x (a NUMERIC)
CREATE TABLE x (a FLOAT)
CREATE TABLE x (a FLOAT4)
CREATE TABLE x (a FLOAT8)
CREATE TABLE x (a DOUBLE)
CREATE TABLE x (a REAL)
CREATE TABLE x (a DEC(5,2))
CREATE TABLE x (a DOUBLE PRECISION)
CREATE TABLE x (a CHAR(3))
CREATE TABLE x (a NCHAR(3))
CREATE TABLE x (a NATIONAL CHAR(3))
CREATE TABLE x (a VARCHARACTER(3))
CREATE TABLE x (a CHAR VARYING(3))
CREATE TABLE x (a LONG VARCHAR)
CREATE TABLE x (a BIT(1))
CREATE TABLE x (a BOOL)
SELECT 1 AS ABSENT, 1 AS ACCOUNT, 1 AS ACTION, 1 AS ACTIVE, 1 AS ADMIN, 1 AS AFTER, 1 AS AGAINST, 1 AS AGGREGATE, 1 AS ALGORITHM, 1 AS ALLOW_MISSING_FILES, 1 AS ALWAYS, 1 AS ANY, 1 AS ARRAY, 1 AS ASCII, 1 AS ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS, 1 AS AT, 1 AS ATTRIBUTE, 1 AS AUTHENTICATION, 1 AS AUTO, 1 AS AUTOEXTEND_SIZE, 1 AS AUTO_INCREMENT, 1 AS AUTO_REFRESH, 1 AS AUTO_REFRESH_SOURCE, 1 AS AVG, 1 AS AVG_ROW_LENGTH
SELECT 1 AS BACKUP, 1 AS BEGIN, 1 AS BERNOULLI, 1 AS BINLOG, 1 AS BIT, 1 AS BLOCK, 1 AS BOOL, 1 AS BOOLEAN, 1 AS BTREE, 1 AS BUCKETS, 1 AS BULK, 1 AS BYTE, 1 AS CACHE, 1 AS CASCADED, 1 AS CATALOG_NAME, 1 AS CHAIN, 1 AS CHALLENGE_RESPONSE, 1 AS CHANGED, 1 AS CHANNEL, 1 AS CHARSET, 1 AS CHECKSUM, 1 AS CIPHER, 1 AS CLASS_ORIGIN, 1 AS CLIENT, 1 AS CLONE
SELECT 1 AS CLOSE, 1 AS COALESCE, 1 AS CODE, 1 AS COLLATION, 1 AS COLUMNS, 1 AS COLUMN_FORMAT, 1 AS COLUMN_NAME, 1 AS COMMENT, 1 AS COMMIT, 1 AS COMMITTED, 1 AS COMPACT, 1 AS COMPLETION, 1 AS COMPONENT, 1 AS COMPRESSED, 1 AS COMPRESSION, 1 AS CONCURRENT, 1 AS CONNECTION, 1 AS CONSISTENT, 1 AS CONSTRAINT_CATALOG, 1 AS CONSTRAINT_NAME, 1 AS CONSTRAINT_SCHEMA, 1 AS CONTAINS, 1 AS CONTEXT, 1 AS CPU, 1 AS CURRENT
SELECT 1 AS CURSOR_NAME, 1 AS DATA, 1 AS DATAFILE, 1 AS DATE, 1 AS DATETIME, 1 AS DAY, 1 AS DEALLOCATE, 1 AS DEFAULT_AUTH, 1 AS DEFINER, 1 AS DEFINITION, 1 AS DELAY_KEY_WRITE, 1 AS DESCRIPTION, 1 AS DIAGNOSTICS, 1 AS DIRECTORY, 1 AS DISABLE, 1 AS DISCARD, 1 AS DISK, 1 AS DO, 1 AS DUALITY, 1 AS DUMPFILE, 1 AS DUPLICATE, 1 AS DYNAMIC, 1 AS ENABLE, 1 AS ENCRYPTION, 1 AS END
SELECT 1 AS ENDS, 1 AS ENFORCED, 1 AS ENGINE, 1 AS ENGINES, 1 AS ENGINE_ATTRIBUTE, 1 AS ENUM, 1 AS ERROR, 1 AS ERRORS, 1 AS ESCAPE, 1 AS EVENT, 1 AS EVENTS, 1 AS EVERY, 1 AS EXCHANGE, 1 AS EXCLUDE, 1 AS EXECUTE, 1 AS EXPANSION, 1 AS EXPIRE, 1 AS EXPORT, 1 AS EXTENDED, 1 AS EXTENT_SIZE, 1 AS EXTERNAL_FORMAT, 1 AS FACTOR, 1 AS FAILED_LOGIN_ATTEMPTS, 1 AS FAST, 1 AS FAULTS
SELECT 1 AS FIELDS, 1 AS FILE, 1 AS FILES, 1 AS FILE_BLOCK_SIZE, 1 AS FILE_FORMAT, 1 AS FILE_NAME, 1 AS FILE_PATTERN, 1 AS FILE_PREFIX, 1 AS FILTER, 1 AS FINISH, 1 AS FIRST, 1 AS FIXED, 1 AS FLUSH, 1 AS FOLLOWING, 1 AS FOLLOWS, 1 AS FORMAT, 1 AS FOUND, 1 AS FULL, 1 AS GENERAL, 1 AS GENERATE, 1 AS GEOMCOLLECTION, 1 AS GEOMETRY, 1 AS GEOMETRYCOLLECTION, 1 AS GET_FORMAT, 1 AS GET_SOURCE_PUBLIC_KEY
SELECT 1 AS GLOBAL, 1 AS GRANTS, 1 AS GROUP_REPLICATION, 1 AS GTIDS, 1 AS GTID_ONLY, 1 AS GUIDED, 1 AS HANDLER, 1 AS HASH, 1 AS HEADER, 1 AS HELP, 1 AS HISTOGRAM, 1 AS HISTORY, 1 AS HOST, 1 AS HOSTS, 1 AS HOUR, 1 AS IDENTIFIED, 1 AS IGNORE_SERVER_IDS, 1 AS IMPORT, 1 AS INACTIVE, 1 AS INDEXES, 1 AS INITIAL, 1 AS INITIAL_SIZE, 1 AS INITIATE, 1 AS INSERT_METHOD, 1 AS INSTALL
SELECT 1 AS INSTANCE, 1 AS INVISIBLE, 1 AS INVOKER, 1 AS IO, 1 AS IO_THREAD, 1 AS IPC, 1 AS ISOLATION, 1 AS ISSUER, 1 AS JSON, 1 AS JSON_VALUE, 1 AS KEYRING, 1 AS KEY_BLOCK_SIZE, 1 AS LANGUAGE, 1 AS LAST, 1 AS LEAVES, 1 AS LESS, 1 AS LEVEL, 1 AS LINESTRING, 1 AS LIST, 1 AS LOCAL, 1 AS LOCKED, 1 AS LOCKS, 1 AS LOG, 1 AS LOGFILE, 1 AS LOGS
SELECT 1 AS MANUAL, 1 AS MASKING, 1 AS MASTER, 1 AS MATERIALIZED, 1 AS MAX_CONNECTIONS_PER_HOUR, 1 AS MAX_QUERIES_PER_HOUR, 1 AS MAX_ROWS, 1 AS MAX_SIZE, 1 AS MAX_UPDATES_PER_HOUR, 1 AS MAX_USER_CONNECTIONS, 1 AS MEDIUM, 1 AS MEMBER, 1 AS MEMORY, 1 AS MERGE, 1 AS MESSAGE_TEXT, 1 AS MICROSECOND, 1 AS MIGRATE, 1 AS MINUTE, 1 AS MIN_ROWS, 1 AS MODE, 1 AS MODIFY, 1 AS MONTH, 1 AS MULTILINESTRING, 1 AS MULTIPOINT, 1 AS MULTIPOLYGON
SELECT 1 AS MUTEX, 1 AS MYSQL_ERRNO, 1 AS NAME, 1 AS NAMES, 1 AS NATIONAL, 1 AS NCHAR, 1 AS NDB, 1 AS NDBCLUSTER, 1 AS NESTED, 1 AS NETWORK_NAMESPACE, 1 AS NEVER, 1 AS NEW, 1 AS NEXT, 1 AS NO, 1 AS NODEGROUP, 1 AS NONE, 1 AS NOWAIT, 1 AS NO_WAIT, 1 AS NULLS, 1 AS NUMBER, 1 AS NVARCHAR, 1 AS OFF, 1 AS OFFSET, 1 AS OJ, 1 AS OLD
SELECT 1 AS ONE, 1 AS ONLY, 1 AS OPEN, 1 AS OPTIONAL, 1 AS OPTIONS, 1 AS ORDINALITY, 1 AS ORGANIZATION, 1 AS OTHERS, 1 AS OWNER, 1 AS PACK_KEYS, 1 AS PAGE, 1 AS PARALLEL, 1 AS PARAMETERS, 1 AS PARSER, 1 AS PARSE_TREE, 1 AS PARTIAL, 1 AS PARTITIONING, 1 AS PARTITIONS, 1 AS PASSWORD, 1 AS PASSWORD_LOCK_TIME, 1 AS PATH, 1 AS PERSIST, 1 AS PERSIST_ONLY, 1 AS PHASE, 1 AS PLUGIN
SELECT 1 AS PLUGINS, 1 AS PLUGIN_DIR, 1 AS POINT, 1 AS POLICY, 1 AS POLYGON, 1 AS PORT, 1 AS PRECEDES, 1 AS PRECEDING, 1 AS PREPARE, 1 AS PRESERVE, 1 AS PREV, 1 AS PRIVILEGES, 1 AS PRIVILEGE_CHECKS_USER, 1 AS PROCESS, 1 AS PROCESSLIST, 1 AS PROFILE, 1 AS PROFILES, 1 AS PROXY, 1 AS QUARTER, 1 AS QUERY, 1 AS QUICK, 1 AS RANDOM, 1 AS READ_ONLY, 1 AS REBUILD, 1 AS RECOVER
SELECT 1 AS REDO_BUFFER_SIZE, 1 AS REDUNDANT, 1 AS REFERENCE, 1 AS REGISTRATION, 1 AS RELATIONAL, 1 AS RELAY, 1 AS RELAYLOG, 1 AS RELAY_LOG_FILE, 1 AS RELAY_LOG_POS, 1 AS RELAY_THREAD, 1 AS RELOAD, 1 AS REMOVE, 1 AS REORGANIZE, 1 AS REPAIR, 1 AS REPEATABLE, 1 AS REPLICA, 1 AS REPLICAS, 1 AS REPLICATE_DO_DB, 1 AS REPLICATE_DO_TABLE, 1 AS REPLICATE_IGNORE_DB, 1 AS REPLICATE_IGNORE_TABLE, 1 AS REPLICATE_REWRITE_DB, 1 AS REPLICATE_WILD_DO_TABLE, 1 AS REPLICATE_WILD_IGNORE_TABLE, 1 AS REPLICATION
SELECT 1 AS REQUIRE_ROW_FORMAT, 1 AS REQUIRE_TABLE_PRIMARY_KEY_CHECK, 1 AS RESET, 1 AS RESOURCE, 1 AS RESPECT, 1 AS RESTART, 1 AS RESTORE, 1 AS RESUME, 1 AS RETAIN, 1 AS RETURNED_SQLSTATE, 1 AS RETURNING, 1 AS RETURNS, 1 AS REUSE, 1 AS REVERSE, 1 AS ROLE, 1 AS ROLLBACK, 1 AS ROLLUP, 1 AS ROTATE, 1 AS ROUTINE, 1 AS ROW_COUNT, 1 AS ROW_FORMAT, 1 AS RTREE, 1 AS S3, 1 AS SAVEPOINT, 1 AS SCHEDULE
SELECT 1 AS SCHEMA_NAME, 1 AS SECOND, 1 AS SECONDARY, 1 AS SECONDARY_ENGINE, 1 AS SECONDARY_ENGINE_ATTRIBUTE, 1 AS SECONDARY_LOAD, 1 AS SECONDARY_UNLOAD, 1 AS SECURITY, 1 AS SERIAL, 1 AS SERIALIZABLE, 1 AS SERVER, 1 AS SESSION, 1 AS SETS, 1 AS SHARE, 1 AS SHUTDOWN, 1 AS SIGNED, 1 AS SIMPLE, 1 AS SKIP, 1 AS SLAVE, 1 AS SLOW, 1 AS SNAPSHOT, 1 AS SOCKET, 1 AS SOME, 1 AS SONAME, 1 AS SOUNDS
SELECT 1 AS SOURCE, 1 AS SOURCE_AUTO_POSITION, 1 AS SOURCE_BIND, 1 AS SOURCE_COMPRESSION_ALGORITHMS, 1 AS SOURCE_CONNECTION_AUTO_FAILOVER, 1 AS SOURCE_CONNECT_RETRY, 1 AS SOURCE_DELAY, 1 AS SOURCE_HEARTBEAT_PERIOD, 1 AS SOURCE_HOST, 1 AS SOURCE_LOG_FILE, 1 AS SOURCE_LOG_POS, 1 AS SOURCE_PASSWORD, 1 AS SOURCE_PORT, 1 AS SOURCE_PUBLIC_KEY_PATH, 1 AS SOURCE_RETRY_COUNT, 1 AS SOURCE_SSL, 1 AS SOURCE_SSL_CA, 1 AS SOURCE_SSL_CAPATH, 1 AS SOURCE_SSL_CERT, 1 AS SOURCE_SSL_CIPHER, 1 AS SOURCE_SSL_CRL, 1 AS SOURCE_SSL_CRLPATH, 1 AS SOURCE_SSL_KEY, 1 AS SOURCE_SSL_VERIFY_SERVER_CERT, 1 AS SOURCE_TLS_CIPHERSUITES
SELECT 1 AS SOURCE_TLS_VERSION, 1 AS SOURCE_USER, 1 AS SOURCE_ZSTD_COMPRESSION_LEVEL, 1 AS SQL_AFTER_GTIDS, 1 AS SQL_AFTER_MTS_GAPS, 1 AS SQL_BEFORE_GTIDS, 1 AS SQL_BUFFER_RESULT, 1 AS SQL_NO_CACHE, 1 AS SQL_THREAD, 1 AS SQL_TSI_DAY, 1 AS SQL_TSI_HOUR, 1 AS SQL_TSI_MINUTE, 1 AS SQL_TSI_MONTH, 1 AS SQL_TSI_QUARTER, 1 AS SQL_TSI_SECOND, 1 AS SQL_TSI_WEEK, 1 AS SQL_TSI_YEAR, 1 AS SRID, 1 AS STACKED, 1 AS START, 1 AS STARTS, 1 AS STATS_AUTO_RECALC, 1 AS STATS_PERSISTENT, 1 AS STATS_SAMPLE_PAGES, 1 AS STATUS
SELECT 1 AS STOP, 1 AS STORAGE, 1 AS STREAM, 1 AS STRICT_LOAD, 1 AS STRING, 1 AS SUBCLASS_ORIGIN, 1 AS SUBJECT, 1 AS SUBPARTITION, 1 AS SUBPARTITIONS, 1 AS SUPER, 1 AS SUSPEND, 1 AS SWAPS, 1 AS SWITCHES, 1 AS TABLES, 1 AS TABLESPACE, 1 AS TABLE_CHECKSUM, 1 AS TABLE_NAME, 1 AS TEMPORARY, 1 AS TEMPTABLE, 1 AS TEXT, 1 AS THAN, 1 AS THREAD_PRIORITY, 1 AS TIES, 1 AS TIME, 1 AS TIMESTAMP
SELECT 1 AS TIMESTAMPADD, 1 AS TIMESTAMPDIFF, 1 AS TLS, 1 AS TRANSACTION, 1 AS TRIGGERS, 1 AS TRUNCATE, 1 AS TYPE, 1 AS TYPES, 1 AS UNBOUNDED, 1 AS UNCOMMITTED, 1 AS UNDEFINED, 1 AS UNDOFILE, 1 AS UNDO_BUFFER_SIZE, 1 AS UNICODE, 1 AS UNINSTALL, 1 AS UNKNOWN, 1 AS UNREGISTER, 1 AS UNTIL, 1 AS UPGRADE, 1 AS URI, 1 AS URL, 1 AS USER, 1 AS USER_RESOURCES, 1 AS USE_FRM, 1 AS VALIDATE
SELECT 1 AS VALIDATION, 1 AS VALUE, 1 AS VARIABLES, 1 AS VCPU, 1 AS VECTOR, 1 AS VERIFY_KEY_CONSTRAINTS, 1 AS VIEW, 1 AS VISIBLE, 1 AS WAIT, 1 AS WARNINGS, 1 AS WEEK, 1 AS WEIGHT_STRING, 1 AS WITHOUT, 1 AS WORK, 1 AS WRAPPER, 1 AS X509, 1 AS XA, 1 AS XID, 1 AS XML, 1 AS YEAR, 1 AS ZONE
SELECT a, -1 FROM t
SELECT - -1, +-1, -+1, - - - 1
SELECT a - -1, a + -1, a * -1, a / -1, a % -1, a DIV -1, a MOD -1, a || -1, a && -1, a ^ -1, a & -1, a | -1, a << -1, a >> -1, ~ -1, ! -1 FROM t
SELECT a = -1, a < -1, a > -1, a <= -1, a >= -1, a <> -1, a <=> -1 FROM t
SELECT (a) - 1, a -1, a- 1, (1) - 1, 'a' - 1, 1 - 1, @a - 1, NOW() - 1, NULL - 1, TRUE - 1, DATE - 1 FROM t
SELECT NOT -1, a AND -1, a OR -1, a XOR -1 FROM t
SELECT a BETWEEN -1 AND -2, a IN (-1), a IN (-1, -2), a LIKE -1, a NOT LIKE -1, a RLIKE -1 FROM t
SELECT CASE -1 WHEN -1 THEN -1 WHEN -2 THEN -2 ELSE -1 END
SELECT IF(-1,-2,-3), INTERVAL -1 DAY + a, DATE_ADD(a, INTERVAL -1 DAY) FROM t
SELECT DISTINCT -1 FROM t
SELECT ALL -1 FROM t
SELECT SQL_NO_CACHE -1 FROM t
SELECT STRAIGHT_JOIN -1 FROM t
SELECT a FROM t WHERE -1 HAVING -1 ORDER BY -1
SELECT a FROM t GROUP BY -1, -2
SELECT a FROM t JOIN t u ON -1
SELECT a FROM t LIMIT 1 OFFSET 2
INSERT INTO t VALUES (-1), (-2)
INSERT INTO t VALUES (-1, -2), (-2, -3)
INSERT INTO t SET a = -1
INSERT INTO t (a) VALUES (DEFAULT), (1)
UPDATE t SET a = -1, b = -2 WHERE id > -1
SET @a = -1
SET @a := -1
SET a = -1
CREATE TABLE x (a INT DEFAULT -1, b INT DEFAULT +1)
CALL p(-1)
CALL p(a, -1)
RETURN -1
SELECT BINARY -1, CAST(-1 AS CHAR), -1 COLLATE utf8mb4_bin
SELECT -a, -(1), -(-1), - ( 1 ), -@a, -'x', -NOW() FROM t
SELECT 1 AS x, -1 y, 2 z
SELECT EXISTS (SELECT -1), ROW(-1, -2), (1, -2) = (a, b) FROM t
SELECT ((1)), ((1,2)), ((1),(2)), (((1)))
SELECT * FROM t WHERE (a, b) IN ((1,2))
SELECT * FROM t WHERE a IN ((1))
SELECT * FROM t WHERE a IN ((1),(2))
SELECT * FROM t WHERE a IN (1, (2))
SELECT * FROM t WHERE a = ANY (SELECT 1)
SELECT * FROM t WHERE a IN (1) AND b IN (2,3)
SELECT * FROM t WHERE a IN (a) OR a IN (a, 1) OR a IN (1, a, 2, 3)
INSERT INTO t VALUES (1), (2,3), (4,5), (6)
INSERT INTO t VALUES (1), (a), (2)
INSERT INTO t VALUES (1,2), (a,3), (4,5), (6,7)
VALUES ROW(1), ROW(2)
SELECT (1), (2), (3,4), (5,6), (7)
SELECT f((1),(2)), f((1,2),(3,4))
SELECT 1, 2 + 3, 4, 5
SELECT 1 + 2, 3 + 4
SELECT 'a' 'b', 'c', N'x', _utf8mb4'y', _utf8mb4 'z', _utf8mb4 x'00', _latin1 0xAB, _nope'x'
SELECT x'00', X'00', b'01', B'01', 0x00, 0b01, 0X00, 0B01
SELECT 1.5, .5, 1., 1e3, 1E-3, .5e1, 1.e2, 5 . 5
SELECT DATE'2020-01-01', TIME '1', TIMESTAMP "x", {d '2020-01-01'}, {ts '2020'}, {fn NOW()}
SELECT TRUE, FALSE, UNKNOWN FROM t WHERE a IS TRUE AND b IS NOT UNKNOWN
SELECT @a, @`q b`, @'x', @"y", @a.b, @a$1, @@version, @@global.sort_buffer_size, @@session.sql_mode, @@local.sql_mode
SELECT `a``b`, `a b`, `SELECT` FROM `t`
SELECT t.select, t.key, d.t.a, .t.a FROM t
SELECT t . a, t .a, t. a FROM d . t
SELECT a$b, $a, _a, a1, 1a, 1e, 1e1a, 0x1g, 0xg FROM t
SELECT é, ñandú, 世界, `世 界` FROM t
SELECT a FROM t -- c
SELECT a FROM t # c
SELECT a/* c */b FROM/**/t
SELECT a--1, a-- 1
SELECT /*!50000 a, */ b FROM t
SELECT /*!99999 a, */ b FROM t
SELECT /*!999999 a, */ b FROM t
SELECT /*!080000 a, */ b FROM t
SELECT /*! a, */ b FROM t
SELECT /*!50000 a /* c */ , */ b FROM t
SELECT /*M! a, */ b FROM t
SELECT /*+ BKA(t) NO_ICP(t idx1, idx2) QB_NAME(qb1) JOIN_ORDER(t@qb1, u) SET_VAR(sort_buffer_size = 16M) SET_VAR(x='a') MAX_EXECUTION_TIME(1000) */ a FROM t
SELECT /*+ INDEX(@qb1 t i) RESOURCE_GROUP(g) SEMIJOIN(FIRSTMATCH, LOOSESCAN) SUBQUERY(MATERIALIZATION) */ a FROM t
SELECT /*+ nonsense here ( 'x' 1 ) */ a FROM t
INSERT /*+ SET_VAR(foreign_key_checks=OFF) */ INTO t VALUES (1)
SELECT a FROM t /*+ BKA(t) */ WHERE a = 1
SELECT "dq", 'sq', 'a\'b', 'a''b', "a""b"
SELECT a FROM t WHERE a = 1;
SELECT a ->> '$.x', a->'$.y', a -> '$[0]' FROM t
SELECT a := 1 FROM t
SELECT @a := 1, @b:=2 FROM t
SELECT 1 AS 'x', 2 AS "y", 3 'z', 4 `w`
GRANT SELECT, INSERT ON d.* TO 'u'@'h', u2@'h', u3@h, u4@localhost, u5@10.0.0.1, `u6`@`h`, u7
CREATE USER u@'%' IDENTIFIED WITH caching_sha2_password BY 'x' REQUIRE SSL PASSWORD EXPIRE
CREATE DEFINER = 'r'@'h' VIEW v AS SELECT 1
CREATE PROCEDURE p() BEGIN DECLARE x INT DEFAULT 0; SET x = -1; SELECT x; END
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1, @x = OLD.b
CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01' DO SELECT 1
ALTER TABLE t PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)
SELECT a FROM t PARTITION BY 1
SELECT SUM(a) OVER (PARTITION BY 1 ORDER BY 2 ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
SELECT a FROM t WHERE MATCH (b) AGAINST ('x' WITH QUERY EXPANSION)
LOAD DATA LOCAL INFILE '/x' INTO TABLE t FIELDS TERMINATED BY ',' LINES TERMINATED BY '\n' IGNORE 1 LINES (a, @b) SET c = @b
SHOW CREATE TABLE t
SHOW FULL COLUMNS FROM t LIKE 'x'
SHOW INDEX FROM t
KILL QUERY 5
PREPARE s FROM 'SELECT 1'
EXECUTE s USING @a, @b
CHANGE REPLICATION SOURCE TO SOURCE_HOST='h', SOURCE_PORT=1
SELECT a FROM t FOR UPDATE SKIP LOCKED
SELECT a INTO @x, @y FROM t
SELECT a FROM t LOCK IN SHARE MODE
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n < 5) SELECT * FROM c
SELECT JSON_EXTRACT(c, '$.a') FROM t, JSON_TABLE(c, '$[*]' COLUMNS (x INT PATH '$.x' NULL ON EMPTY DEFAULT '1' ON ERROR)) j
SELECT a FROM t USE INDEX (i) FORCE INDEX FOR JOIN (j) IGNORE KEY (k)
SELECT IF (1,2,3), LEFT('a',1), REPLACE('a','b','c'), MOD(5,2), CHAR(65), REPEAT('a',3), INSERT('a',1,2,'b'), DATABASE(), SCHEMA(), VALUES(a) FROM t
SELECT LAST_INSERT_ID(), UUID(), CONCAT('a', 1), CONCAT(a, 'b', 1), COALESCE(1, 2), GREATEST(1,2) FROM t
SELECT YEAR(a), MONTH(a), DAY(a), HOUR(a), MINUTE(a), SECOND(a), WEEK(a, 1), QUARTER(a), DATE(a), TIME(a), TIMESTAMP(a), MICROSECOND(a) FROM t
SELECT TIMESTAMPDIFF(DAY, a, b), TIMESTAMPADD(SQL_TSI_HOUR, 1, a) FROM t
SELECT a IS NULL = 0, a SOUNDS LIKE b, a MEMBER OF (c) FROM t
XA COMMIT 'a','b',1
CREATE FUNCTION f() RETURNS INT RETURN -1
DO -1
DO -1, -2
DO NULL
CREATE PROCEDURE p() BEGIN IF -1 THEN SELECT 1; ELSEIF -1 THEN SELECT 2; END IF; END
CREATE PROCEDURE p() BEGIN WHILE -1 DO SELECT 1; END WHILE; REPEAT SELECT 1; UNTIL -1 END REPEAT; CASE -1 WHEN -1 THEN SELECT -1; END CASE; END
CREATE EVENT e ON SCHEDULE AT -1 DO SELECT 1
CREATE EVENT e ON SCHEDULE EVERY -1 DAY STARTS -1 ENDS -1 DO SELECT 1
KILL -1
SELECT SUBSTRING(b FROM -1 FOR -1), POSITION('a' IN -1), b LIKE 'a' ESCAPE -1, TRIM(LEADING -1 FROM -1) FROM t
SELECT a SOUNDS LIKE -1, 1 MEMBER OF (-1), a -> -1 FROM t
SELECT a REGEXP -1, a COLLATE x, CONVERT(-1, CHAR), CONVERT(-1 USING utf8mb4), CHAR(-1 USING utf8mb4), EXTRACT(DAY FROM -1), -1 IS NULL, WEIGHT_STRING(-1 AS CHAR(3)) FROM t
SELECT a FROM t WHERE -a > -1 AND -b < +2
SELECT 1 FROM t ORDER BY a DESC, -1
SELECT LAG(a, -1) OVER w FROM t WINDOW w AS (ORDER BY -1)
SELECT a, - 1.5, + 0x1, - 'x', - x'00', -1e3, -b'1', -:a FROM t
SELECT GET_FORMAT(DATE, 'USA'), ADDDATE(a, -1), ADDDATE (a, -1), COUNT (*), DATE_ADD (a, 1), EXTRACT (a), CURDATE (), CURTIME (), CURRENT_DATE(), CURRENT_TIME(), CURRENT_TIMESTAMP(), LOCALTIME(), TRIM (a), SUM (a), MAX (a), ST_COLLECT(a), ST_COLLECT (a), CAST (a), GROUP_CONCAT (a), SESSION_USER () FROM t
SELECT JSON_DUALITY_OBJECT('a': 1)
SELECT a FROM t WHERE a = -1 AND (-1) AND (-a) AND ((-1)) AND f(-1, -2)
SELECT a FROM t PROCEDURE
SELECT -1 FROM DUAL WHERE NULL HAVING NULL
SELECT DISTINCT NULL FROM t
SELECT BINARY NULL, NULL COLLATE utf8mb4_bin, NULL IS NULL, NULL IN (NULL), @a := NULL
SELECT a FROM t JOIN t u ON NULL
SELECT a FROM t ORDER BY NULL, NULL
INSERT INTO t VALUES (1,NULL,NULL),(2,NULL,3)
INSERT INTO t VALUES (a,NULL,NULL)
CREATE TABLE x (a VARCHAR(10) NULL, b ENUM('a','b') NULL DEFAULT 'a', c DECIMAL(10,2) NOT NULL, d DATETIME(6) NULL ON UPDATE CURRENT_TIMESTAMP(6), e BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, f TEXT COMMENT 'x', KEY k (a(10), b DESC), PRIMARY KEY (e)) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci
ALTER TABLE t MODIFY a INT NULL AFTER b, CHANGE b b2 VARCHAR(5) NOT NULL DEFAULT '', DROP COLUMN c, ADD INDEX i (a), RENAME TO u
ALTER TABLE t ADD COLUMN (x INT NULL, y INT)
SELECT @@user, @@x.y, @@global.`a`, @@persist.max_connections
SET GLOBAL max_connections = 100, SESSION sql_mode = 'x', @@global.sort_buffer_size = 1, PERSIST max_connections = DEFAULT
SET NAMES utf8mb4 COLLATE utf8mb4_bin
SET CHARACTER SET utf8mb4
SET PASSWORD = 'x'
SET PASSWORD FOR u@h = 'x' REPLACE 'y'
SET TRANSACTION READ ONLY
SELECT 1; SELECT 2
BEGIN; COMMIT
;
SELECT 1;;
SELECT 'a
SELECT /* a
SELECT 1 /*! + 1
SELECT a.b.c.d FROM t
SELECT 1.a FROM t
SELECT 1..a FROM t
SELECT t.1a, t.1, t.1e1 FROM t
SELECT t.*, d.t.* FROM t
SELECT * FROM 1t, `2t`
SELECT a AS select1, b AS `key` FROM t
SELECT a FROM t WHERE b = 'x' AND c = N'é' AND _binary 'a' = b
SELECT _utf8mb4 'a' COLLATE utf8mb4_bin, _UTF8MB4'a', _utf8'a', _utf8mb3'a', _binary'a', _ascii'a', _latin1'a', _gbk'a', _koi8r'a', _ucs2'a'
SELECT CONCAT('a',_utf8mb4'b','c')
SHOW TABLE STATUS LIKE 'x'
SHOW ENGINE INNODB STATUS
FLUSH TABLES WITH READ LOCK
FLUSH LOGS
OPTIMIZE TABLE t
ANALYZE TABLE t
TRUNCATE TABLE t
LOCK TABLES t READ, u WRITE
SAVEPOINT a
ROLLBACK TO SAVEPOINT a
RENAME TABLE a TO b
CREATE INDEX i ON t (a DESC, b(10))
DROP INDEX i ON t
CREATE VIEW v AS SELECT a FROM t WHERE a > 1
CREATE ROLE r
GRANT r TO u@h
GRANT ALL PRIVILEGES ON *.* TO 'u'@'%' WITH GRANT OPTION
REVOKE SELECT ON d.t FROM u
SELECT SQL_CALC_FOUND_ROWS HIGH_PRIORITY a FROM t
DELETE a, b FROM t a JOIN u b USING (id) WHERE a.id = 1
DELETE FROM t ORDER BY 1 LIMIT 10
UPDATE t a JOIN u b ON a.id = b.id SET a.x = b.y + 1, b.z = NULL WHERE a.id IN (1,2,3)
INSERT INTO t SELECT * FROM u ON DUPLICATE KEY UPDATE a = VALUES(a) + 1
INSERT INTO t VALUES (1,2) AS new ON DUPLICATE KEY UPDATE a = new.a
REPLACE t SET a = 1
HANDLER t OPEN
HANDLER t READ i = (1)
SELECT a FROM t GROUP BY 1 HAVING COUNT(*) > 1 ORDER BY 2
SELECT a FROM t GROUP BY 1 LIMIT 1
SELECT a FROM t ORDER BY 1 FOR UPDATE
SELECT a FROM t ORDER BY 1 INTO @x
SELECT a FROM t ORDER BY 1 COLLATE utf8mb4_bin
SELECT a FROM t ORDER BY 1 AND 2, 3 IS NULL, 4 IN (5), 6 BETWEEN 7 AND 8, 9 LIKE 10, 11 -> 12, 13 DIV 2
(SELECT a FROM t ORDER BY 1) ORDER BY 2
SELECT a FROM t ORDER BY 1 UNION SELECT 2
SELECT GROUP_CONCAT(a ORDER BY 1, 2 DESC SEPARATOR ';') FROM t
SELECT a FROM t ORDER BY 18446744073709551616, 99999999999, 0x1, 007
"""


def main(socket):
    connection = pymysql.connect(unix_socket=socket, user="root", charset="utf8mb4", autocommit=True)
    grammar = Grammar(20261127)
    statements = HANDMADE.splitlines()
    statements += [grammar.statement() for _ in range(1500)]
    told = 0
    with connection.cursor() as cursor, open("mysql-digests.ndjson", "w", encoding="utf-8") as out:
        cursor.execute("CREATE DATABASE IF NOT EXISTS d")
        cursor.execute("USE d")
        for statement in statements:
            try:
                cursor.execute("SELECT STATEMENT_DIGEST_TEXT(%s)", (statement,))
            except pymysql.err.Error:
                continue
            out.write(json.dumps([statement, cursor.fetchone()[0]], ensure_ascii=False) + "\n")
            told += 1
        cursor.execute("SELECT VERSION()")
        print(f"{told} of {len(statements)} statements, MySQL {cursor.fetchone()[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
