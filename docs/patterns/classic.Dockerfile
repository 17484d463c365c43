# The fewest lines, for every builder. The token stays in the image's history
# and, with BuildKit, in the log: give it a short life, or see bind.Dockerfile.
#
#   docker build -f classic.Dockerfile --build-arg token=TOKEN .
FROM debian:12-slim

# What your image is made of stands here; the scan is last, to see all of it.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
ARG token
RUN /assay ${token}
