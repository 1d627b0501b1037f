"""Reads a client assertion on standard input and checks it as Microsoft's documentation lists it.

Arguments: the certificate (PEM), the algorithm, the token endpoint, the client id. Prints the assertion's
id, and fails with a traceback where anything is wrong.
"""

import base64
import hashlib
import sys
import time
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

certificate_path, algorithm, audience, client = sys.argv[1:]
with open(certificate_path, "rb") as file:
    certificate = x509.load_pem_x509_certificate(file.read())
der = certificate.public_bytes(Encoding.DER)
assertion = sys.stdin.read().strip()


def thumbprint(digest):
    return base64.urlsafe_b64encode(digest(der).digest()).rstrip(b"=").decode()


header = jwt.get_unverified_header(assertion)
expected = {"alg": algorithm, "typ": "JWT"}
if algorithm == "PS256":
    expected["x5t#S256"] = thumbprint(hashlib.sha256)
else:
    expected["x5t"] = thumbprint(hashlib.sha1)
assert header == expected, header

claims = jwt.decode(
    assertion,
    certificate.public_key(),
    algorithms=[algorithm],
    audience=audience,
    issuer=client,
    options={"require": ["aud", "iss", "sub", "jti", "nbf", "iat", "exp"]},
)
assert claims["sub"] == client, claims
for name in ("nbf", "iat", "exp"):
    assert type(claims[name]) is int, claims
assert abs(claims["nbf"] - time.time()) < 300, claims
assert claims["nbf"] == claims["iat"], claims
assert 300 <= claims["exp"] - claims["nbf"] <= 600, claims
print(uuid.UUID(claims["jti"]))
