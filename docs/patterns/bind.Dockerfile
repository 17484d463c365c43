# Start with this one. The client is in a stage of its own, the token is a secret,
# and the image has the same files as without the scan.
#
#   docker build -f bind.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay
# Both lines are needed: Docker 20.10 ignores --chmod, and podman 4.3 loses the RUN once
# it is cached. Other builders need only FROM scratch AS assay and ADD, without a shell.

FROM debian:12-slim

# Put the lines of your image here.

RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
