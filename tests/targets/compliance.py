"""compliance.py BASE_URL: asks scim2-tester about the SCIM server at BASE_URL, on this machine only.

The token is taken from the environment variable TOKEN. Prints what the checker did not like, then one line
of counts. Exit status: 0 when it found no error, 1 when it did, 2 when there was nothing to judge.
"""

import os
import sys
import warnings
from collections import Counter
from urllib.parse import urlsplit

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

FAILED = {Status.ERROR, Status.CRITICAL}
WORTH_READING = FAILED | {Status.DEVIATION}


def main():
    if len(sys.argv) != 2:
        return give_up("usage: compliance.py BASE_URL")
    base_url = sys.argv[1].rstrip("/")
    # The checker creates and deletes people: never let a typing error point it at a real service.
    if urlsplit(base_url).hostname not in {"127.0.0.1", "::1", "localhost"}:
        return give_up("only servers on the loopback interface are checked")
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    with httpx2.Client(base_url=base_url, headers=headers, timeout=60, trust_env=False) as http:
        results = check_server(SyncSCIMClient(http))
    for result in results:
        if result.status in WORTH_READING:
            subject = " ".join(filter(None, [result.resource_type, result.title]))
            print(f"{result.status.name}: {subject}: {' '.join(str(result.reason or '').split())}")
    counts = Counter(result.status for result in results)
    print("scim2-tester: " + ", ".join(f"{n} {status.name}" for status, n in sorted(counts.items(), key=lambda item: item[0].name)))
    # A checker that checked next to nothing has not said that all is well.
    if counts[Status.SUCCESS] < 50:
        return give_up("too few checks succeeded for a verdict")
    return 1 if any(counts[status] for status in FAILED) else 0


def give_up(why):
    print(f"compliance.py: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
