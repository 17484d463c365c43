# A stage that scans, for every builder: client and token stay in that stage, and
# are in neither the files nor the history of the image that you ship.
#
#   docker build -f scan-stage.Dockerfile --build-arg ASSAY_TOKEN .
FROM debian:12-slim AS image

# What your image is made of stands here, such as
WORKDIR /srv

FROM image AS scan
ADD https://assay.example.com/assay /
RUN chmod +x /assay
ARG ASSAY_TOKEN
RUN /assay && : >/scanned

FROM image
# BuildKit skips a stage that nothing refers to. This empty file is why it scans.
COPY --from=scan /scanned /.scanned
