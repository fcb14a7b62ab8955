"""What foreign-clients.test.ts has boto3 do: argv is the endpoint, a bucket, and a folder with calls/large.wav."""

import hashlib
import sys
import time
import urllib.error
import urllib.request

import boto3
import botocore
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, bucket, folder = sys.argv[1:]
config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
s3 = boto3.client("s3", endpoint_url=endpoint, config=config)


def refused(code, ask):
    try:
        ask()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"not refused with {code}")


s3.create_bucket(Bucket="made-by-boto3", CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
assert sorted(each["Name"] for each in s3.list_buckets()["Buckets"]) == sorted(["made-by-boto3", bucket])

# Objects, with a checksum and awkward keys.
keys = ["ws/a b+c.wav", "ws/../x", "ws/é/1", "ws/é/2", "%25", "ws/<&>"]
for key in keys:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ChecksumAlgorithm="SHA256", Metadata={"leg": "leg_01"})
    read = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert read["Body"].read() == key.encode()
    assert read["Metadata"] == {"leg": "leg_01"}
    assert "ChecksumSHA256" in read
s3.put_object(Bucket=bucket, Key="empty", Body=b"")
assert s3.get_object(Bucket=bucket, Key="ws/é/1", Range="bytes=3-4")["Body"].read() == "é".encode()
refused("304", lambda: s3.get_object(Bucket=bucket, Key="empty", IfNoneMatch=hashlib.md5().hexdigest()))
refused("404", lambda: s3.head_object(Bucket=bucket, Key="nothing"))
refused("NoSuchKey", lambda: s3.get_object(Bucket=bucket, Key="nothing"))

# Listing, in both versions, page by page.
for name in ["list_objects", "list_objects_v2"]:
    pages = s3.get_paginator(name).paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    found = [each["Key"] for page in pages for each in page["Contents"]]
    assert found == sorted([*keys, "empty"], key=str.encode), found
    pages = s3.get_paginator(name).paginate(Bucket=bucket, Prefix="ws/", Delimiter="/", PaginationConfig={"PageSize": 1})
    prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
    assert prefixes == ["ws/../", "ws/é/"], prefixes

# Multipart, there and back.
transfer = TransferConfig(multipart_threshold=5 * 1024**2, multipart_chunksize=5 * 1024**2)
s3.upload_file(f"{folder}/calls/large.wav", bucket, "large.wav", Config=transfer)
s3.download_file(bucket, "large.wav", f"{folder}/large.back", Config=transfer)
with open(f"{folder}/calls/large.wav", "rb") as sent, open(f"{folder}/large.back", "rb") as got:
    assert sent.read() == got.read()

# Presigned links.
link = s3.generate_presigned_url(
    "get_object",
    Params={"Bucket": bucket, "Key": "ws/a b+c.wav", "ResponseContentDisposition": 'attachment; filename="a b.wav"'},
    ExpiresIn=60,
)
with urllib.request.urlopen(link) as reply:
    assert reply.read() == b"ws/a b+c.wav"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="a b.wav"'
try:
    urllib.request.urlopen(link.replace("a%20b.wav", "a.html"))
    raise AssertionError("a changed link was taken")
except urllib.error.HTTPError as error:
    assert error.code == 403
    error.close()
link = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "sent"}, ExpiresIn=60)
urllib.request.urlopen(urllib.request.Request(link, data=b"habari", method="PUT")).close()
assert s3.get_object(Bucket=bucket, Key="sent")["Body"].read() == b"habari"

# Copying and deleting.
s3.copy_object(Bucket="made-by-boto3", Key="copied", CopySource={"Bucket": bucket, "Key": "ws/a b+c.wav"})
assert s3.get_object(Bucket="made-by-boto3", Key="copied")["Body"].read() == b"ws/a b+c.wav"
refused("BucketNotEmpty", lambda: s3.delete_bucket(Bucket="made-by-boto3"))
s3.delete_object(Bucket="made-by-boto3", Key="copied")
s3.delete_bucket(Bucket="made-by-boto3")
deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})["Deleted"]
assert [each["Key"] for each in deleted] == keys

# Strangers: each asks for what is there, for what is not, and to write.
def client_with(**more):
    return boto3.client("s3", endpoint_url=endpoint, **{"config": config, **more})


def answered(url, method="GET", data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data, method=method)) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


unsigned = Config(signature_version=botocore.UNSIGNED, s3={"addressing_style": "path"})
old = Config(signature_version="s3", s3={"addressing_style": "path"})
strangers = [
    ("SignatureDoesNotMatch", client_with(aws_access_key_id="SAUTIKIT", aws_secret_access_key="guess")),
    ("InvalidAccessKeyId", client_with(aws_access_key_id="STRANGER", aws_secret_access_key="guess")),
    ("AccessDenied", client_with(config=unsigned)),
]
for code, stranger in strangers:
    refused(code, lambda: stranger.list_buckets())
    refused(code, lambda: stranger.list_objects_v2(Bucket=bucket))
    refused(code, lambda: stranger.get_object(Bucket=bucket, Key="sent"))
    refused(code, lambda: stranger.get_object(Bucket="no-such-bucket", Key="sent"))
    refused(code, lambda: stranger.put_object(Bucket=bucket, Key="sent", Body=b"a" * 3_000_000))
    refused(code, lambda: stranger.delete_object(Bucket=bucket, Key="sent"))
    refused(code, lambda: stranger.create_bucket(Bucket="strangers-own"))
# Of another region, but with the right key: boto3 is told the store's region, and signs again for that.
assert client_with(region_name="us-east-1").list_objects_v2(Bucket=bucket, Prefix="sent")["KeyCount"] == 1
try:
    client_with(config=old).list_objects(Bucket=bucket)
    raise AssertionError("a signature of version 2 was taken")
except ClientError as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), error
assert s3.get_object(Bucket=bucket, Key="sent")["Body"].read() == b"habari"

# Other buckets, and keys that would be paths elsewhere.
refused("NoSuchBucket", lambda: s3.get_object(Bucket="no-such-bucket", Key="sent"))
refused("NoSuchBucket", lambda: s3.put_object(Bucket="no-such-bucket", Key="sent", Body=b"1"))
for trick in ["../sent", "../../etc/passwd", f"../{bucket}/sent", "ws/../sent", "./sent", "/sent", "//etc/passwd", "%2e%2e/sent", "sent/", "sent\\..\\x"]:
    refused("NoSuchKey", lambda: s3.get_object(Bucket=bucket, Key=trick))
    s3.put_object(Bucket=bucket, Key=trick, Body=trick.encode())
    assert s3.get_object(Bucket=bucket, Key=trick)["Body"].read() == trick.encode()
    s3.delete_object(Bucket=bucket, Key=trick)
assert s3.get_object(Bucket=bucket, Key="sent")["Body"].read() == b"habari"

# Links: good for what they name and as long as they say, and for nothing else.
s3.create_bucket(Bucket="another-bucket", CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
s3.put_object(Bucket="another-bucket", Key="sent", Body=b"another")
link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "sent"}, ExpiresIn=60)
assert answered(link) == (200, b"habari")
for changed in [
    link.replace(f"/{bucket}/", "/another-bucket/"),
    link.replace("/sent?", "/empty?"),
    link.replace("/sent?", f"/../{bucket}/empty?"),
    link.replace(f"/{bucket}/sent?", f"/another-bucket/%2e%2e/{bucket}/sent?"),
    link.replace("X-Amz-Expires=60", "X-Amz-Expires=3600"),
    link.replace("X-Amz-Credential=SAUTIKIT", "X-Amz-Credential=STRANGER"),
    link.split("?")[0],
]:
    assert changed != link
    status, body = answered(changed)
    assert status == 403 and b"habari" not in body and b"another" not in body, (changed, status, body)
for method in ["PUT", "DELETE", "POST"]:
    assert answered(link, method, None if method == "DELETE" else b"mine")[0] in (403, 405), method
assert answered(link) == (200, b"habari")
short = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "sent"}, ExpiresIn=1)
time.sleep(2.1)
status, body = answered(short)
assert status == 403 and b"expired" in body, (status, body)
print("all as expected")
