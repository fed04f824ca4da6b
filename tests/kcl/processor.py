"""`processor.py FILE`: a record processor of a KCL's MultiLangDaemon, which keeps each record it is given in the file.

It is one process a shard and speaks lines of JSON: the daemon says what happens, and each is answered with a `status`
when it is done. A checkpoint is asked for in between and answered in the same way.
"""

import json
import sys


def say(message):
    print(json.dumps(message), flush=True)


def checkpoint(number, sub):
    say({"action": "checkpoint", "sequenceNumber": number, "subSequenceNumber": sub})
    answer = json.loads(sys.stdin.readline())
    assert answer["action"] == "checkpoint" and answer.get("error") is None, answer


def main(file):
    shard = None
    for line in sys.stdin:
        message = json.loads(line)
        match message["action"]:
            case "initialize":
                shard = message["shardId"]
            case "processRecords" if message["records"]:
                records = message["records"]
                # Kept before the checkpoint: what is checkpointed was seen.
                for record in records:
                    kept = {"shard": shard, "number": record["sequenceNumber"], "data": record["data"]}
                    file.write(json.dumps(kept) + "\n")
                file.flush()
                checkpoint(records[-1]["sequenceNumber"], records[-1].get("subSequenceNumber", 0))
            case "shardEnded":
                checkpoint(None, None)
        say({"action": "status", "responseFor": message["action"]})


with open(sys.argv[1], "a") as kept:
    main(kept)
