# For every builder. The scan needs no shell: the exec form expands no variable, so
# assay reads the token from the environment of the step, where ARG puts it. The
# token is not in the command, but it stays in the image's history.
#
#   docker build -f argument.Dockerfile --build-arg ASSAY_TOKEN .
FROM debian:12-slim

# Put the lines of your image here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
# Repeat it after each FROM, or the step does not see it.
ARG ASSAY_TOKEN
RUN ["/assay"]
