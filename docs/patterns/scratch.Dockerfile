# One static program without a base: no shell, no certificates, no /tmp. The exec form
# runs assay there as well.
#
#   docker build -f scratch.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM scratch
# Your program, for example from "CGO_ENABLED=0 go build -o app".
COPY app /app
RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
ENTRYPOINT ["/app"]
