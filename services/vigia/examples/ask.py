"""Pide un tablero con la clave de un cliente / asks for a scorecard with a client's key.

    pip install grpcio grpcio-tools pyjwt cryptography
    python3 ask.py 127.0.0.1:7300 vigia-data/demo/keys/auditor.pem [proto]

The third argument is the repository's `proto` directory; it is looked for above the working directory and this file.
"""

import pathlib
import sys
import tempfile
import time
import uuid

if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
address, key_file = sys.argv[1], pathlib.Path(sys.argv[2])
above = [folder for start in (pathlib.Path.cwd(), pathlib.Path(__file__).resolve()) for folder in (start, *start.parents)]
found = (folder / "proto" for folder in above if (folder / "proto" / "vigia").is_dir())
proto = pathlib.Path(sys.argv[3]) if len(sys.argv) == 4 else next(found, None)
if proto is None or not (proto / "vigia").is_dir():
    sys.exit("no se encontró el contrato: diga dónde está «proto» / the contract was not found: say where `proto` is")

import grpc
import jwt
from grpc_tools import protoc

# The contract becomes Python modules.
generated = tempfile.mkdtemp()
files = [str(path.relative_to(proto)) for path in proto.glob("vigia/**/*.proto")]
if protoc.main(["protoc", f"-I{proto}", f"-I{pathlib.Path(protoc.__file__).parent / '_proto'}",
                f"--python_out={generated}", f"--grpc_python_out={generated}", *files]):
    sys.exit("protoc")
sys.path.insert(0, generated)
from vigia.compliance.v1 import compliance_service_pb2, compliance_service_pb2_grpc
from vigia.identity.v1 import token_service_pb2, token_service_pb2_grpc

channel = grpc.insecure_channel(address)

# Who we are: an assertion signed with our own key (RFC 7523) buys a token of 15 minutes.
client, now = f"clients/{key_file.stem}", int(time.time())
assertion = jwt.encode(
    {"iss": client, "sub": client, "aud": "vigia", "iat": now, "exp": now + 60, "jti": str(uuid.uuid4())},
    key_file.read_text(), algorithm="EdDSA", headers={"kid": key_file.stem, "typ": "JWT"})
token = token_service_pb2_grpc.TokenServiceStub(channel).IssueToken(
    token_service_pb2.IssueTokenRequest(client_assertion=assertion)).access_token

compliance = compliance_service_pb2_grpc.ComplianceServiceStub(channel)
answer = compliance.GetScorecard(
    compliance_service_pb2.GetScorecardRequest(name="plans/vcm"),
    metadata=[("authorization", f"Bearer {token}")])
print(answer)
