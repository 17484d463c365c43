# An image for several platforms. Each is scanned by the client for that platform.
#
#   docker buildx build -f multi-platform.Dockerfile --platform linux/amd64,linux/arm64 \
#     --secret id=assay_token,src=token.txt .
FROM --platform=$BUILDPLATFORM debian:12-slim AS assay
ARG TARGETARCH
ADD --chmod=755 https://assay.example.com/linux/${TARGETARCH}/assay /
RUN chmod +x /assay

FROM debian:12-slim

# Put the lines of your image here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
