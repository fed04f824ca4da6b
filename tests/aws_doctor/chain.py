"""Builds the chain with a Kinesis trigger in a moto server, as somebody would by hand: `chain.py URL [FAULT]`.

FAULT leaves out or spoils one thing: trust, rights, export, general_log, timeout, partial, retention, failed, shards (moto
keeps no distribution of a filter, so with two shards all goes to one).
"""

import io
import json
import sys
import time
import zipfile

import boto3

URL, FAULT = sys.argv[1], (sys.argv[2:] or [""])[0]
GROUP = "/aws/rds/instance/orders/general"


def client(name):
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(name, endpoint_url=URL, region_name="eu-west-1", **keys)


def role(name, service, statements):
    iam = client("iam")
    principal = {"Service": "events.amazonaws.com" if FAULT == "trust" and name == "to-stream" else service}
    trust = [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return arn["Role"]["Arn"]


def database():
    rds = client("rds")
    rds.create_db_parameter_group(DBParameterGroupName="hydrant-orders", DBParameterGroupFamily="mysql8.0", Description="d")
    values = {"general_log": "0" if FAULT == "general_log" else "1", "log_output": "FILE"}
    rds.modify_db_parameter_group(
        DBParameterGroupName="hydrant-orders",
        Parameters=[{"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"} for name, value in values.items()],
    )
    rds.create_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.t3.micro",
        Engine="mysql",
        AllocatedStorage=20,
        MasterUsername="admin",
        MasterUserPassword="not-a-secret-1",
        DBParameterGroupName="hydrant-orders",
        EnableCloudwatchLogsExports=["error"] if FAULT == "export" else ["error", "general"],
    )


def stream():
    kinesis = client("kinesis")
    kinesis.create_stream(StreamName="logs", ShardCount=2 if FAULT == "shards" else 1)
    while kinesis.describe_stream_summary(StreamName="logs")["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.1)
    if FAULT != "retention":
        kinesis.increase_stream_retention_period(StreamName="logs", RetentionPeriodHours=168)
    return kinesis.describe_stream_summary(StreamName="logs")["StreamDescriptionSummary"]["StreamARN"]


def log_group(stream_arn, role_arn):
    logs = client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=14)
    logs.put_subscription_filter(
        logGroupName=GROUP, filterName="hydrant", filterPattern="", destinationArn=stream_arn, roleArn=role_arn, distribution="Random"
    )
    logs.create_log_stream(logGroupName=GROUP, logStreamName="orders")
    message = "2026-11-28T14:00:00.000000Z\t   12 Query\tSELECT 1"
    logs.put_log_events(logGroupName=GROUP, logStreamName="orders", logEvents=[{"timestamp": int(time.time() * 1000), "message": message}])


def function(stream_arn, role_arn):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    awslambda = client("lambda")
    arn = awslambda.create_function(
        FunctionName="hydrant",
        Runtime="provided.al2023",
        Role=role_arn,
        Handler="bootstrap",
        Code={"ZipFile": packed.getvalue()},
        Timeout=3 if FAULT == "timeout" else 120,
        MemorySize=512,
        Environment={"Variables": {"HYDRANT_FAILED_TO": "s3://failed/hydrant", "HYDRANT_INDEX_ENDPOINT": "http://127.0.0.1:1"}},
    )["FunctionArn"]
    awslambda.create_event_source_mapping(
        EventSourceArn=stream_arn,
        FunctionName=arn,
        StartingPosition="TRIM_HORIZON",
        BisectBatchOnFunctionError=True,
        FunctionResponseTypes=[] if FAULT == "partial" else ["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failed"}},
    )


def main():
    client("s3").create_bucket(Bucket="failed", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    line = {"rawData": "U0VDUkVU", "errorCode": "Hydrant.TransformFailed", "reasonCode": "bad_json"}
    key = "hydrant/processing-failed/2026/11/28/10/x"
    if FAULT == "failed":
        client("s3").put_object(Bucket="failed", Key=key, Body=json.dumps(line) + "\n")
    stream_arn = stream()
    action = "kinesis:PutMetric" if FAULT == "rights" else "kinesis:PutRecord"
    to_stream = role("to-stream", "logs.amazonaws.com", [{"Effect": "Allow", "Action": action, "Resource": stream_arn}])
    statements = [
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"], "Resource": stream_arn},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::failed/*"},
    ]
    of_function = role("function", "lambda.amazonaws.com", statements)
    database()
    log_group(stream_arn, to_stream)
    function(stream_arn, of_function)


main()
