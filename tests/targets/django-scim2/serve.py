"""Serves django-scim2 for a test: on a port that the system picks, until standard input ends.

Ours are only the project that the library must live in, as its documentation has it, and the look at the
token. Every answer, the filters and the PATCH semantics are the library's; what the models of the documentation
do not have, it drops.

Prints `port N` once it listens. The token is taken from the environment variable TOKEN. Ending with
standard input means that the server cannot outlive the test that started it, however that test died.
"""

import os
import sys
import tempfile
import threading
import types
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

folder = tempfile.TemporaryDirectory()
# This folder, as the application that models.py belongs to.
people = types.ModuleType("people")
people.__path__ = [os.path.dirname(os.path.abspath(__file__))]
sys.modules["people"] = people
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    AUTH_USER_MODEL="people.User",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(folder.name, "db"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_scim", "people"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=["__main__.Token"],
    ROOT_URLCONF="__main__",
    SCIM_SERVICE_PROVIDER={
        "NETLOC": "127.0.0.1",
        "AUTHENTICATION_SCHEMES": [{"type": "oauthbearertoken", "name": "Bearer", "description": "A bearer token."}],
        "GROUP_MODEL": "people.models.Group",
    },
    SECRET_KEY="of no use anywhere else",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from people.models import Group, User  # noqa: E402


class Token:
    """The library asks only whether the user of the request is known."""

    def __init__(self, respond):
        self.respond = respond

    def __call__(self, request):
        if request.headers.get("Authorization") != f"Bearer {os.environ['TOKEN']}":
            return HttpResponse("The token is missing or wrong.", status=401)
        request.user = User(username="client")
        return self.respond(request)


urlpatterns = [path("scim/v2/", include("django_scim.urls", namespace="scim"))]

with connection.schema_editor() as editor:
    for model in [Group, User]:
        editor.create_model(model)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), Server, Handler)
print(f"port {server.server_port}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.buffer.read()
folder.cleanup()
os._exit(0)
