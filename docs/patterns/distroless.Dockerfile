# A distroless image, which has packages and no shell.
#
#   docker build -f distroless.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim AS assay
ADD --chmod=755 https://assay.example.com/assay /
RUN chmod +x /assay

FROM gcr.io/distroless/base-debian12
COPY app /app
RUN --mount=type=bind,from=assay,target=/.assay \
    --mount=type=secret,id=assay_token ["/.assay/assay"]
ENTRYPOINT ["/app"]
