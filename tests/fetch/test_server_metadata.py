"""What servers state, waits they ask for, and the progress bar."""

import base64
import hashlib
import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from requests.structures import CaseInsensitiveDict

from harness.core.errors import ClaimsError
from harness.fetch import Material, Pins, Url, fetch
from harness.fetch.retry import Network, RetryableError, SourceFailure, retry_after, with_retries
from harness.fetch.server_metadata import disagreement, file_digest, statement

CONTENT = b"123456789"
MD5 = hashlib.md5(CONTENT)
MD5_64 = base64.b64encode(MD5.digest()).decode()
# The check value of CRC-32C (Castagnoli), as catalogues of CRC parameters give it for "123456789".
CRC32C = "e3069283"


def stated(whole=True, **headers):
    return statement(CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()}), whole)


def test_digests_are_read_from_the_headers_of_buckets_servers_and_hubs():
    crc = base64.b64encode(bytes.fromhex(CRC32C)).decode()
    bucket = stated(x_goog_hash=f"crc32c={crc}, md5={MD5_64}", content_length="9", etag='"v1"')
    assert dict(bucket.digests) == {"crc32c": CRC32C, "md5": MD5.hexdigest()}
    assert (bucket.size, bucket.validator) == (9, '"v1"')
    assert dict(stated(content_md5=MD5_64).digests) == {"md5": MD5.hexdigest()}
    assert dict(stated(x_linked_etag=f'"{"a" * 64}"', etag='"other"').digests) == {"sha256": "a" * 64}
    assert dict(stated(x_linked_etag=f'W/"{"b" * 40}"').digests) == {"git-sha1": "b" * 40}


def test_what_speaks_of_something_else_is_not_taken_for_the_file():
    part = stated(whole=False, content_md5=MD5_64, content_length="4")
    assert (part.size, part.digests) == (None, ())
    packed = stated(content_encoding="gzip", content_length="5", content_md5=MD5_64, etag='"v1"')
    assert (packed.size, packed.digests, packed.validator) == (None, (), "")
    assert stated(x_goog_hash=f"md5={MD5_64}", x_goog_stored_content_encoding="gzip").digests == ()
    for nonsense in ("md5", "md5=", "md5=!!!!", "md5=AAAA", "sha512=AAAA"):
        assert stated(x_goog_hash=nonsense).digests == ()
    assert stated(content_length="-5").size is None
    assert stated(etag='W/"weak"', last_modified="Tue, 01 Jul 2025 00:00:00 GMT").validator.startswith("Tue")


def test_digests_of_a_file_agree_with_git_and_zlib(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    git = subprocess.run(["git", "hash-object", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    assert file_digest(path, "git-sha1") == git
    assert file_digest(path, "md5") == MD5.hexdigest()
    assert file_digest(path, "crc32c") == CRC32C
    assert f"{zlib.crc32(CONTENT):08x}" != CRC32C
    assert disagreement(path, stated(content_length="9", content_md5=MD5_64)) is None
    assert disagreement(path, stated(content_length="8")) == "expected 8 bytes as the server states, found 9"
    wrong = base64.b64encode(bytes(16)).decode()
    assert disagreement(path, stated(content_md5=wrong)) == (
        f"expected md5 {'0' * 32} as the server states, found {MD5.hexdigest()}"
    )


def crc32c(content):
    """Return CRC-32C bit by bit (RFC 3720, appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def test_a_crc32c_that_a_bucket_states_alone_is_checked(server, network, tmp_path):
    content = bytes(range(256)) * 40
    right, lie = (base64.b64encode(crc32c(c).to_bytes(4, "big")).decode() for c in (content, content[:-1]))
    good = server.serve("/good", content, headers={"x-goog-hash": f"crc32c={right}"})
    lying = server.serve("/lying", content, headers={"x-goog-hash": f"crc32c={lie}"})
    assert fetch(Material("good", "w", (Url(good),)), tmp_path, network=network).read_bytes() == content
    assert Pins(tmp_path).get("good/w").checked == ("crc32c stated",)
    with pytest.raises(ClaimsError, match=f"expected crc32c .* as the server states, found {crc32c(content):08x}"):
        fetch(Material("lying", "w", (Url(lying),)), tmp_path, network=network)
    assert not (tmp_path / "files/lying/w").exists()
    assert Pins(tmp_path).get("lying/w") is None


def test_retry_after_is_a_number_or_a_date():
    assert retry_after({"Retry-After": "120"}) == 120
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < retry_after({"Retry-After": soon}) <= 100
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


def test_tries_that_bring_something_are_not_counted_as_fruitless_but_are_limited():
    come, slept = [], []

    def attempt():
        come.append(1)
        raise RetryableError("broke")

    with pytest.raises(SourceFailure, match=r"broke \(12 tries\)"):
        with_retries(attempt, Network(tries=2, limit=12, sleep=slept.append), lambda: len(come))
    assert slept == [1] * 11
    slept.clear()
    with pytest.raises(SourceFailure, match=r"broke \(9 tries\)"):
        with_retries(attempt, Network(tries=9, longest=20, sleep=slept.append), lambda: 0)
    assert slept == [1, 2, 4, 8, 16, 20, 20, 20]


def test_the_bar_shows_size_and_rate_and_is_quiet_where_no_terminal_is(server, network, tmp_path, capsys):
    content = bytes(2 << 20)
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(content).digest()).decode()}
    of = Material("vit", "w.npz", (Url(server.serve("/w.npz", content, headers=md5)),))
    fetch(of, tmp_path / "a", network=network)
    assert capsys.readouterr().err == ""
    fetch(of, tmp_path / "b", network=network, progress=True)
    shown = capsys.readouterr().err
    assert "vit/w.npz: 100%" in shown
    assert "2.00M/2.00M" in shown
    assert "B/s" in shown
