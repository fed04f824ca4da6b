"""A function that does what its event asks for."""

import sys
import time


def function(event, context):
    ask = event.get("ask")
    if ask == "context":
        return {
            "request_id": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "remaining_ms": context.get_remaining_time_in_millis(),
        }
    if ask == "error":
        raise ValueError("as asked")
    if ask == "bytes":
        return "x" * (event["bytes"] - 2)
    if ask == "sleep":
        time.sleep(60)
    if ask == "exit":
        sys.exit(3)
    return event
