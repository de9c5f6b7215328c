"""Keys, and statements signed with them as cosign does: by OpenSSL, so that nothing here is Stella's."""
import base64
import hashlib
import json
import os

import program

STATEMENT = "application/vnd.in-toto+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
CYCLONEDX = "https://cyclonedx.org/bom"
KIND = "application/vnd.oci.image."
PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
# Arguments for `openssl genpkey`, and for `openssl dgst`; `None` for keys that take no digest.
ALGORITHMS = {
    "P-256": (["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["-sha256"]),
    "P-384": (["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], ["-sha384"]),
    "P-384 with SHA-256": (["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], ["-sha256"]),
    "Ed25519": (["ED25519"], None),
    "RSA 2048": (["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], ["-sha256"]),
    "RSA 4096": (["RSA", "-pkeyopt", "rsa_keygen_bits:4096"], ["-sha256"]),
    "RSA 2048, PSS": (["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], ["-sha256", *PSS]),
}


class Key:
    """A pair of keys in files of `directory`."""

    def __init__(self, directory, name, algorithm="P-256"):
        generate, self.digest = ALGORITHMS[algorithm]
        self.private, self.public = (os.path.join(directory, f"{name}.{ending}") for ending in ("key", "pub"))
        program.prepare("openssl", "genpkey", "-algorithm", *generate, "-out", self.private)
        program.prepare("openssl", "pkey", "-in", self.private, "-pubout", "-out", self.public)
        with open(self.public, encoding="utf-8") as pem:
            spki = base64.b64decode("".join(line for line in pem if "-----" not in line))
        self.fingerprint = "sha256:" + hashlib.sha256(spki).hexdigest()

    def sign(self, message):
        said, signed = f"{self.private}.message", f"{self.private}.signature"
        with open(said, "wb") as out:
            out.write(message)
        if self.digest:
            program.prepare("openssl", "dgst", *self.digest, "-sign", self.private, "-out", signed, said)
        else:
            program.prepare("openssl", "pkeyutl", "-sign", "-rawin", "-in", said, "-inkey", self.private, "-out", signed)
        with open(signed, "rb") as signature:
            return signature.read()


def statement(digest, bill, predicate_type=CYCLONEDX):
    return json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate_type, "predicate": bill,
                       "subject": [{"name": "app", "digest": {"sha256": digest.removeprefix("sha256:")}}]}).encode()


def envelope(payload, *keys, payload_type=STATEMENT):
    """A DSSE envelope as a value, signed by all `keys`."""
    message = b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)
    return {"payloadType": payload_type, "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(key.sign(message)).decode()} for key in keys]}


def attestation(put, *values, media_type=ENVELOPE, subject=None):
    """The manifest of these envelopes (values, or bytes) as cosign makes it, or as what refers to `subject`; `put` stores
    bytes and gives their descriptor."""
    blobs = [put(value if isinstance(value, bytes) else json.dumps(value).encode()) for value in values]
    layers = [{"mediaType": media_type, "annotations": {"predicateType": CYCLONEDX}, **blob} for blob in blobs]
    if subject:
        config = {"mediaType": "application/vnd.oci.empty.v1+json", **put(b"{}")}
        more = {"artifactType": media_type, "subject": {name: subject[name] for name in ("mediaType", "digest", "size")}}
    else:
        config = {"mediaType": KIND + "config.v1+json", **put(json.dumps({
            "architecture": "", "os": "", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [blob["digest"] for blob in blobs]}}).encode())}
        more = {}
    return {"schemaVersion": 2, "mediaType": KIND + "manifest.v1+json", "config": config, "layers": layers, **more}


def cosign_tag(image):
    return image["digest"].replace(":", "-") + ".att"
