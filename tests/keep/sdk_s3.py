"""boto3 against the fake S3: what it sends the fake takes, what the fake answers it can read.

Arguments: the fake's address, its keys, region and bucket. Ends with 0 if all is as it should be.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ADDRESS, ACCESS_KEY, SECRET_KEY, REGION, BUCKET = sys.argv[1:6]


def client(secret):
    return boto3.client(
        "s3",
        endpoint_url=ADDRESS,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret,
        config=Config(
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            request_checksum_calculation="when_required",
            retries={"max_attempts": 0},
        ),
    )


def refused(code, call):
    try:
        call()
    except ClientError as refusal:
        assert refusal.response["Error"]["Code"] == code, refusal.response
    else:
        raise AssertionError(f"no {code}")


s3 = client(SECRET_KEY)
for number in range(8):
    s3.put_object(Bucket=BUCKET, Key=f"sdk/{number}", Body=bytes([number]) * 100)
assert s3.get_object(Bucket=BUCKET, Key="sdk/3")["Body"].read() == b"\x03" * 100
part = s3.get_object(Bucket=BUCKET, Key="sdk/3", Range="bytes=10-19")
assert (part["ContentRange"], part["Body"].read()) == ("bytes 10-19/100", b"\x03" * 10)
assert s3.head_object(Bucket=BUCKET, Key="sdk/3")["ContentLength"] == 100
print("objects ok")

pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="sdk/")
assert [one["Key"] for page in pages for one in page["Contents"]] == [f"sdk/{n}" for n in range(8)]
later = s3.list_objects_v2(Bucket=BUCKET, Prefix="sdk/", StartAfter="sdk/5")
assert [one["Key"] for one in later["Contents"]] == ["sdk/6", "sdk/7"]
print("listing ok")

upload = s3.create_multipart_upload(Bucket=BUCKET, Key="sdk/big")["UploadId"]
pieces = [b"a" * (5 << 20), b"b" * 17]
parts = []
for number, piece in enumerate(pieces, 1):
    sent = s3.upload_part(Bucket=BUCKET, Key="sdk/big", UploadId=upload, PartNumber=number, Body=piece)
    parts.append({"PartNumber": number, "ETag": sent["ETag"]})
named = {"Bucket": BUCKET, "Key": "sdk/big", "UploadId": upload}
refused("InvalidPart", lambda: s3.complete_multipart_upload(
    **named, MultipartUpload={"Parts": [parts[0], {"PartNumber": 2, "ETag": "x"}]}))
s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
assert s3.get_object(Bucket=BUCKET, Key="sdk/big")["Body"].read() == b"".join(pieces)
given_up = s3.create_multipart_upload(Bucket=BUCKET, Key="sdk/none")["UploadId"]
s3.abort_multipart_upload(Bucket=BUCKET, Key="sdk/none", UploadId=given_up)
print("parts ok")

s3.delete_object(Bucket=BUCKET, Key="sdk/big")
refused("NoSuchKey", lambda: s3.get_object(Bucket=BUCKET, Key="sdk/big"))
refused("SignatureDoesNotMatch", lambda: client("another secret").get_object(Bucket=BUCKET, Key="sdk/1"))
for number in range(8):
    s3.delete_object(Bucket=BUCKET, Key=f"sdk/{number}")
print("refusals ok")
