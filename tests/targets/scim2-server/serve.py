"""Starts the scim2-server command for a test: on a port that the system picks, until standard input ends.

Prints `port N` once it listens. The token is taken from the environment variable TOKEN. Ending with
standard input means that the server cannot outlive the test that started it, however that test died.
"""

import os
import sys
import threading

from scim2_server.testserver import cli

make_server = cli.make_server


def make_server_and_tell_port(*args, **kwargs):
    server = make_server(*args, **kwargs)
    print(f"port {server.server_port}", flush=True)
    return server


def stop_with_the_test():
    sys.stdin.buffer.read()
    os._exit(0)


cli.make_server = make_server_and_tell_port
threading.Thread(target=stop_with_the_test, daemon=True).start()
sys.argv = ["scim2-server", "--hostname", "127.0.0.1", "--port", "0", "--bearer-token", os.environ["TOKEN"]]
cli.main()
