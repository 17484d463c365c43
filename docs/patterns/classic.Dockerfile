# The shortest form, for every builder. The token stays in the image's history and,
# with BuildKit, in the log. Use a token that expires soon, or see bind.Dockerfile.
#
#   docker build -f classic.Dockerfile --build-arg token=TOKEN .
FROM debian:12-slim

# Put the lines of your image here. The scan comes last, so that it sees all of it.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
ARG token
RUN /assay ${token}
