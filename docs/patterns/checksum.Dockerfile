# The client of one version, by its digest: the builder refuses any other bytes.
# https://assay.example.com/v1.0.0/linux/amd64/assay.sha256 has the digest.
# Needs a BuildKit of 2023 or later.
#
#   docker build -f checksum.Dockerfile --secret id=assay_token,src=token.txt .
#
# This client never changes, so a cached scan stays cached: --no-cache-filter scan
# scans again.
FROM scratch AS assay
ADD --chmod=755 --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 \
    https://assay.example.com/v1.0.0/linux/amd64/assay /

FROM debian:12-slim AS scan

# What your image is made of stands here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
