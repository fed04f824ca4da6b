"""A Firehose transformation that behaves as AWS's blueprint for CloudWatch Logs does, so that people can see what that does.

Written after a description of the behaviour; no line of it is AWS's. What it does not do is meant.
"""

import base64
import gzip
import json

import boto3

# Characters of ids and data that an answer may have, below the 6,291,456 bytes that Lambda takes.
ANSWER_MAX = 6_000_000
CALL_RECORDS_MAX = 500
TRIES_MAX = 20


def function(event, context):
    answers, again = [], []
    for record in event["records"]:
        answer, halves = transform(record)
        answers.append(answer)
        again += [entry(event, record, half) for half in halves]
    size = 0
    for record, answer in zip(event["records"], answers):
        if answer["result"] != "Ok":
            continue
        size += len(answer["data"]) + len(answer["recordId"])
        if size > ANSWER_MAX:
            drop(answer)
            again.append(entry(event, record))
    send_again(event, again)
    print(f"{len(answers)} records, {len(again)} sent again")
    return {"records": answers}


def transform(record):
    """The answer to a record, and the halves of one that fits in no answer."""
    answer = {"recordId": record["recordId"], "result": "ProcessingFailed"}
    envelope = json.loads(gzip.decompress(base64.b64decode(record["data"])))
    if envelope["messageType"] == "CONTROL_MESSAGE":
        answer["result"] = "Dropped"
    if envelope["messageType"] != "DATA_MESSAGE":
        return answer, []
    events = envelope["logEvents"]
    lines = "".join(log_event["message"] + "\n" for log_event in events)
    data = base64.b64encode(lines.encode()).decode()
    if len(data) <= ANSWER_MAX:
        return {**answer, "result": "Ok", "data": data}, []
    if len(events) == 1:
        return answer, []
    middle = len(events) // 2
    halves = [{**envelope, "logEvents": half} for half in (events[:middle], events[middle:])]
    return {**answer, "result": "Dropped"}, [gzip.compress(json.dumps(half).encode()) for half in halves]


def drop(answer):
    answer["result"] = "Dropped"
    del answer["data"]


def entry(event, record, data=None):
    """What is sent again of a record: its own bytes, unless others are given."""
    sent = {"Data": data or base64.b64decode(record["data"])}
    if "sourceKinesisStreamArn" in event:
        sent["PartitionKey"] = record["kinesisRecordMetadata"]["partitionKey"]
    return sent


def send_again(event, entries):
    """To where the event comes from; what is refused at once again, without a wait."""
    if not entries:
        return
    put = sender(event)
    for start in range(0, len(entries), CALL_RECORDS_MAX):
        batch = entries[start : start + CALL_RECORDS_MAX]
        for _ in range(TRIES_MAX):
            told = put(batch)
            batch = [sent for sent, one in zip(batch, told) if one.get("ErrorCode")]
            if not batch:
                break
        else:
            raise RuntimeError(f"{len(batch)} records were refused {TRIES_MAX} times")


def sender(event):
    arn = event.get("sourceKinesisStreamArn") or event["deliveryStreamArn"]
    region, name = arn.split(":")[3], arn.split("/")[1]
    if "sourceKinesisStreamArn" in event:
        kinesis = boto3.client("kinesis", region_name=region)
        return lambda batch: kinesis.put_records(StreamName=name, Records=batch)["Records"]
    firehose = boto3.client("firehose", region_name=region)
    return lambda batch: firehose.put_record_batch(DeliveryStreamName=name, Records=batch)["RequestResponses"]
