# An assayd whose certificate is signed by your own authority. The certificate of the
# authority is in one of your images as /ca.pem. It is better to start assayd with
# "serve --ca ca.pem", which writes it into the served client: then no Dockerfile needs it.
#
#   docker build -f private-ca.Dockerfile --build-arg ASSAY_TOKEN .
#
# The builder runs ADD, so its machine must trust the authority as well.
FROM debian:12-slim

# Put the lines of your image here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
COPY --from=registry.example.com/authority:1 /ca.pem /assay-ca.pem
ARG ASSAY_TOKEN
RUN ["/assay", "--cacert", "/assay-ca.pem"]
