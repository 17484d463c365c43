# An assayd whose certificate comes from an authority of your own, which lies in
# an image of yours as /ca.pem. Better: "assayd serve --ca ca.pem" writes it into
# the client that it serves, and no Dockerfile has to name it.
#
#   docker build -f private-ca.Dockerfile --build-arg ASSAY_TOKEN .
#
# ADD is done by the builder: its machine has to trust the authority as well.
FROM debian:12-slim

# What your image is made of stands here.

ADD https://assay.example.com/assay /
RUN chmod +x /assay
COPY --from=registry.example.com/authority:1 /ca.pem /assay-ca.pem
ARG ASSAY_TOKEN
RUN ["/assay", "--cacert", "/assay-ca.pem"]
