# The token is a secret in the step's environment, for a base image whose user cannot
# read root's files. This needs a BuildKit of 2024 or later.
#
#   docker build -f secret-env.Dockerfile --secret id=assay_token,src=token.txt .
FROM debian:12-slim

# Put the lines of your image here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
RUN --mount=type=secret,id=assay_token,env=ASSAY_TOKEN ["/assay"]
