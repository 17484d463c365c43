# The one to begin with: the client comes from a stage of its own, the token is a
# secret, and the image has not one file more than without the scan.
#
#   docker build -f bind.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay
# Twice, since Docker 20.10 ignores --chmod and podman 4.3 forgets the RUN once it
# is cached. Other builders need no shell for it: FROM scratch AS assay, and ADD.

FROM debian:12-slim

# What your image is made of stands here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
