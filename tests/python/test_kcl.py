"""Amazon's own Kinesis Client Library (KCL) takes shards over from Hydrant, and Hydrant from it, by one table.

Who delivers keeps what it gets apart from the others, so that what it has got is what it has read: Hydrant in the index of
its own data folder, the KCL in a file. Kinesis is kinesis-local and DynamoDB moto: kinesalite does not tell at the end of
a shard which ones follow it, and dynalite does not take the index that a KCL 3 adds to the table.
"""

import base64
import gzip
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections import namedtuple

import boto3
import pytest
from opensearchpy import OpenSearch

from hydrant import REPO, Hydrant, until

JARS, NODE, MOTO = os.environ["HYDRANT_KCL"], os.environ["HYDRANT_NODE"], os.environ["HYDRANT_MOTO"]
REGION = "us-east-1"

Servers = namedtuple("Servers", "kinesis kinesis_url kinesis_http2_url dynamodb dynamodb_url")


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    kinesis, http2, dynamodb = (free_port() for _ in range(3))
    urls = {port: f"http://127.0.0.1:{port}" for port in (kinesis, http2, dynamodb)}
    settings = {
        "KINESIS_MOCK_PLAIN_PORT": str(kinesis), "KINESIS_MOCK_TLS_PORT": str(free_port()), "LOG_LEVEL": "ERROR",
        "CREATE_STREAM_DURATION": "10ms", "SPLIT_SHARD_DURATION": "10ms",
    }
    local = ["node", "-r", REPO / "tests/node/loopback.js", "main.js"]
    processes = {}
    try:
        processes[kinesis] = start(
            local, folder / "kinesis.log", cwd=f"{NODE}/node_modules/kinesis-local", env={**os.environ, **settings})
        processes[http2] = start(["node", REPO / "tests/kcl/http2.js", http2, urls[kinesis]], folder / "http2.log")
        processes[dynamodb] = start([MOTO, "-H", "127.0.0.1", "-p", dynamodb], folder / "dynamodb.log")
        for port, process in processes.items():
            until(lambda: listens(port, process), 120)
        yield Servers(
            boto3.client("kinesis", endpoint_url=urls[kinesis], region_name=REGION), urls[kinesis], urls[http2],
            boto3.client("dynamodb", endpoint_url=urls[dynamodb], region_name=REGION), urls[dynamodb])
    finally:
        for process in processes.values():
            kill(process)


# Linux gives them to nobody, so that none is taken while its server starts.
PORTS = itertools.count(19000)


def free_port():
    for port in PORTS:
        with socket.socket() as free:
            if free.connect_ex(("127.0.0.1", port)) != 0:
                return port


def start(command, log, **settings):
    with open(log, "wb") as out:
        return subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, **settings)


def kill(process):
    process.kill()
    process.wait()


def listens(port, process):
    assert process.poll() is None, f"{process.args} ended with {process.returncode}"
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


class Stream:
    """A stream of two shards and the table of the same name. Each record has two statements, `SELECT 0` and so on."""

    def __init__(self, servers, name):
        self.servers, self.name, self.n_statements = servers, name, 0
        # By shard, each record's sequence number and the numbers of its statements.
        self.records = {}
        servers.kinesis.create_stream(StreamName=name, ShardCount=2)
        self.await_active()

    def await_active(self):
        describe = self.servers.kinesis.describe_stream_summary
        until(lambda: describe(StreamName=self.name)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")

    def split(self, shard):
        shards = self.servers.kinesis.list_shards(StreamName=self.name)["Shards"]
        [keys] = [listed["HashKeyRange"] for listed in shards if listed["ShardId"] == shard]
        middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
        self.servers.kinesis.split_shard(StreamName=self.name, ShardToSplit=shard, NewStartingHashKey=str(middle))
        self.await_active()

    def put(self, n_records):
        """Over all open shards."""
        first, self.n_statements = self.n_statements, self.n_statements + 2 * n_records
        pairs = [[number, number + 1] for number in range(first, self.n_statements, 2)]
        entries = [{"Data": envelope(pair), "PartitionKey": str(pair)} for pair in pairs]
        answer = self.servers.kinesis.put_records(StreamName=self.name, Records=entries)
        assert answer["FailedRecordCount"] == 0, answer
        for pair, record in zip(pairs, answer["Records"]):
            self.records.setdefault(record["ShardId"], []).append((record["SequenceNumber"], pair))

    def ends(self):
        """How many records each shard has."""
        return {shard: len(records) for shard, records in self.records.items()}

    def checkpoints(self):
        """How many of them are delivered, as the table says."""
        rows = self.rows()
        return {shard: n_delivered(records, rows.get(shard)) for shard, records in self.records.items()}

    def rows(self):
        items = self.servers.dynamodb.scan(TableName=self.name, ConsistentRead=True)["Items"]
        rows = [{column: value for column, typed in item.items() for value in typed.values()} for item in items]
        return {row["leaseKey"]: row for row in rows}

    def behind(self, checkpoints):
        """The numbers of all statements in each shard behind its checkpoint, in order."""
        records = {shard: records[checkpoints.get(shard, 0):] for shard, records in self.records.items()}
        return {shard: [number for _, pair in rest for number in pair] for shard, rest in records.items() if rest}

    def by_shard(self, numbers):
        return {shard: [number for number in all_ if number in numbers] for shard, all_ in self.behind({}).items()}


def n_delivered(records, row):
    match row and row["checkpoint"]:
        case None | "TRIM_HORIZON":
            return 0
        case "SHARD_END":
            return len(records)
        case checkpoint:
            return [number for number, _ in records].index(checkpoint) + 1


def envelope(numbers):
    """As CloudWatch Logs sends the general log of a database."""
    line = "2026-11-29T09:00:00.000000Z\t   99 Query\tSELECT {}".format
    events = [{"id": f"{number:056}", "timestamp": 1795942800000, "message": line(number)} for number in numbers]
    message = {
        "messageType": "DATA_MESSAGE", "owner": "000000000000", "logGroup": "/aws/rds/instance/db/general",
        "logStream": "db", "subscriptionFilters": ["all"], "logEvents": events,
    }
    return gzip.compress(json.dumps(message).encode())


def numbers_in(data):
    return [int(event["message"].rpartition(" ")[2]) for event in json.loads(gzip.decompress(data))["logEvents"]]


def flat(numbers):
    """Sorted, of all shards."""
    return sorted(number for of_shard in numbers.values() for number in of_shard)


def hydrant_of(stream, data):
    """Hydrant that delivers the stream into the index of its data folder."""
    servers = stream.servers
    return Hydrant(data, config=f"""
[stream]
engine = "kinesis"
name = "{stream.name}"
region = "{REGION}"
endpoint = "{servers.kinesis_url}"
checkpoints = "dynamodb://{stream.name}"
checkpoints_endpoint = "{servers.dynamodb_url}"
""")


def indexed(hydrant):
    """The number of each document's statement, sorted."""
    search = OpenSearch(hydrant.rest).search
    hits = search(index="hydrant-general-*", body={"size": 10_000}, ignore_unavailable=True)["hits"]["hits"]
    return sorted(int(hit["_source"]["Statement"].removeprefix("SELECT ")) for hit in hits)


class Kcl:
    """An application of the KCL. Where the table does not say where to begin, it begins with what is put later."""

    def __init__(self, stream, folder):
        self.seen_file, self.log, self.ended = folder / "seen", folder / "kcl.log", False
        self.seen_file.touch()
        properties = {
            "executableName": f"{sys.executable} {REPO}/tests/kcl/processor.py {self.seen_file}",
            "streamName": stream.name,
            # Names the table too.
            "applicationName": stream.name,
            "workerIdentifier": "kcl",
            "AwsCredentialsProvider": "EnvironmentVariableCredentialsProvider",
            "regionName": REGION,
            "kinesisEndpoint": stream.servers.kinesis_http2_url,
            "dynamoDBEndpoint": stream.servers.dynamodb_url,
            "initialPositionInStream": "LATEST",
            "retrievalMode": "POLLING",
            "metricsLevel": "NONE",
            # Of one read, so that a kill meets it between two.
            "maxRecords": 10,
            "idleTimeBetweenReadsInMillis": 200,
            "failoverTimeMillis": 1000,
            "leaseAssignmentIntervalMillis": 500,
            # It assigns no leases before it has measured how busy its own machine is.
            "inMemoryWorkerMetricsCaptureFrequencyMillis": 100,
            "workerMetricsReporterFreqInMillis": 500,
            "shardSyncIntervalMillis": 1000,
            "parentShardPollIntervalMillis": 500,
            # Shards that ended a moment ago can make it wait for ever.
            "shutdownGraceMillis": 3000,
        }
        file = folder / "kcl.properties"
        file.write_text("".join(f"{name} = {value}\n" for name, value in properties.items()))
        java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{JARS}/*"]
        daemon = "software.amazon.kinesis.multilang.MultiLangDaemon"
        self.process = start([*java, daemon, "--properties-file", file], self.log)

    def seen(self):
        """The numbers of the statements that it was given, by shard, in order."""
        assert self.ended or self.process.poll() is None, "the KCL ended"
        seen = {}
        # The last line may be half written.
        for line in self.seen_file.read_text().split("\n")[:-1]:
            record = json.loads(line)
            seen.setdefault(record["shard"], []).extend(numbers_in(base64.b64decode(record["data"])))
        return seen

    def stop(self):
        self.ended = True
        self.process.terminate()
        assert self.process.wait(60) == 128 + signal.SIGTERM

    def kill(self):
        """Its record processors end with it, as their input does."""
        self.ended = True
        kill(self.process)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        self.kill()
        if failure:
            print(self.log.read_text()[-10_000:])


def test_after_an_orderly_end_the_other_goes_on_with_the_very_next_record_of_each_shard(servers, tmp_path):
    first, second = "shardId-000000000000", "shardId-000000000001"
    stream = Stream(servers, "orderly")
    stream.put(40)
    with hydrant_of(stream, tmp_path / "first") as hydrant:
        until(lambda: len(indexed(hydrant)) >= 80)
        stream.split(first)
        stream.put(40)
        until(lambda: len(indexed(hydrant)) >= 160)
        assert indexed(hydrant) == list(range(160))
        code, summary = hydrant.stop()
        assert code == 0 and summary["failed"] == 0, summary
    delivered = stream.ends()
    assert stream.checkpoints() == delivered
    assert stream.rows()[first]["checkpoint"] == "SHARD_END"
    stream.put(40)
    with Kcl(stream, tmp_path) as kcl:
        until(lambda: len(flat(kcl.seen())) >= 80, 60)
        stream.split(second)
        stream.put(40)
        until(lambda: stream.checkpoints() == stream.ends(), 60)
        kcl.stop()
    assert kcl.seen() == stream.behind(delivered)
    delivered, rows = stream.ends(), stream.rows()
    assert stream.checkpoints() == delivered
    assert rows[second]["checkpoint"] == "SHARD_END"
    made_by_kcl = [shard for shard, row in rows.items() if "hydrant" not in row]
    assert sorted(made_by_kcl) == sorted(rows[second]["childShardIds"])
    # As a KCL does some five minutes after the shards behind them have begun.
    for shard in (first, second):
        servers.dynamodb.delete_item(TableName=stream.name, Key={"leaseKey": {"S": shard}})
    stream.put(40)
    with hydrant_of(stream, tmp_path / "second") as hydrant:
        until(lambda: len(indexed(hydrant)) >= 80)
        stream.put(40)
        until(lambda: len(indexed(hydrant)) >= 160)
        assert indexed(hydrant) == flat(stream.behind(delivered))
        hydrant.stop()
    # Kinesis lists them still.
    assert not {first, second} & set(stream.rows())
    assert stream.checkpoints() == {**stream.ends(), first: 0, second: 0}


def test_after_a_kill_the_other_misses_nothing_and_begins_no_earlier_than_the_checkpoint(servers, tmp_path):
    stream = Stream(servers, "killed")
    stream.put(40)
    with hydrant_of(stream, tmp_path / "first") as hydrant:
        # Documents first: moto shows a row that is being made without some of its columns.
        until(lambda: len(indexed(hydrant)) >= 80 and stream.checkpoints() == stream.ends())
        stream.put(400)
        until(lambda: len(indexed(hydrant)) > 80)
        kill(hydrant.process)
    kept = stream.checkpoints()
    # Its folder, without the stream: what has outlived it.
    with Hydrant(tmp_path / "first") as hydrant:
        first = indexed(hydrant)
    stream.put(40)
    with Kcl(stream, tmp_path) as kcl:
        until(lambda: set(first) | set(flat(kcl.seen())) == set(range(960)), 60)
        assert_goes_on(stream, kept, kcl.seen())
        n_seen = len(flat(kcl.seen()))
        stream.put(400)
        until(lambda: len(flat(kcl.seen())) > n_seen)
        kcl.kill()
    kept = stream.checkpoints()
    with hydrant_of(stream, tmp_path / "second") as hydrant:
        until(lambda: {*first, *flat(kcl.seen()), *indexed(hydrant)} == set(range(1760)))
        stream.put(40)
        until(lambda: set(range(1760, 1840)) <= set(indexed(hydrant)))
        assert_goes_on(stream, kept, stream.by_shard(indexed(hydrant)))
        hydrant.stop()
    assert stream.checkpoints() == stream.ends()


def assert_goes_on(stream, kept, got):
    """Of each shard it got all behind some record, once and in order, and nothing that `kept` names as delivered. A
    checkpoint that was on its way when its writer was killed may have moved that record on."""
    for shard, numbers in stream.behind(kept).items():
        assert got[shard] == numbers[len(numbers) - len(got[shard]):], shard
