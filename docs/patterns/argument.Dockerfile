# Every builder, and no shell for the scan: the exec form expands nothing, so
# assay takes the token from the environment of the step, where ARG puts it. It
# is not in the command, but it stays in the image's history.
#
#   docker build -f argument.Dockerfile --build-arg ASSAY_TOKEN .
FROM debian:12-slim

# What your image is made of stands here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
# Repeated after each FROM, or the step does not see it.
ARG ASSAY_TOKEN
RUN ["/assay"]
