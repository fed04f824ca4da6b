"""opensearch-py and curl against the REST door, over the example log and a file of JSON and text lines.

What is expected is counted in the log file here, by a regular expression of its own, never taken from the server.
"""

import base64
import datetime
import gzip
import http.client
import json
import re
import subprocess
import urllib.parse
from collections import Counter

import pytest
from opensearchpy import OpenSearch, exceptions

from hydrant import AS_LOGGED, REPO, Hydrant, until

LOG = REPO / "examples" / "logs" / "mysql-general.log"
HEADER = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\t *(\d+) ([A-Z][A-Za-z ]*?)\t", re.M)
INDEX = "hydrant-general-2026-11-23"
JSON_LINES = [
    {"level": "warn", "took": 12, "user": {"name": "Ann", "admin": True}, "msg": "slow request to /orders"},
    {"level": "info", "took": 7, "user": {"name": "Bob", "admin": False}, "msg": "request"},
    {"level": "info", "took": "no number", "msg": "refused by the mapping"},
]


def entries():
    """(time, pid, perform, statement) of each entry of the example."""
    data = LOG.read_bytes()
    found = list(HEADER.finditer(data))
    ends = [match.start() for match in found[1:]] + [len(data)]
    return [
        (match[1].decode(), int(match[2]), match[3].decode(), data[match.end():end].removesuffix(b"\n").decode())
        for match, end in zip(found, ends)
    ]


ENTRIES = entries()
assert len(ENTRIES) == 498


@pytest.fixture(scope="module")
def hydrant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opensearch")
    other = folder / "other.log"
    other.write_text("".join(json.dumps(line) + "\n" for line in JSON_LINES) + "just a line of text\n")
    with Hydrant(folder / "data", LOG, other, config=AS_LOGGED) as hydrant:
        client = OpenSearch(hydrant.rest)
        until(lambda: client.count(index="hydrant-*")["count"] == 498 + 2 + 1)
        hydrant.client, hydrant.folder = client, folder
        yield hydrant


@pytest.fixture
def client(hydrant):
    return hydrant.client


def search(client, query=None, **body):
    return client.search(index="hydrant-general-*", body={"query": query or {"match_all": {}}, **body})


def total(client, query):
    return search(client, query, size=0)["hits"]["total"]


def count(condition):
    return {"value": sum(1 for entry in ENTRIES if condition(*entry)), "relation": "eq"}


def raw(hydrant, method, path, body=None, headers=None):
    address = urllib.parse.urlsplit(hydrant.rest)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, response.headers, data


def test_the_server_says_what_it_is(client):
    assert client.ping()
    info = client.info()
    assert info["version"]["distribution"] == "opensearch"
    assert list(info) == ["name", "cluster_name", "cluster_uuid", "version", "tagline"]


def test_every_entry_is_there_with_its_fields_in_the_files_order(client):
    hits = search(client, size=1000, sort=["Time", "event_id"])["hits"]["hits"]
    found = [tuple(hit["_source"][name] for name in ("Time", "PID", "Perform", "Statement")) for hit in hits]
    assert found == ENTRIES
    assert all(hit["_index"] == INDEX and hit["_score"] is None and len(hit["sort"]) == 2 for hit in hits)
    first = datetime.datetime.fromisoformat(ENTRIES[0][0].replace("Z", "+00:00"))
    nanoseconds = int(first.timestamp()) * 10**9 + first.microsecond * 1000
    assert hits[0]["sort"] == [nanoseconds, hits[0]["_source"]["event_id"]]


def words(statement):
    return re.findall(r"[a-z0-9]+", statement.lower())


@pytest.mark.parametrize(
    "query, condition",
    [
        ({"match_all": {}}, lambda time, pid, perform, statement: True),
        ({"term": {"Perform": "Query"}}, lambda time, pid, perform, statement: perform == "Query"),
        ({"term": {"Perform": {"value": "Init DB"}}}, lambda time, pid, perform, statement: perform == "Init DB"),
        ({"term": {"PID": 57}}, lambda time, pid, perform, statement: pid == 57),
        ({"terms": {"Perform": ["Quit", "Connect"]}}, lambda time, pid, perform, statement: perform in ("Quit", "Connect")),
        ({"match": {"Statement": "AUTOCOMMIT"}}, lambda time, pid, perform, statement: "autocommit" in words(statement)),
        ({"match_phrase": {"Statement": "set names utf8mb4"}}, lambda time, pid, perform, statement: " set names utf8mb4 " in f" {' '.join(words(statement))} "),
        ({"range": {"PID": {"gte": 60, "lt": 70}}}, lambda time, pid, perform, statement: 60 <= pid < 70),
        ({"range": {"Time": {"gt": "2026-11-23T03:07:00.000Z"}}}, lambda time, pid, perform, statement: time > "2026-11-23T03:07:00.000"),
        ({"range": {"Time": {"lte": "2026-11-23T03:07:00.000Z"}}}, lambda time, pid, perform, statement: time <= "2026-11-23T03:07:00.000"),
        ({"range": {"Time": {"gt": "2026-11-23T03:08:00Z"}}}, lambda time, pid, perform, statement: time > "2026-11-23T03:08:00"),
        ({"exists": {"field": "PID"}}, lambda time, pid, perform, statement: True),
        ({"exists": {"field": "nope"}}, lambda time, pid, perform, statement: False),
        ({"prefix": {"Perform": "Con"}}, lambda time, pid, perform, statement: perform.startswith("Con")),
        ({"wildcard": {"Perform": "*it*"}}, lambda time, pid, perform, statement: "it" in perform),
        ({"bool": {"must": [{"term": {"Perform": "Query"}}], "must_not": [{"range": {"PID": {"lte": 60}}}]}},
         lambda time, pid, perform, statement: perform == "Query" and pid > 60),
        ({"bool": {"should": [{"term": {"PID": 57}}, {"term": {"Perform": "Quit"}}], "minimum_should_match": 1}},
         lambda time, pid, perform, statement: pid == 57 or perform == "Quit"),
        ({"query_string": {"query": "Perform:Query AND Statement:app_db"}},
         lambda time, pid, perform, statement: perform == "Query" and "app_db" in statement),
        ({"query_string": {"query": "Perform:\"Init DB\" OR PID:[60 TO 64]"}},
         lambda time, pid, perform, statement: perform == "Init DB" or 60 <= pid <= 64),
    ],
)
def test_queries_find_what_a_count_in_the_file_finds(client, query, condition):
    assert total(client, query) == count(condition)


def test_pages_sources_and_totals(client):
    page = search(client, sort=[{"PID": "desc"}, "event_id"], size=3, **{"from": 2}, _source=["PID", "Perf*"])["hits"]["hits"]
    assert [hit["_source"]["PID"] for hit in page] == sorted((entry[1] for entry in ENTRIES), reverse=True)[2:5]
    assert all(set(hit["_source"]) == {"PID", "Perform"} for hit in page)
    assert search(client, track_total_hits=100)["hits"]["total"] == {"value": 100, "relation": "gte"}
    assert "total" not in search(client, track_total_hits=False)["hits"]
    assert all("_source" not in hit for hit in search(client, _source=False)["hits"]["hits"])
    with pytest.raises(exceptions.RequestError) as error:
        search(client, **{"from": 9_999}, size=2)
    assert "Result window is too large" in str(error.value)


def test_aggregations_agree_with_the_file(client):
    pids = [pid for _, pid, _, _ in ENTRIES]
    answer = search(client, size=0, aggs={
        "performs": {"terms": {"field": "Perform", "size": 3}, "aggs": {"highest": {"max": {"field": "PID"}}}},
        "minutes": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}},
        "low": {"min": {"field": "PID"}}, "high": {"max": {"field": "PID"}}, "mean": {"avg": {"field": "PID"}},
        "sum": {"sum": {"field": "PID"}}, "values": {"value_count": {"field": "PID"}}, "kinds": {"cardinality": {"field": "PID"}},
    })["aggregations"]
    most = Counter(perform for _, _, perform, _ in ENTRIES).most_common()
    buckets = answer["performs"]["buckets"]
    assert [bucket["doc_count"] for bucket in buckets] == [number for _, number in most[:3]]
    for bucket in buckets:
        assert bucket["doc_count"] == dict(most)[bucket["key"]]
        assert bucket["highest"]["value"] == max(pid for _, pid, perform, _ in ENTRIES if perform == bucket["key"])
    assert answer["performs"]["sum_other_doc_count"] == 498 - sum(bucket["doc_count"] for bucket in buckets)
    minutes = Counter(time[:16] for time, *_ in ENTRIES)
    told = {bucket["key_as_string"][:16]: bucket["doc_count"] for bucket in answer["minutes"]["buckets"] if bucket["doc_count"]}
    assert told == dict(minutes)
    assert (answer["low"]["value"], answer["high"]["value"]) == (min(pids), max(pids))
    assert answer["mean"]["value"] == pytest.approx(sum(pids) / 498)
    assert (answer["sum"]["value"], answer["values"]["value"], answer["kinds"]["value"]) == (sum(pids), 498, len(set(pids)))


def test_the_other_calls_of_a_client(client):
    hit = search(client, size=1)["hits"]["hits"][0]
    got = client.get(index=INDEX, id=hit["_id"])
    assert (got["found"], got["_source"]) == (True, hit["_source"])
    with pytest.raises(exceptions.NotFoundError) as error:
        client.get(index=INDEX, id="nope")
    assert error.value.info == {"_index": INDEX, "_id": "nope", "found": False}
    fields = client.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]
    kinds = {name: fields[name]["type"] for name in ("PID", "Perform", "Statement", "Time", "event_id")}
    assert kinds == {"PID": "long", "Perform": "keyword", "Statement": "text", "Time": "date_nanos", "event_id": "keyword"}
    assert client.indices.refresh(index="hydrant-*")["_shards"]["failed"] == 0
    listed = {index["index"]: index["docs.count"] for index in client.cat.indices(format="json")}
    assert listed[INDEX] == "498" and len(listed) == 3
    assert client.cluster.health()["status"] == "green"
    assert client.count(index=INDEX, body={"query": {"term": {"Perform": "Quit"}}})["count"] == count(
        lambda time, pid, perform, statement: perform == "Quit")["value"]
    both = client.search(index=f"{INDEX},hydrant-text-*", body={"size": 0})
    assert both["hits"]["total"]["value"] == 499 and both["_shards"]["total"] == 2


def test_json_and_text_lines_and_what_the_mapping_refuses(hydrant, client):
    found = client.search(index="hydrant-json-*", body={"sort": ["took"]})["hits"]["hits"]
    own = [{name: value for name, value in hit["_source"].items() if name in JSON_LINES[0]} for hit in found]
    assert own == [JSON_LINES[1], JSON_LINES[0]]
    exact = {"query": {"bool": {"filter": [{"term": {"level.keyword": "warn"}}, {"term": {"user.admin": True}}]}}}
    assert client.count(index="hydrant-json-*", body=exact)["count"] == 1
    assert client.count(index="hydrant-json-*", body={"query": {"match": {"msg": "REQUEST"}}})["count"] == 2
    text = client.search(index="hydrant-text-*")["hits"]["hits"]
    assert [hit["_source"]["message"] for hit in text] == ["just a line of text"]
    objects = list((hydrant.folder / "data" / "failed").rglob("hydrant-1-*"))
    assert [path.relative_to(hydrant.folder / "data" / "failed").parts[0] for path in objects] == ["AmazonOpenSearchService-failed"]
    assert objects[0].stat().st_mode & 0o777 == 0o600
    lost = json.loads(objects[0].read_text())
    assert (lost["reasonCode"], lost["format"], lost["errorCode"]) == ("mapper_parsing_exception", "json", "400")
    envelope = json.loads(gzip.decompress(base64.b64decode(lost["rawData"])))
    assert json.loads(envelope["logEvents"][0]["message"]) == JSON_LINES[2]


@pytest.mark.parametrize(
    "body, status, kind, reason",
    [
        ({"query": {"foo": {}}}, 400, "parsing_exception", "unknown query [foo]"),
        ({"qery": {}}, 400, "parsing_exception", "Unknown key for a START_OBJECT in [qery]."),
        ({"aggs": {"a": {"percentiles": {"field": "PID"}}}}, 400, None, "percentiles"),
        ({"aggs": {"a": {"terms": {"field": "Statement"}}}}, 400, "search_phase_execution_exception", "all shards failed"),
        ({"sort": ["nope"]}, 400, "search_phase_execution_exception", "all shards failed"),
        ({"query": {"term": {"PID": "abc"}}}, 400, "search_phase_execution_exception", "all shards failed"),
    ],
)
def test_errors_have_the_shape_and_name_the_thing(hydrant, body, status, kind, reason):
    got, _, data = raw(hydrant, "POST", f"/{INDEX}/_search", json.dumps(body), {"Content-Type": "application/json"})
    answer = json.loads(data)
    assert (got, answer["status"]) == (status, status)
    assert list(answer) == ["error", "status"] and "root_cause" in answer["error"]
    assert kind is None or answer["error"]["type"] == kind
    assert reason in answer["error"]["reason"]


def test_what_is_not_there_or_not_supported_is_said(hydrant, client):
    with pytest.raises(exceptions.NotFoundError) as error:
        client.search(index="nope")
    assert error.value.error == "index_not_found_exception"
    assert client.search(index="nope-*")["hits"]["total"]["value"] == 0
    status, _, data = raw(hydrant, "POST", "/_search", "{", {"Content-Type": "application/json"})
    assert status == 400 and json.loads(data)["error"]["type"] == "json_e_o_f_exception"
    status, _, data = raw(hydrant, "GET", "/_search?foo=1")
    assert status == 400 and "unrecognized parameter: [foo]" in json.loads(data)["error"]["reason"]
    for method, path in (("POST", "/_bulk"), ("PUT", "/x/_doc/1"), ("DELETE", f"/{INDEX}")):
        status, _, data = raw(hydrant, method, path, "{}\n", {"Content-Type": "application/json"})
        assert status in (400, 405) and b"read" in data, (method, path, data)
    assert client.count(index="hydrant-*")["count"] == 501


def test_an_index_that_cannot_answer_does_not_spoil_the_others(tmp_path):
    other = tmp_path / "other.log"
    other.write_text('{"PID":"a word","Perform":"x"}\n')
    with Hydrant(tmp_path / "data", LOG, other) as hydrant:
        client = OpenSearch(hydrant.rest)
        until(lambda: client.count(index="hydrant-*")["count"] == 499)
        body = {"sort": [{"PID": "desc"}], "aggs": {"sum": {"sum": {"field": "PID"}}}}
        answer = client.search(index="hydrant-*", body=body)
        assert (answer["_shards"]["total"], answer["_shards"]["successful"], answer["_shards"]["failed"]) == (2, 1, 1)
        assert "Text fields are not optimised" in json.dumps(answer["_shards"]["failures"])
        assert answer["hits"]["total"]["value"] == 498
        assert answer["aggregations"]["sum"]["value"] == sum(pid for _, pid, _, _ in ENTRIES)
        assert client.count(index="hydrant-*", q="PID:57")["count"] == count(lambda time, pid, *_: pid == 57)["value"]
        page = urllib.parse.urlsplit(hydrant.page)
        connection = http.client.HTTPConnection(page.hostname, page.port, timeout=30)
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.status == 200 and b"499 entries" in response.read()


def test_gzip_pretty_and_filter_path(hydrant):
    status, headers, data = raw(hydrant, "GET", f"/{INDEX}/_search?size=100", headers={"Accept-Encoding": "gzip"})
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert len(json.loads(gzip.decompress(data))["hits"]["hits"]) == 100
    _, _, data = raw(hydrant, "GET", "/_count?pretty&filter_path=count")
    assert data == b'{\n  "count" : 501\n}\n'
    status, headers, data = raw(hydrant, "GET", "/_cat/indices?v&h=index,docs.count&s=index")
    assert data.decode().splitlines()[0].split() == ["index", "docs.count"]
    assert data.decode().splitlines()[1].split() == [INDEX, "498"]
    assert headers["content-type"].startswith("text/plain")


def test_curl_answers_as_opensearch_does(hydrant):
    url = f"{hydrant.rest}/hydrant-*/_search?q=Perform:Query&size=3"
    out = subprocess.run(["curl", "-sS", "--fail", url], check=True, capture_output=True, timeout=30).stdout
    answer = json.loads(out)
    assert list(answer) == ["took", "timed_out", "_shards", "hits"]
    assert list(answer["hits"]) == ["total", "max_score", "hits"]
    assert answer["hits"]["total"] == count(lambda time, pid, perform, statement: perform == "Query")
    assert len(answer["hits"]["hits"]) == 3
    for hit in answer["hits"]["hits"]:
        assert list(hit) == ["_index", "_id", "_score", "_source"]
        assert hit["_source"]["Perform"] == "Query"


def test_web_pages_of_others_and_large_bodies_are_refused(hydrant):
    host = urllib.parse.urlsplit(hydrant.rest).netloc
    assert raw(hydrant, "GET", "/", headers={"Host": "evil.example"})[0] == 403
    assert raw(hydrant, "GET", "/", headers={"Host": host, "Origin": "http://evil.example"})[0] == 403
    status, headers, data = raw(hydrant, "OPTIONS", "/_search", headers={"Origin": "http://evil.example"})
    assert status == 403 and "access-control-allow-origin" not in headers
    status, headers, data = raw(hydrant, "POST", "/_search", b" " * (5 << 20), {"Content-Type": "application/json"})
    assert (status, data) == (413, b"")
