# Scans an existing image without its Dockerfile. The build keeps no image.
#
#   docker build -f finished-image.Dockerfile --build-arg IMAGE=shop:latest \
#     --secret id=assay_token,src=token.txt .
ARG IMAGE

FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM ${IMAGE}
# The image's own user may not be able to read all files.
USER 0
RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
