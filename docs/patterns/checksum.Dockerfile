# The client of one version, with its digest. The builder rejects any other content.
# The digest is at https://assay.example.com/v1.0.0/linux/amd64/assay.sha256.
# This needs a BuildKit of 2023 or later.
#
#   docker build -f checksum.Dockerfile --secret id=assay_token,src=token.txt .
#
# This client never changes, so a cached scan stays cached. To scan again, build with
# --no-cache-filter scan.
FROM scratch AS assay
ADD --chmod=755 --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 \
    https://assay.example.com/v1.0.0/linux/amd64/assay /

FROM debian:12-slim AS scan

# Put the lines of your image here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
